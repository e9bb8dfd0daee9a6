//! Phone numbers, compared as digits regardless of how either side is formatted.
//!
//! A number is indexed as its overlapping runs of three digits, each a term, so a longer run is a
//! phrase of adjacent terms. Terms of four digits would take twice the space, because each is so
//! rare. Leading zeros are ignored when complete numbers are compared, because they are an
//! international or trunk prefix.
//!
//! A text can hold several numbers, and extensions, which are not part of a number. A text that is
//! more than one number is also indexed as words.

use std::ops::Range;

use crate::analyzer::{self, Digit};
use crate::search::terms::phone::numbers::{MAX_COUNTRY_CODE_DIGITS, Number, is_extension_mark};

pub(crate) mod numbers;

/// Number of digits in a term.
const TERM_DIGITS: usize = 3;
/// Minimum number of typed digits that can match a stored number.
const MIN_DIGITS: usize = 4;
/// Minimum number of digits after a typed country code that can match a stored number without a
/// country code.
const MIN_NATIONAL_DIGITS: usize = 7;
/// Maximum number of digits of a number, which is the maximum length of a stored one in characters.
const MAX_DIGITS: usize = 64;
/// Schemes of URIs that are phone numbers (RFC 3966 for `tel`).
const URI_SCHEMES: [&str; 2] = ["tel:", "callto:"];

/// Returns true if a text, in which these numbers were found, is a single phone number that a query
/// of the same text is also taken for. Searches then find it by its digits, so its words need not be
/// indexed.
pub(crate) fn is_plain(text: &str, numbers: &[Number]) -> bool {
    matches!(
        numbers,
        [Number { digits, .. }] if text.chars().all(is_dialable)
            && (MIN_DIGITS..=MAX_DIGITS).contains(&digits.len())
    )
}

/// Returns the terms of a stored phone number in order.
pub(crate) fn words(digits: &[Digit]) -> Vec<String> {
    digits.windows(TERM_DIGITS).map(text).collect()
}

/// Returns true if a phone number may contain this character.
pub(crate) fn is_dialable(c: char) -> bool {
    c.is_whitespace()
        || "+().-/".contains(c)
        // Hyphens, dashes and the minus sign.
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')
        || !analyzer::digits(c.encode_utf8(&mut [0; 4])).is_empty()
}

/// Returns the rest of a URI that is a phone number.
pub(crate) fn without_scheme(typed: &str) -> Option<&str> {
    URI_SCHEMES.iter().find_map(|scheme| {
        let (start, rest) = typed.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// The role that a token of a query, which has no white space, can have in a phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypedPart {
    /// Digits and punctuation.
    Dialable,
    /// Possibly the end of a number, and its extension: `0134x12`, `x12`.
    WithExtension,
    /// A word or sign before an extension: `ext.`.
    Mark,
    Word,
}

impl TypedPart {
    pub(crate) fn of(typed: &str) -> Self {
        if typed.chars().all(is_dialable) {
            return Self::Dialable;
        }
        let start = typed.find(|c: char| !is_dialable(c)).unwrap_or(0);
        let (_, rest) = typed.split_at_checked(start).unwrap_or_default();
        let mark = rest.find(|c: char| is_dialable(c)).unwrap_or(rest.len());
        let (mark, extension) = rest.split_at_checked(mark).unwrap_or_default();
        let is_mark = is_extension_mark(mark);
        if !is_mark || !extension.chars().all(is_dialable) {
            Self::Word
        } else if analyzer::digits(extension).is_empty() {
            Self::Mark
        } else {
            Self::WithExtension
        }
    }
}

/// A typed phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PhoneNumber {
    /// Alternative runs of digits. A stored phone number matches if it matches any of them.
    pub(crate) runs: Vec<DigitRun>,
}

/// A run of digits to find in stored phone numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DigitRun {
    digits: String,
    /// The terms of the run.
    pub(crate) words: Vec<String>,
    /// True if the run must equal the complete stored number, apart from leading zeros of the
    /// stored number.
    pub(crate) is_whole: bool,
}

