//! Typo tolerance: which stored words a mistyped word may stand for.
//!
//! The edit distance is the [optimal string alignment
//! distance](https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance): the least number
//! of edits that turn one word into the other, if no substring is edited more than once. An edit
//! inserts, deletes or replaces a letter, or swaps two adjacent letters.

use std::cell::OnceCell;
use std::fmt;
use std::str::FromStr;

use tantivy::query::{DfaWrapper, FuzzyTermQuery};
use tantivy::schema::Field as IndexField;
use tantivy::{Result, Term};
use tantivy_fst::Automaton;
use unicode_script::{Script, UnicodeScript};

use crate::error::Error;
use crate::lead::{Violation, ViolationCode};

/// Tolerance for typos: one in a word of 4 to 7 letters, two in a word of 8 to 64 letters. A typo
/// is an extra, missing or wrong letter, or two adjacent letters swapped. The first letter must be
/// right. Words with digits, in quotes, or in Chinese, Japanese or Korean tolerate no typos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TypoTolerance {
    /// Tolerates typos only if the query, restricted by its filter, finds nothing as typed.
    #[default]
    Auto,
    /// Always tolerates typos. Leads that match without typos rank first.
    Always,
    /// Never tolerates typos.
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

    /// Parses `auto`, `always` or `never`.
    ///
    /// # Errors
    ///
    /// Returns [`Invalid`](crate::ErrorKind::Invalid) for any other text.
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

/// A word of a query that tolerates typos.
pub(crate) struct FuzzyWord {
    letters: Vec<char>,
    /// Maximum edit distance.
    max_typos: u8,
    /// The automaton for whole words and the one for prefixes. Each is built at most once, because
    /// building an automaton takes as long as running it. Each state of an automaton takes 1 KiB.
    automata: [OnceCell<DfaWrapper>; 2],
}

/// Edit distance between a query word and a stored word. A distance over the limit is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EditDistance {
    /// Distance to the complete stored word.
    pub(crate) whole: Option<u8>,
    /// Distance to the closest prefix of the stored word, which may be the complete word.
    pub(crate) prefix: Option<u8>,
}

impl EditDistance {
    /// Returns the smaller distance, and true if it is the distance to a prefix. Prefixes count
    /// only if `is_prefix` is true, and the complete word wins a tie.
    pub(crate) fn least(self, is_prefix: bool) -> Option<(u8, bool)> {
        match (self.whole, self.prefix) {
            (Some(whole), Some(prefix)) if is_prefix && prefix < whole => Some((prefix, true)),
            (Some(whole), _) => Some((whole, false)),
            (None, prefix) => prefix.filter(|_| is_prefix).map(|typos| (typos, true)),
        }
    }
}

/// Minimum number of letters of a word that tolerates one typo.
const ONE_TYPO_LETTERS: usize = 4;
/// Minimum number of letters of a word that tolerates two typos.
const TWO_TYPOS_LETTERS: usize = 8;
/// Maximum number of letters of a word that tolerates typos. Automata grow with the word, and users
/// do not type longer words.
const MAX_LETTERS: usize = 64;

impl FuzzyWord {
    /// Creates a fuzzy word. Returns `None` if the word tolerates no typos because it is too short
    /// or too long, or has digits or Chinese, Japanese or Korean letters.
    pub(crate) fn new(word: &str) -> Option<Self> {
        let letters: Vec<char> = word.chars().collect();
        let max_typos = match letters.len() {
            TWO_TYPOS_LETTERS..=MAX_LETTERS => 2,
            ONE_TYPO_LETTERS..TWO_TYPOS_LETTERS => 1,
            _ => return None,
        };
        can_tolerate_typos(word).then(|| Self {
            letters,
            max_typos,
            automata: Default::default(),
        })
    }

    /// Returns the first letter, which must be right.
    pub(crate) fn first_letter(&self) -> Option<char> {
        self.letters.first().copied()
    }

