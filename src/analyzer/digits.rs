//! Extracts the digits of a text with their byte ranges in the original. Phone numbers are compared
//! by their digits.

use crate::analyzer::fold::Folder;

/// A digit of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digit {
    /// The digit as `0` to `9`: full-width, superscript, Arabic and Persian digits are converted.
    pub(crate) digit: char,
    /// Byte offset of the start of its character in the original text.
    pub(crate) start: usize,
    /// Byte offset of the end of that character.
    pub(crate) end: usize,
}

/// Returns the digits of `text` in order, including Arabic and Persian digits.
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
    fn digits_of_all_forms_are_extracted_with_byte_ranges() {
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
        let ranges: Vec<_> = digits("t１ 2")
            .iter()
            .map(|digit| (digit.start, digit.end))
            .collect();
        assert_eq!(ranges, [(1, 4), (5, 6)]);
    }
}