impl PhoneNumber {
    /// Returns `None` if the number has too few digits, or more than a stored phone number can
    /// have.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        let all = text(&number.digits);
        let significant = all.trim_start_matches('0');
        if all.len() > MAX_DIGITS {
            return None;
        }
        // Without its leading zeros, the run matches everything that it matches with them.
        let run = if significant.len() >= MIN_DIGITS {
            significant
        } else {
            &all
        };
        if run.len() < MIN_DIGITS {
            return None;
        }
        let mut runs = vec![DigitRun::new(run, false)];
        let country_code_digits = if number.has_plus || all.starts_with("00") {
            MAX_COUNTRY_CODE_DIGITS
        } else if all.len() == 11 && all.starts_with('1') {
            // The North American Numbering Plan: country code 1 and ten digits.
            1
        } else {
            0
        };
        for code in 1..=country_code_digits {
            let Some((code, national)) = significant.split_at_checked(code) else {
                break;
            };
            // A trunk zero after the country code is not dialed from abroad, but may have been
            // typed or stored.
            let without_zero = national.trim_start_matches('0');
            if without_zero.len() < MIN_NATIONAL_DIGITS {
                continue;
            }
            runs.push(DigitRun::new(without_zero, true));
            if number.has_plus {
                let zero = if national == without_zero { "0" } else { "" };
                runs.push(DigitRun::new(&[code, zero, without_zero].concat(), true));
            }
        }
        runs.dedup();
        Some(Self { runs })
    }

    /// Returns the ranges of a stored phone number that match this number, each with a flag that is
    /// true if the range is the complete stored number, apart from leading zeros.
    pub(crate) fn occurrences(&self, stored: &Number) -> Vec<(Range<usize>, bool)> {
        let mut occurrences = Vec::new();
        let digits = stored.digits.as_slice();
        let significant = stored.leading_zeros();
        for run in &self.runs {
            for (index, window) in digits.windows(run.digits.len().max(1)).enumerate() {
                let is_whole = index == significant && digits.len() - index == window.len();
                if (is_whole || !run.is_whole)
                    && text(window) == run.digits
                    && let (Some(first), Some(last)) = (window.first(), window.last())
                {
                    occurrences.push((first.start..last.end, is_whole));
                }
            }
        }
        occurrences
    }
}

impl DigitRun {
    fn new(digits: &str, is_whole: bool) -> Self {
        let words = analyzer::digits(digits);
        Self {
            digits: digits.to_owned(),
            words: self::words(&words),
            is_whole,
        }
    }
}

fn text(digits: &[Digit]) -> String {
    digits.iter().map(|digit| digit.digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::terms::phone::numbers::numbers;

    fn finds(typed: &str, stored: &str) -> Option<bool> {
        let typed = PhoneNumber::of(numbers(typed).first()?)?;
        numbers(stored)
            .iter()
            .flat_map(|number| typed.occurrences(number))
            .map(|(_, is_whole)| is_whole)
            .max()
    }

    #[test]
    fn numbers_match_regardless_of_formatting() {
        let (part, whole) = (Some(false), Some(true));
        for (typed, stored, expected) in [
            ("504-621-8927", "(504) 621 8927", whole),
            ("+1 504 621 8927", "504-621-8927", whole),
            ("001 504 621 8927", "504-621-8927", whole),
            ("1-504-621-8927", "504-621-8927", whole),
            ("1 504 621 892", "504-621-8927", None),
            ("2-504-621-8927", "504-621-8927", None),
            ("5046218927", "+1 504 621 8927", part),
            ("621 89", "504-621-8927", part),
            ("06 28 12 34 56", "+33 6 28 12 34 56", part),
            ("06 28 12 34 56", "06 28 12 34 56", whole),
            ("+33 6 28 12 34 56", "06 28 12 34 56", whole),
            ("+33 (0)6 28 12 34 56", "06 28 12 34 56", whole),
            ("+33 (0)6 28 12 34 56", "+33 6 28 12 34 56", whole),
            ("+33 6 28 12 34 56", "+33 (0)6 28 12 34 56", whole),
            ("06 28 12 34 56", "0033 ( 0 ) 6 28 12 34 56", part),
            ("+330628123456", "+33 (0)6 28 12 34 56", whole),
            ("+33 (0)6 28 12 34 56", "+330628123456", whole),
            ("+330628123456", "+33 6 28 12 34 56", whole),
            ("+39 06 698 1234", "+39 06 698 1234", whole),
            ("33 6 28 12 34 56", "06 28 12 34 56", None),
            ("+1 555 0123", "555 0123", whole),
            ("+1 55 0123", "55 0123", None),
            ("+1234 555 0123", "555 0123", None),
            ("0012", "10012", part),
            ("0628", "628 1234", None),
            ("504", "504-621-8927", None),
            ("٥٠٤٦٢١", "504-621-8927", part),
            ("0171 333444", "030 111222 / 0171 333444", whole),
            ("111222 0171", "030 111222 / 0171 333444", None),
            ("415 555 0134", "(415) 555-0134 x123", whole),
            ("555 0134 123", "(415) 555-0134 x123", None),
            ("(415) 555-0134 ext. 9", "(415) 555-0134 x123", whole),
        ] {
            assert_eq!(finds(typed, stored), expected, "{typed} in {stored}");
        }
    }

    #[test]
    fn only_a_single_dialable_number_is_plain() {
        for plain in [
            "504-621-8927",
            "+49 (0)30 / 1112",
            "٥٠٤٦٢١",
            "1 415\u{2011}555\u{2013}0134",
        ] {
            assert!(is_plain(plain, &numbers(plain)), "{plain}");
        }
        for other in [
            "110",
            "555-0101 x42",
            "030 111222 / 0171 333444",
            "Tel. 030 111222",
            "",
        ] {
            assert!(!is_plain(other, &numbers(other)), "{other}");
        }
    }
}
