//! Encoding of index terms: how words and markers are written in a field so that terms of different
//! kinds never collide. Words consist of letters, their combining marks and digits only, so no word
//! begins with a control character or a full stop.

use std::fmt::{self, Write};

use crate::search::terms::pretokenized::SEPARATOR;

/// Maximum number of words in a query. Values with more words have no length marker, since no query
/// can equal them.
pub(crate) const QUERY_WORDS_MAX: usize = 32;

/// A term at a position in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexTerm<'a> {
    /// A word, preceded by its field's prefix. The prefix is empty except for named custom fields.
    Word { prefix: &'a str, word: &'a str },
    /// A word that is the entire value. It is written instead of the plain word.
    Exact(&'a str),
    /// Digits of a phone number.
    Digits(&'a str),
    /// A length marker: a value of this many words begins here.
    LengthMarker(u8),
    /// The first two or three letters of a word. A prefix of a single letter is never indexed and
    /// serves only for lookups: its encoding is the common beginning of the encodings of all
    /// two-letter prefixes that start with that letter.
    Prefix(&'a str),
}

impl<'a> IndexTerm<'a> {
    /// Returns the length marker of a value with this many words. It is indexed at the position of
    /// the first word. A phrase of as many words that matches there equals the entire value.
    /// Returns `None` for a single
    /// word, which has an exact term, and for more words than a query can have.
    pub(crate) fn length_marker(words: usize) -> Option<Self> {
        if (2..=QUERY_WORDS_MAX).contains(&words) {
            u8::try_from(words).ok().map(Self::LengthMarker)
        } else {
            None
        }
    }

    /// Returns the prefixes of a word that have posting lists of their own: its first two letters,
    /// and its first three if it has more than three. Without them a search for a short prefix
    /// would have to read the posting lists of all words that begin with it. A single letter is
    /// searched as all two-letter prefixes that begin with it.
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

    /// Returns the word, or `None` for a marker, a prefix or digits.
    pub(crate) fn word(self) -> Option<&'a str> {
        match self {
            Self::Word { word, .. } | Self::Exact(word) => Some(word),
            Self::LengthMarker(_) | Self::Prefix(_) | Self::Digits(_) => None,
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
            Self::Digits(digits) => {
                f.write_str("\u{3}")?;
                f.write_str(digits)
            }
            Self::LengthMarker(words) => {
                f.write_str("\u{1}")?;
                // `words` is at most 32.
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

/// Returns the prefix of a custom field's terms. It is never a prefix of another field's terms: a
/// NUL in the name and the NUL that ends the name are followed by different bytes.
pub(crate) fn named_prefix(name: &str) -> String {
    let mut prefix = String::with_capacity(name.len() + 3);
    // The full stop distinguishes the terms of custom fields from terms of other kinds.
    prefix.push('.');
    for c in name.chars() {
        match c {
            '\0' => prefix.push_str("\0\u{1}"),
            // Terms are passed to tantivy one per line, so a term must not contain the separator.
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
    fn prefix_terms_and_length_markers_encode_their_length() {
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
    fn custom_field_prefixes_are_never_ambiguous() {
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
