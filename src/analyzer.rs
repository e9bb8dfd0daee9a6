//! How text is compared: folded to plain letters, and split into words, or digits, with their places in the original.
//!
//! The search index, the leads that are not in it yet, queries and sort keys all use this one analyser, so
//! that both sides of every comparison are treated alike. It knows nothing of leads or of any index.

mod digits;
mod fold;
mod words;

pub(crate) use digits::{Digit, digits};
pub(crate) use fold::fold;
pub(crate) use words::{Word, words};

/// The rules by which text is split into words: an index made under others is rebuilt. What is a letter follows the
/// Unicode version of the standard library.
///
/// Folding must never change on its own: sort keys and filters on disk are made of it, so another folding is another
/// format. Hence the crates with its tables are pinned, and a test below holds its results fast.
pub(crate) fn fingerprint() -> u64 {
    const RULES: u64 = 1;
    let (major, minor, update) = char::UNICODE_VERSION;
    RULES << 32 | u64::from(major) << 16 | u64::from(minor) << 8 | u64::from(update)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folding_of_every_character_stays_what_it_is() {
        let mut hasher = crc32fast::Hasher::new();
        for c in '\0'..=char::MAX {
            // After a letter of each kind, since marks depend on what they follow.
            for base in ["a", "क"] {
                hasher.update(fold(&format!("{base}{c}")).as_bytes());
            }
        }
        assert_eq!(
            hasher.finalize(),
            873_569_211,
            "another folding is another file format"
        );
    }
}