    /// Returns the distance to a stored word, or `None` if neither the word nor any of its prefixes
    /// is within the limit.
    pub(crate) fn distance(&self, stored: &str) -> Option<EditDistance> {
        if stored.chars().next() != self.first_letter() || !can_tolerate_typos(stored) {
            return None;
        }
        // Dynamic programming with a row for each letter of the stored word: the distances between
        // the stored word up to that letter and each prefix of the typed word.
        let mut before: Vec<usize> = Vec::new();
        let mut row: Vec<usize> = (0..=self.letters.len()).collect();
        let mut previous_letter = None;
        let mut nearest = self.letters.len();
        let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
        // If a prefix of the stored word has more letters than this, its distance is over the
        // limit.
        let letters_max = self.letters.len() + usize::from(self.max_typos);
        let is_longer = stored.chars().nth(letters_max).is_some();
        for (count, letter) in (1..).zip(stored.chars().take(letters_max)) {
            let mut next = Vec::with_capacity(row.len());
            next.push(count);
            let mut previous_typed = None;
            for (index, typed) in (0_usize..).zip(self.letters.iter().copied()) {
                let replaced = at(&row, index) + usize::from(typed != letter);
                let mut least = replaced
                    .min(at(&row, index + 1) + 1)
                    .min(at(&next, index) + 1);
                if previous_letter == Some(typed) && previous_typed == Some(letter) {
                    // A swap implies that both words have an earlier letter, so `before` is filled
                    // and `index` is at least 1.
                    least = least.min(at(&before, index.wrapping_sub(1)) + 1);
                }
                next.push(least);
                previous_typed = Some(typed);
            }
            before = std::mem::replace(&mut row, next);
            previous_letter = Some(letter);
            nearest = nearest.min(at(&row, self.letters.len()));
        }
        let within_limit = |distance: usize| {
            u8::try_from(distance)
                .ok()
                .filter(|distance| *distance <= self.max_typos)
        };
        let distance = EditDistance {
            whole: within_limit(at(&row, self.letters.len())).filter(|_| !is_longer),
            prefix: within_limit(nearest),
        };
        distance.prefix.is_some().then_some(distance)
    }

    /// Returns an automaton that accepts the terms that consist of `prefix` and a word within the
    /// maximum edit distance. If `prefixes` is true, any text may follow that word.
    pub(crate) fn automaton<'a>(
        &'a self,
        prefix: &'a str,
        prefixes: bool,
    ) -> Result<TermAutomaton<'a>> {
        let [whole, longer] = &self.automata;
        let slot = if prefixes { longer } else { whole };
        let word = match slot.get() {
            Some(word) => word,
            None => {
                let built = self.build_automaton(prefixes)?;
                slot.get_or_init(|| built)
            }
        };
        Ok(TermAutomaton {
            prefix: prefix.as_bytes(),
            word,
        })
    }

    fn build_automaton(&self, prefixes: bool) -> Result<DfaWrapper> {
        let text: String = self.letters.iter().collect();
        // The automaton depends only on the text, so any field will do.
        let term = Term::from_field_text(IndexField::from_field_id(0), &text);
        let query = if prefixes {
            FuzzyTermQuery::new_prefix(term, self.max_typos, true)
        } else {
            FuzzyTermQuery::new(term, self.max_typos, true)
        };
        query.automaton()
    }
}

/// An automaton for the terms of a field: a fixed prefix, then a mistyped word. The prefix is
/// compared byte by byte, so that it adds no states to the automaton of the word.
pub(crate) struct TermAutomaton<'a> {
    prefix: &'a [u8],
    word: &'a DfaWrapper,
}

/// State of a [`TermAutomaton`].
#[derive(Clone, Copy)]
pub(crate) enum TermState {
    /// Number of bytes of the prefix that were read.
    Prefix(usize),
    /// State of the word's automaton.
    Word(u32),
    /// The term does not begin with the prefix.
    Mismatch,
}

impl TermAutomaton<'_> {
    fn at(&self, read: usize) -> TermState {
        if read == self.prefix.len() {
            TermState::Word(self.word.start())
        } else {
            TermState::Prefix(read)
        }
    }
}

