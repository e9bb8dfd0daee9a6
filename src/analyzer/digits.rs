//! The digits of a text, with their places in the original: what is compared of phone numbers.

use crate::analyzer::fold::Folder;

/// One digit of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digit {
    /// `0` to `9`, whatever width or height it was written in.
    pub(crate) digit: char,
    /// Where the character that it came from begins in the original text, in bytes.
    pub(crate) start: usize,
    /// Where that character ends.
    pub(crate) end: usize,
}

/// The digits of `text` in order. Those of Arabic and Persian are read, too.
pub(crate) fn digits(text: &str) -> Vec<Digit> {
    let mut digits = Vec::new();
    let mut folder = Folder::default();
    for (start, c) in text.char_indices() {
        let end = start + c.len_utf8();
        folder.fold(c, |plain| {
            digits.extend(value(plain).map(|digit| Digit { digit, start, end }))
        });
    }
    digits
}

fn value(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        '٠'..='٩' => char::from_digit(u32::from(c) - u32::from('٠'), 10),
        '۰'..='۹' => char::from_digit(u32::from(c) - u32::from('۰'), 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_in_every_spelling_and_know_their_place() {
        for (text, expected) in [
            ("(504) 621-8927", "5046218927"),
            ("+33 6 28", "33628"),
            ("０４２", "042"),
            ("٠٥٠-۱۲۳", "050123"),
            ("ext. x", ""),
        ] {
            assert_eq!(
                digits(text)
                    .iter()
                    .map(|digit| digit.digit)
                    .collect::<String>(),
                expected,
                "{text}"
            );
        }
        let places: Vec<_> = digits("t１ 2")
            .iter()
            .map(|digit| (digit.start, digit.end))
            .collect();
        assert_eq!(places, [(1, 4), (5, 6)]);
    }
}
