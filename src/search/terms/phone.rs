//! Phones, which are compared as digits however either side is spelled.
//!
//! A number is indexed as its runs of three digits, each a word, so that a longer run is words side by side: runs of four
//! are so rare each that their postings take twice the room. Zeros that a number begins with are left out where whole
//! numbers are compared: they stand for a country or an exchange.

use std::ops::Range;

use crate::analyzer::{self, Digit};

/// How many digits make a word.
const WORD: usize = 3;
/// The fewest digits by which a number is found.
const FEWEST: usize = 4;
/// The fewest digits of a stored number that lacks the country code of a typed one.
const FEWEST_NATIONAL: usize = 7;
/// The most digits of a country code (ITU-T E.164).
const COUNTRY_CODE: usize = 3;
/// A stored phone has at most so many characters.
const MOST: usize = 64;

/// The digits of a stored phone, as words in order.
pub(crate) fn words(digits: &[Digit]) -> Vec<String> {
    digits.windows(WORD).map(text).collect()
}

/// How many zeros a number begins with: at this word of it begins what whole numbers are compared by.
pub(crate) fn zeros(digits: &[Digit]) -> usize {
    digits.iter().take_while(|digit| digit.digit == '0').count()
}

/// A phone number as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PhoneNumber {
    /// Runs of digits, in words as they are indexed, any of which finds a phone.
    pub(crate) runs: Vec<DigitRun>,
}

/// A run of digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DigitRun {
    digits: String,
    /// The run in words.
    pub(crate) words: Vec<String>,
    /// Whether it has to be a whole number, but for zeros that this begins with.
    pub(crate) is_whole: bool,
}

/// Whether a number may be made of such characters.
pub(crate) fn is_dialled(c: char) -> bool {
    c.is_whitespace()
        || "+().-/".contains(c)
        || !analyzer::digits(c.encode_utf8(&mut [0; 4])).is_empty()
}

impl PhoneNumber {
    /// The number in a part of a query, if that has enough digits.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        let digits = analyzer::digits(typed);
        let all = text(&digits);
        let significant = all.trim_start_matches('0');
        if all.len() > MOST {
            return None;
        }
        // Without its zeros it finds whatever it finds with them.
        let run = if significant.len() >= FEWEST {
            significant
        } else {
            &all
        };
        if run.len() < FEWEST {
            return None;
        }
        let mut runs = vec![DigitRun::new(run, false)];
        if typed.trim_start().starts_with('+') || all.starts_with("00") {
            let nationals = (1..=COUNTRY_CODE).filter_map(|code| significant.get(code..));
            // A zero after the country code is not dialled from abroad, and left out on both sides.
            let nationals = nationals.map(|national| national.trim_start_matches('0'));
            runs.extend(
                nationals
                    .filter(|n| n.len() >= FEWEST_NATIONAL)
                    .map(|n| DigitRun::new(n, true)),
            );
            runs.dedup();
        }
        Some(Self { runs })
    }

    /// Where the digits of a stored phone have this number, and whether as a whole.
    pub(crate) fn places(&self, digits: &[Digit]) -> Vec<(Range<usize>, bool)> {
        let mut places = Vec::new();
        let significant = zeros(digits);
        for run in &self.runs {
            for (index, window) in digits.windows(run.digits.len().max(1)).enumerate() {
                let is_whole = index == significant && digits.len() - index == window.len();
                if (is_whole || !run.is_whole)
                    && text(window) == run.digits
                    && let (Some(first), Some(last)) = (window.first(), window.last())
                {
                    places.push((first.start..last.end, is_whole));
                }
            }
        }
        places
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
        let places = PhoneNumber::read(typed)?.places(&analyzer::digits(stored));
        places.iter().map(|(_, is_whole)| *is_whole).max()
    }

    #[test]
    fn numbers_are_found_however_either_side_is_spelled() {
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
