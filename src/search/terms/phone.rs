//! Phone numbers, compared as digits regardless of how either side is formatted.
//!
//! A number is indexed as its overlapping runs of three digits, each a term, so a longer run is a
//! phrase of adjacent terms. Terms of four digits would take twice the space, because each is so
//! rare. Leading zeros are ignored when complete numbers are compared, because they are an
//! international or trunk prefix.

use std::ops::Range;

use crate::analyzer::{self, Digit};

/// Number of digits in a term.
const TERM_DIGITS: usize = 3;
/// Minimum number of typed digits that can match a stored number.
const MIN_DIGITS: usize = 4;
/// Minimum number of digits after a typed country code that can match a stored number without a
/// country code.
const MIN_NATIONAL_DIGITS: usize = 7;
/// Maximum number of digits of a country code (ITU-T E.164).
const MAX_COUNTRY_CODE_DIGITS: usize = 3;
/// Maximum number of digits of a stored phone number, which is its maximum length in characters.
const MAX_DIGITS: usize = 64;

/// Returns the terms of a stored phone number in order.
pub(crate) fn words(digits: &[Digit]) -> Vec<String> {
    digits.windows(TERM_DIGITS).map(text).collect()
}

/// Returns the number of leading zeros, which is also the index of the first term that counts when
/// complete numbers are compared.
pub(crate) fn zeros(digits: &[Digit]) -> usize {
    digits.iter().take_while(|digit| digit.digit == '0').count()
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

/// Returns true if a typed phone number may contain this character.
pub(crate) fn is_dialable(c: char) -> bool {
    c.is_whitespace()
        || "+().-/".contains(c)
        || !analyzer::digits(c.encode_utf8(&mut [0; 4])).is_empty()
}

impl PhoneNumber {
    /// Parses a part of a query as a phone number. Returns `None` if it has too few digits, or more
    /// than a stored phone number can have.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        let digits = analyzer::digits(typed);
        let all = text(&digits);
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
        if typed.trim_start().starts_with('+') || all.starts_with("00") {
            let nationals =
                (1..=MAX_COUNTRY_CODE_DIGITS).filter_map(|code| significant.get(code..));
            // A zero after the country code is not dialed from abroad. It is ignored in the typed
            // and in the stored number.
            let nationals = nationals.map(|national| national.trim_start_matches('0'));
            runs.extend(
                nationals
                    .filter(|n| n.len() >= MIN_NATIONAL_DIGITS)
                    .map(|n| DigitRun::new(n, true)),
            );
            runs.dedup();
        }
        Some(Self { runs })
    }

    /// Returns the ranges of a stored phone number that match this number, each with a flag that is
    /// true if the range is the complete stored number, apart from leading zeros.
    pub(crate) fn occurrences(&self, digits: &[Digit]) -> Vec<(Range<usize>, bool)> {
        let mut occurrences = Vec::new();
        let significant = zeros(digits);
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

    fn finds(typed: &str, stored: &str) -> Option<bool> {
        let occurrences = PhoneNumber::read(typed)?.occurrences(&analyzer::digits(stored));
        occurrences.iter().map(|(_, is_whole)| *is_whole).max()
    }

    #[test]
    fn numbers_match_regardless_of_formatting() {
        let (part, whole) = (Some(false), Some(true));
        for (typed, stored, expected) in [
            ("504-621-8927", "(504) 621 8927", whole),
            ("+1 504 621 8927", "504-621-8927", whole),
            ("001 504 621 8927", "504-621-8927", whole),
            ("5046218927", "+1 504 621 8927", part),
            ("621 89", "504-621-8927", part),
            ("06 28 12 34 56", "+33 6 28 12 34 56", part),
            ("06 28 12 34 56", "06 28 12 34 56", whole),
            ("+33 6 28 12 34 56", "06 28 12 34 56", whole),
            ("+33 (0)6 28 12 34 56", "06 28 12 34 56", whole),
            ("33 6 28 12 34 56", "06 28 12 34 56", None),
            ("+1 555 0123", "555 0123", whole),
            ("+1 55 0123", "55 0123", None),
            ("+1234 555 0123", "555 0123", None),
            ("0012", "10012", part),
            ("0628", "628 1234", None),
            ("504", "504-621-8927", None),
            ("٥٠٤٦٢١", "504-621-8927", part),
        ] {
            assert_eq!(finds(typed, stored), expected, "{typed} in {stored}");
        }
    }
}
