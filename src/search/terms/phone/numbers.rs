//! Splits a text into the phone numbers that it holds, and their extensions.

use std::ops::Range;

use crate::analyzer::{self, Digit};

/// Maximum number of digits of a country code (ITU-T E.164).
pub(crate) const MAX_COUNTRY_CODE_DIGITS: usize = 3;
/// Minimum number of digits of a number that stands beside another one or has an extension. A slash
/// after fewer digits, as in `030/1234567`, is only punctuation.
const MIN_COMPLETE_DIGITS: usize = 6;
/// Maximum number of digits of an extension. More digits are another number.
const MAX_EXTENSION_DIGITS: usize = 6;
/// Words and signs, in lower case, between a number and its extension.
const EXTENSION_MARKS: [&str; 12] = [
    "x",
    "ext",
    "extn",
    "extension",
    "#",
    "dw",
    "durchwahl",
    "app",
    "apparat",
    "poste",
    "int",
    "interno",
];

/// Returns true if the word or sign can stand between a number and its extension.
pub(crate) fn is_extension_mark(text: &str) -> bool {
    EXTENSION_MARKS.contains(&text.to_lowercase().as_str())
}

/// A phone number in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Number {
    /// Its digits, without those of the extension, and without a `(0)` after the country code.
    pub(crate) digits: Vec<Digit>,
    /// True if it begins with `+`.
    pub(crate) has_plus: bool,
    pub(crate) has_extension: bool,
    /// The bytes of its digits in the text, with its extension.
    pub(crate) range: Range<usize>,
}

/// Returns the numbers in a text, in order.
pub(crate) fn numbers(text: &str) -> Vec<Number> {
    let mut splitter = NumberSplitter::default();
    for token in tokens(text) {
        splitter.take(token);
    }
    splitter.end(false);
    splitter.numbers
}

/// A part of a text that matters for its numbers.
enum PhoneToken {
    Digit(Digit),
    Plus,
    /// `(0)`
    TrunkZero(Digit),
    ExtensionMark,
    /// A sign between numbers, where both sides are long enough.
    Separator,
    /// A word or a colon, which always ends a number.
    Word,
}

fn tokens(text: &str) -> Vec<PhoneToken> {
    let digits = analyzer::digits(text);
    let mut digits = digits.into_iter().peekable();
    let mut tokens = Vec::new();
    // Offset of the end of a word that has been read.
    let mut word_end = 0;
    for (start, c) in text.char_indices() {
        let is_digit = digits.peek().is_some_and(|digit| digit.start == start);
        while let Some(digit) = digits.next_if(|digit| digit.start == start) {
            let before = text.get(..start).unwrap_or_default().trim_end();
            let after = text.get(digit.end..).unwrap_or_default().trim_start();
            let is_alone = before.ends_with('(') && after.starts_with(')');
            tokens.push(match digit.digit {
                '0' if is_alone => PhoneToken::TrunkZero(digit),
                _ => PhoneToken::Digit(digit),
            });
        }
        if is_digit || start < word_end {
            continue;
        }
        match c {
            '+' => tokens.push(PhoneToken::Plus),
            '/' | ',' | ';' | '|' | '&' | '\n' | '\r' => tokens.push(PhoneToken::Separator),
            '#' => tokens.push(PhoneToken::ExtensionMark),
            ':' => tokens.push(PhoneToken::Word),
            c if c.is_alphabetic() => {
                let rest = text.get(start..).unwrap_or_default();
                let length = rest.find(|c: char| !c.is_alphabetic());
                let word = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
                word_end = start + word.len();
                tokens.push(if is_extension_mark(word) {
                    PhoneToken::ExtensionMark
                } else {
                    PhoneToken::Word
                });
            }
            _ => {}
        }
    }
    tokens
}

/// Splits the digits of a text into numbers.
#[derive(Default)]
struct NumberSplitter {
    numbers: Vec<Number>,
    current: Number,
    /// Digits after an extension mark, while they are an extension.
    extension: Option<Vec<Digit>>,
    /// True if `current` may be a continuation of the last number: only a separator is in between.
    continues: bool,
}

