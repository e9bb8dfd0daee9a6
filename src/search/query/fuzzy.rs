//! Whether typos are forgiven, and which words a mistyped one may have been meant for.
//!
//! The distance is that of [optimal string alignment](https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance):
//! letters inserted, left out or replaced, and neighbours swapped, each counted once and no place edited twice.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use tantivy::query::{DfaWrapper, FuzzyTermQuery};
use tantivy::schema::Field as IndexField;
use tantivy::{Result, Term};
use unicode_script::{Script, UnicodeScript};

use crate::error::Error;
use crate::lead::{Violation, ViolationCode};

/// Whether typos are forgiven: one in a word of 4 letters or more, two in one of 8 or more. A typo is a letter too many,
/// too few or wrong, or two neighbours swapped; not in the first letter, nor in words with digits, in quotes, or in
/// Chinese, Japanese or Korean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TypoTolerance {
    /// Where the query as typed finds nothing under its filter.
    #[default]
    Auto,
    /// In any case; leads that have what was typed come first.
    Always,
    /// Not at all.
    Never,
}

impl fmt::Display for TypoTolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

impl FromStr for TypoTolerance {
    type Err = Error;

    /// Reads `auto`, `always` or `never`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::error::ErrorKind::Invalid) for anything else.
    fn from_str(text: &str) -> crate::error::Result<Self> {
        [Self::Auto, Self::Always, Self::Never]
            .into_iter()
            .find(|typos| typos.to_string() == text)
            .ok_or_else(|| {
                let message = "must be one of auto, always, never";
                Error::invalid(vec![Violation::new(
                    "typos",
                    ViolationCode::NotAllowed,
                    message,
                )])
            })
    }
}

/// A word of a query whose typos are forgiven.
pub(crate) struct FuzzyWord {
    letters: Vec<char>,
    /// How many typos are forgiven.
    most: u8,
    /// Those made so far, by what they are for: making one takes as long as using it.
    automata: RefCell<HashMap<(String, bool), Rc<DfaWrapper>>>,
}

/// How far a stored word is from a mistyped one, where it is near enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EditDistance {
    /// As a whole.
    pub(crate) whole: Option<u8>,
    /// Of its nearest beginning, which may be all of it.
    pub(crate) beginning: Option<u8>,
}

impl EditDistance {
    /// The fewest typos, and whether the typed word, which may be a beginning, is then only one of the stored word.
    pub(crate) fn least(self, is_prefix: bool) -> Option<(u8, bool)> {
        match (self.whole, self.beginning) {
            (Some(whole), Some(beginning)) if is_prefix && beginning < whole => {
                Some((beginning, true))
            }
            (Some(whole), _) => Some((whole, false)),
            (None, beginning) => beginning.filter(|_| is_prefix).map(|typos| (typos, true)),
        }
    }
}

/// Words of so many letters forgive one typo, …
const FORGIVES_ONE: usize = 4;
/// … and of so many two.
const FORGIVES_TWO: usize = 8;
/// Automata grow with the word; a longer one than this is no word that anybody mistyped.
const LONGEST: usize = 64;

impl FuzzyWord {
    /// `None` for a word whose typos are not forgiven: it is short, or has digits or Chinese, Japanese or Korean letters.
    pub(crate) fn new(word: &str) -> Option<Self> {
        let letters: Vec<char> = word.chars().collect();
        let most = match letters.len() {
            FORGIVES_TWO..=LONGEST => 2,
            FORGIVES_ONE..FORGIVES_TWO => 1,
            _ => return None,
        };
        is_spelled(word).then(|| Self {
            letters,
            most,
            automata: RefCell::default(),
        })
    }

    /// The letter that is not forgiven.
    pub(crate) fn first_letter(&self) -> Option<char> {
        self.letters.first().copied()
    }

    /// The distance to a stored word; `None` if neither it nor a beginning of it is near enough.
    pub(crate) fn distance(&self, stored: &str) -> Option<EditDistance> {
        if stored.chars().next() != self.first_letter() || !is_spelled(stored) {
            return None;
        }
        // A row for each letter of the stored word: the distances of its beginning to the beginnings of the typed one.
        let mut before: Vec<usize> = Vec::new();
        let mut row: Vec<usize> = (0..=self.letters.len()).collect();
        let mut previous_letter = None;
        let mut nearest = self.letters.len();
        let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
        for (count, letter) in (1..).zip(stored.chars()) {
            let mut next = Vec::with_capacity(row.len());
            next.push(count);
            let mut previous_typed = None;
            for (index, typed) in (0_usize..).zip(self.letters.iter().copied()) {
                let replaced = at(&row, index) + usize::from(typed != letter);
                let mut least = replaced
                    .min(at(&row, index + 1) + 1)
                    .min(at(&next, index) + 1);
                if previous_letter == Some(typed) && previous_typed == Some(letter) {
                    // Both letters before the swap have a row and a place, as there are letters for them.
                    least = least.min(at(&before, index.wrapping_sub(1)) + 1);
                }
                next.push(least);
                previous_typed = Some(typed);
            }
            before = std::mem::replace(&mut row, next);
            previous_letter = Some(letter);
            nearest = nearest.min(at(&row, self.letters.len()));
        }
        let forgiven = |distance: usize| {
            u8::try_from(distance)
                .ok()
                .filter(|distance| *distance <= self.most)
        };
        let distance = EditDistance {
            whole: forgiven(at(&row, self.letters.len())),
            beginning: forgiven(nearest),
        };
        distance.beginning.is_some().then_some(distance)
    }

