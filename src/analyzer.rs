//! Text analysis: folds text, and splits it into words or digits with their byte ranges in the
//! original.
//!
//! The search index, its memory segments, queries and index keys share this analyzer, so both sides
//! of every comparison are treated alike. It depends neither on leads nor on an index.

mod digits;
mod fold;
mod words;

pub(crate) use digits::{Digit, digits};
pub(crate) use fold::fold;
pub(crate) use words::{Word, words};

/// Returns a fingerprint of the rules that split text into words. An index built with different
/// rules is rebuilt. The fingerprint includes the standard library's version of Unicode, because
/// that determines which characters are letters.
///
/// Folding is not part of the fingerprint and must never change: the store file contains index keys
/// and bitmap keys made from folded text, so a different folding requires a new file format. The
/// crates that contain the folding tables are therefore pinned, and a test below checks the results
/// of folding.
pub(crate) fn fingerprint() -> u64 {
    const RULES: u64 = 1;
    let (major, minor, update) = char::UNICODE_VERSION;
    RULES << 32 | u64::from(major) << 16 | u64::from(minor) << 8 | u64::from(update)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_of_every_character_is_stable() {
        let mut hasher = crc32fast::Hasher::new();
        for c in '\0'..=char::MAX {
            // The character is folded after a letter whose marks are dropped, and after one whose
            // marks are kept.
            for base in ["a", "क"] {
                hasher.update(fold(&format!("{base}{c}")).as_bytes());
            }
        }
        assert_eq!(
            hasher.finalize(),
            1_859_872_012,
            "a different folding requires a new file format"
        );
    }
}
