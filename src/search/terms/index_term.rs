//! The terms of the index: how a word, and what is told of it, is written in a slot, so that none is taken for another.
//! Words have letters and digits alone, so no word begins with a control character or a full stop.

use std::fmt::{self, Write};

use crate::search::terms::pretokenized::SEPARATOR;

/// Words of the longest query. Longer values have no length marker, since no query can equal them.
pub(crate) const QUERY_WORDS_MAX: usize = 32;

/// What stands at a place in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexTerm<'a> {
    /// A word, after what stands before all of its kind.
    Word { prefix: &'a str, word: &'a str },
    /// A word that is all of a value, instead of the word.
    Exact(&'a str),
    /// Where a value of so many words begins, see [`length_marker`](Self::opening).
    LengthMarker(u8),
    /// A word that begins with these letters, two or three. For one letter: what the terms of all pairs with it begin with.
    Prefix(&'a str),
}

impl<'a> IndexTerm<'a> {
    /// What stands where a value of so many words begins, so that a value equal to some words is found where they are side
    /// by side. `None` for a single word, which has a term of its own, and for more words than a query has.
    pub(crate) fn length_marker(words: usize) -> Option<Self> {
        if (2..=QUERY_WORDS_MAX).contains(&words) {
            u8::try_from(words).ok().map(Self::LengthMarker)
        } else {
            None
        }
    }

    /// The beginnings of a word that have postings of their own: its first two letters, and three if it has more. Reading
    /// the postings of each word that begins so takes long where the beginning is short. A single letter is looked for as
    /// all pairs that begin with it.
    pub(crate) fn prefixes(word: &'a str) -> impl Iterator<Item = Self> {
        let mut ends = word
            .char_indices()
            .map(|(index, letter)| index + letter.len_utf8());
        let (_, second, third, fourth) = (ends.next(), ends.next(), ends.next(), ends.next());
        let third = third.filter(|_| fourth.is_some());
        second
            .into_iter()
            .chain(third)
            .filter_map(|end| word.get(..end))
            .map(Self::Prefix)
    }

    /// The word, where it is the term of one.
    pub(crate) fn word(self) -> Option<&'a str> {
        match self {
            Self::Word { word, .. } | Self::Exact(word) => Some(word),
            Self::LengthMarker(_) | Self::Prefix(_) => None,
        }
    }
}

impl fmt::Display for IndexTerm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { prefix, word } => {
                f.write_str(prefix)?;
                f.write_str(word)
            }
            Self::Exact(word) => {
                f.write_str("\u{1}1")?;
                f.write_str(word)
            }
            Self::LengthMarker(words) => {
                f.write_str("\u{1}")?;
                // At most 32.
                f.write_char(b'0'.saturating_add(*words).into())
            }
            Self::Prefix(letters) => {
                f.write_str(if letters.chars().count() > 2 {
                    "\u{2}3"
                } else {
                    "\u{2}2"
                })?;
                f.write_str(letters)
            }
        }
    }
}

/// What stands before each word of a custom field in its slot, so that none is the beginning of another's: a NUL in the
/// name is told from the one that ends it by what follows.
pub(crate) fn named_prefix(name: &str) -> String {
    let mut prefix = String::with_capacity(name.len() + 3);
    // So that no name makes the term of another kind.
    prefix.push('.');
    for c in name.chars() {
        match c {
            '\0' => prefix.push_str("\0\u{1}"),
            // Terms are handed over a line each.
            SEPARATOR => prefix.push_str("\0\u{3}"),
            other => prefix.push(other),
        }
    }
    prefix.push_str("\0\u{2}");
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_beginnings_have_terms_that_say_how_long_they_are() {
        let prefixes = |word| {
            IndexTerm::prefixes(word)
                .map(|term| term.to_string())
                .collect::<Vec<_>>()
        };
        for (word, expected) in [
            ("j", vec![]),
            ("ja", vec!["\u{2}2ja"]),
            ("jan", vec!["\u{2}2ja"]),
            ("jane", vec!["\u{2}2ja", "\u{2}3jan"]),
            ("北京", vec!["\u{2}2北京"]),
        ] {
            assert_eq!(prefixes(word), expected, "{word}");
        }
        assert_eq!(IndexTerm::Prefix("j").to_string(), "\u{2}2j");
        assert_eq!(
            [1, 2, 32, 33]
                .map(|words| IndexTerm::length_marker(words).map(|term| term.to_string())),
            [
                None,
                Some("\u{1}2".to_owned()),
                Some("\u{1}P".to_owned()),
                None
            ]
        );
    }

    #[test]
    fn no_name_of_a_custom_field_is_taken_for_another() {
        let names = [
            "", "a", "a\0", "a\0\u{1}", "a\0\u{2}", "a\n", "a\0\u{3}", ".a",
        ];
        let prefixes = names.map(named_prefix);
        for (index, prefix) in prefixes.iter().enumerate() {
            assert!(!prefix.contains(SEPARATOR));
            let same = prefixes
                .iter()
                .filter(|other| other.starts_with(prefix.as_str()))
                .count();
            assert_eq!(same, 1, "{:?}", names[index]);
        }
    }
}