    /// What accepts, in a dictionary of terms, those that may be near enough, each after `prefix`. It lets terms through
    /// whose prefix is mistyped.
    pub(crate) fn automaton(&self, prefix: &str, beginnings: bool) -> Result<Rc<DfaWrapper>> {
        let key = (prefix.to_owned(), beginnings);
        if let Some(automaton) = self.automata.borrow().get(&key) {
            return Ok(Rc::clone(automaton));
        }
        let text: String = prefix.chars().chain(self.letters.iter().copied()).collect();
        // The automaton is of the text alone, whatever the field.
        let term = Term::from_field_text(IndexField::from_field_id(0), &text);
        let query = if beginnings {
            FuzzyTermQuery::new_prefix(term, self.most, true)
        } else {
            FuzzyTermQuery::new(term, self.most, true)
        };
        let automaton = Rc::new(query.automaton()?);
        self.automata
            .borrow_mut()
            .insert(key, Rc::clone(&automaton));
        Ok(automaton)
    }
}

impl fmt::Debug for FuzzyWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mistyped")
            .field(&self.letters.iter().collect::<String>())
            .finish()
    }
}

/// Whether a word consists of letters that one spells: neither digits nor Chinese, Japanese or Korean.
fn is_spelled(word: &str) -> bool {
    let is_cjk = |c: char| {
        !c.is_ascii()
            && matches!(
                c.script(),
                Script::Han | Script::Hiragana | Script::Katakana | Script::Hangul
            )
    };
    !word.chars().any(|c| c.is_numeric() || is_cjk(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_forgiven_is_read_as_it_is_written() {
        for typos in [
            TypoTolerance::Auto,
            TypoTolerance::Always,
            TypoTolerance::Never,
        ] {
            assert_eq!(typos.to_string().parse::<TypoTolerance>().unwrap(), typos);
        }
        assert_eq!(
            "Auto".parse::<TypoTolerance>().unwrap_err().violations()[0].field,
            "typos"
        );
    }

    fn distance(typed: &str, stored: &str) -> Option<(Option<u8>, Option<u8>)> {
        FuzzyWord::new(typed)?
            .distance(stored)
            .map(|distance| (distance.whole, distance.beginning))
    }

    #[test]
    fn typos_are_inserted_missing_replaced_and_swapped_letters() {
        for (typed, stored, expected) in [
            ("jane", "jane", Some((Some(0), Some(0)))),
            ("jaane", "jane", Some((Some(1), Some(1)))),
            ("jame", "jane", Some((Some(1), Some(1)))),
            ("jnae", "jane", Some((Some(1), Some(1)))),
            ("jane", "janet", Some((Some(1), Some(0)))),
            ("jame", "janet", Some((None, Some(1)))),
            ("kane", "jane", None),
            ("ajne", "jane", None),
            ("jan", "jane", None),
            ("jane", "jane1", None),
            ("jane1", "jane", None),
            ("smith", "smoot", None),
            ("jonathan", "jnoahtan", Some((Some(2), Some(2)))),
            ("jonathan", "jonattttan", None),
            ("jonathn", "joanthan", None),
            ("marknen", "markennen", Some((None, Some(1)))),
            ("한국사람", "한국사랑", None),
        ] {
            assert_eq!(distance(typed, stored), expected, "{typed} {stored}");
        }
    }

    #[test]
    fn a_word_that_may_be_a_beginning_is_one_where_that_takes_fewer_typos() {
        let least =
            |whole, beginning, is_prefix| EditDistance { whole, beginning }.least(is_prefix);
        assert_eq!(least(Some(1), Some(0), true), Some((0, true)));
        assert_eq!(least(Some(1), Some(0), false), Some((1, false)));
        assert_eq!(
            least(Some(1), Some(1), true),
            Some((1, false)),
            "the whole word, where both take as many"
        );
        assert_eq!(least(None, Some(1), true), Some((1, true)));
        assert_eq!(least(None, Some(1), false), None);
        assert_eq!(least(None, None, true), None);
    }

    /// By recursion, as optimal string alignment is defined.
    fn aligned(a: &[char], b: &[char]) -> usize {
        let (Some((last_a, rest_a)), Some((last_b, rest_b))) = (a.split_last(), b.split_last())
        else {
            return a.len() + b.len();
        };
        let mut least = aligned(rest_a, rest_b) + usize::from(last_a != last_b);
        least = least
            .min(aligned(rest_a, b) + 1)
            .min(aligned(a, rest_b) + 1);
        if let ([before_a @ .., x, y], [before_b @ .., v, w]) = (a, b)
            && x == w
            && y == v
        {
            least = least.min(aligned(before_a, before_b) + 1);
        }
        least
    }

    proptest! {
        #[test]
        fn distances_are_those_of_the_definition(typed in "a[abc]{3,8}", stored in "a[abc]{0,8}") {
            let (typed_letters, stored_letters): (Vec<char>, Vec<char>) = (typed.chars().collect(), stored.chars().collect());
            let most = if typed_letters.len() >= 8 { 2 } else { 1 };
            let forgiven = |distance: usize| (distance <= most).then_some(distance as u8);
            let whole = forgiven(aligned(&typed_letters, &stored_letters));
            let beginnings = (0..=stored_letters.len()).map(|end| aligned(&typed_letters, &stored_letters[..end]));
            let beginning = forgiven(beginnings.min().unwrap());
            prop_assert_eq!(distance(&typed, &stored), beginning.map(|_| (whole, beginning)));
        }
    }
}