impl NumberSplitter {
    fn take(&mut self, token: PhoneToken) {
        match token {
            PhoneToken::Digit(digit) => match &mut self.extension {
                Some(extension) => extension.push(digit),
                None => self.current.digits.push(digit),
            },
            PhoneToken::TrunkZero(digit) => {
                if !self.current.is_country_code() {
                    self.take(PhoneToken::Digit(digit));
                }
            }
            PhoneToken::Plus => {
                self.end(false);
                self.current.has_plus = true;
            }
            PhoneToken::ExtensionMark => {
                // In `tel:+1-415-555-0134;ext=12` a separator precedes the mark.
                if self.current.digits.is_empty()
                    && self.continues
                    && let Some(last) = self.numbers.pop()
                {
                    self.current = last;
                    self.continues = false;
                }
                let has_extension = self.current.digits.len() >= MIN_COMPLETE_DIGITS;
                if has_extension && self.extension.is_none() {
                    self.extension = Some(Vec::new());
                } else {
                    self.end(false);
                }
            }
            PhoneToken::Separator => self.end(true),
            PhoneToken::Word => self.end(false),
        }
    }

    /// Ends the current number. `continues` is true if only a separator follows.
    fn end(&mut self, continues: bool) {
        let extension = self.extension.take().unwrap_or_default();
        let current = std::mem::take(&mut self.current);
        let is_number = extension.len() > MAX_EXTENSION_DIGITS;
        let extended = extension.last().filter(|_| !is_number).copied();
        self.add(current, extended);
        if is_number {
            let digits = extension;
            self.continues = false;
            self.add(
                Number {
                    digits,
                    ..Number::default()
                },
                None,
            );
        }
        self.continues = continues && !self.numbers.is_empty();
    }

    fn add(&mut self, mut number: Number, extension: Option<Digit>) {
        let (Some(first), Some(last)) = (number.digits.first(), number.digits.last()) else {
            return;
        };
        let end = extension.unwrap_or(*last).end;
        number.range = first.start..end;
        number.has_extension |= extension.is_some();
        let is_short = |number: &Number| number.digits.len() < MIN_COMPLETE_DIGITS;
        match self.numbers.last_mut() {
            Some(last)
                if self.continues && !number.has_plus && (is_short(last) || is_short(&number)) =>
            {
                last.digits.append(&mut number.digits);
                last.range.end = end;
                last.has_extension |= number.has_extension;
            }
            _ => self.numbers.push(number),
        }
    }
}

impl Number {
    /// Returns the number of leading zeros, which is also the index of the first term that counts
    /// when complete numbers are compared.
    pub(crate) fn leading_zeros(&self) -> usize {
        let digits = self.digits.iter();
        digits.take_while(|digit| digit.digit == '0').count()
    }

    /// Returns true if the number so far is a country code, with its international prefix.
    fn is_country_code(&self) -> bool {
        let count = self.digits.len();
        let code = match self.leading_zeros() {
            0 if self.has_plus => count,
            2 => count - 2,
            _ => 0,
        };
        (1..=MAX_COUNTRY_CODE_DIGITS).contains(&code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_split_into_numbers() {
        for (stored, expected) in [
            ("(504) 621-8927", "5046218927"),
            ("030/1234567", "0301234567"),
            ("1,800,555,0134", "18005550134"),
            ("030 111222 / 0171 333444", "030111222|0171333444"),
            (
                "030 111222, 0171 333444; 0172 555666",
                "030111222|0171333444|0172555666",
            ),
            ("+49 30 111222 +49 171 333444", "4930111222|49171333444"),
            ("Tel. 030 111222, mobil 0171 333444", "030111222|0171333444"),
            ("Phone 2: 030 111222", "2|030111222"),
            ("Phone 2: 030 111222, ext. 42", "2|030111222"),
            ("Tel 1: 415-555-0134; x7", "1|4155550134"),
            ("030 111222 mobil 12, x5", "030111222|12|5"),
            ("+1 (212) 555-0101 ext. 42", "12125550101"),
            ("555-0101x42 / 555-0102#7", "5550101|5550102"),
            ("tel:+1-212-555-0101;ext=42", "12125550101"),
            ("555-0101 x 0171333444", "5550101|0171333444"),
            ("12 x 42", "12|42"),
            ("x 12", "12"),
            ("+49 (0)30 / 111222", "4930111222"),
            ("(0)30 / 111222", "030111222"),
            ("", ""),
        ] {
            let found: Vec<String> = numbers(stored)
                .iter()
                .map(|number| number.digits.iter().map(|digit| digit.digit).collect())
                .collect();
            assert_eq!(found.join("|"), expected, "{stored}");
        }
    }
}