impl Automaton for TermAutomaton<'_> {
    type State = TermState;

    fn start(&self) -> TermState {
        self.at(0)
    }

    fn is_match(&self, state: &TermState) -> bool {
        matches!(state, TermState::Word(state) if self.word.is_match(state))
    }

    fn can_match(&self, state: &TermState) -> bool {
        match state {
            TermState::Prefix(_) => true,
            TermState::Word(state) => self.word.can_match(state),
            TermState::Mismatch => false,
        }
    }

    fn accept(&self, state: &TermState, byte: u8) -> TermState {
        match state {
            TermState::Prefix(read) if self.prefix.get(*read) == Some(&byte) => self.at(read + 1),
            TermState::Prefix(_) | TermState::Mismatch => TermState::Mismatch,
            TermState::Word(state) => TermState::Word(self.word.accept(state, byte)),
        }
    }
}

impl fmt::Debug for FuzzyWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FuzzyWord")
            .field(&self.letters.iter().collect::<String>())
            .finish()
    }
}

/// Returns true if a word can tolerate typos: it has no digits and no Chinese, Japanese or Korean
/// letters.
fn can_tolerate_typos(word: &str) -> bool {
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
    fn typo_tolerance_round_trips_through_text() {
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
            .map(|distance| (distance.whole, distance.prefix))
    }

    #[test]
    fn typos_are_extra_missing_wrong_and_swapped_letters() {
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
            ("jane", "janeanne", Some((None, Some(0)))),
            ("jane", "jannne", Some((None, Some(1)))),
            ("한국사람", "한국사랑", None),
        ] {
            assert_eq!(distance(typed, stored), expected, "{typed} {stored}");
        }
    }

    #[test]
    fn prefix_match_wins_only_with_fewer_typos() {
        let least = |whole, prefix, is_prefix| EditDistance { whole, prefix }.least(is_prefix);
        assert_eq!(least(Some(1), Some(0), true), Some((0, true)));
        assert_eq!(least(Some(1), Some(0), false), Some((1, false)));
        assert_eq!(
            least(Some(1), Some(1), true),
            Some((1, false)),
            "the complete word wins a tie"
        );
        assert_eq!(least(None, Some(1), true), Some((1, true)));
        assert_eq!(least(None, Some(1), false), None);
        assert_eq!(least(None, None, true), None);
    }

    /// Computes the distance by the recursive definition of optimal string alignment.
    fn reference_distance(a: &[char], b: &[char]) -> usize {
        let (Some((last_a, rest_a)), Some((last_b, rest_b))) = (a.split_last(), b.split_last())
        else {
            return a.len() + b.len();
        };
        let mut least = reference_distance(rest_a, rest_b) + usize::from(last_a != last_b);
        least = least
            .min(reference_distance(rest_a, b) + 1)
            .min(reference_distance(a, rest_b) + 1);
        if let ([before_a @ .., x, y], [before_b @ .., v, w]) = (a, b)
            && x == w
            && y == v
        {
            least = least.min(reference_distance(before_a, before_b) + 1);
        }
        least
    }

    proptest! {
        #[test]
        fn distances_match_the_recursive_definition(typed in "a[abc]{3,8}", stored in "a[abc]{0,8}") {
            let (typed_letters, stored_letters): (Vec<char>, Vec<char>) = (typed.chars().collect(), stored.chars().collect());
            let max_typos = if typed_letters.len() >= 8 { 2 } else { 1 };
            let within_limit = |distance: usize| (distance <= max_typos).then_some(distance as u8);
            let whole = within_limit(reference_distance(&typed_letters, &stored_letters));
            let prefixes = (0..=stored_letters.len()).map(|end| reference_distance(&typed_letters, &stored_letters[..end]));
            let prefix = within_limit(prefixes.min().unwrap());
            prop_assert_eq!(distance(&typed, &stored), prefix.map(|_| (whole, prefix)));
        }
    }
}
