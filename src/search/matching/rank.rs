//! The order of hits: fewer typos first, then the more complete match, then the field of the match.
//! It can be explained to a user and does not depend on the state of the index.

use crate::schema::TermField;

/// Rank class of a hit; less is better. Hits of the same class are ordered newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RankClass {
    /// Number of typos.
    pub(crate) typos: u8,
    /// The last word matches only a prefix of a word.
    pub(crate) prefix_only: bool,
    /// No value equals the complete query.
    pub(crate) not_exact: bool,
    /// No value contains all words side by side in the typed order.
    pub(crate) not_adjacent: bool,
    /// Rank of the field that contains the first word.
    pub(crate) field_rank: u8,
}

/// Maximum number of typos that classes distinguish: two in each of the 32 words of the longest
/// query.
const TYPOS_MAX: u8 = 64;

impl RankClass {
    /// Returns the index of the class in rank order, starting at 0.
    pub(crate) fn index(self) -> usize {
        let flags = usize::from(self.prefix_only) << 2
            | usize::from(self.not_exact) << 1
            | usize::from(self.not_adjacent);
        usize::from(self.typos.min(TYPOS_MAX)) << 6 | flags << 3 | usize::from(self.field_rank)
    }
}

/// Returns the rank of a field. The fields rank in this order: name, company, e-mail, phone, tags,
/// source, job title, custom fields.
pub(crate) fn field_rank(field: TermField) -> u8 {
    match field {
        TermField::NamedCustomField => TermField::CustomFields as u8,
        field => field as u8,
    }
}

const _: () = assert!(
    TermField::ALL.len() - 1 <= u8::BITS as usize,
    "FieldSet has a bit for each field except the named custom field, which ranks as a custom field"
);

/// A set of field ranks, with a bit for each rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet(pub(crate) u8);

impl FieldSet {
    pub(crate) fn only(field: TermField) -> Self {
        Self(1 << field_rank(field))
    }

    pub(crate) fn has(self, field: TermField) -> bool {
        self.0 & Self::only(field).0 != 0
    }

    /// Returns the best rank in the set, or 7 if the set is empty.
    pub(crate) fn best(self) -> u8 {
        u8::try_from(self.0.trailing_zeros())
            .unwrap_or(u8::MAX)
            .min(7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_indexes_follow_the_order_of_classes() {
        let mut all = Vec::new();
        for typos in [0, 1, 64] {
            for flags in 0..8_u8 {
                for field_rank in 0..7 {
                    let flag = |bit: u8| flags >> bit & 1 == 1;
                    all.push(RankClass {
                        typos,
                        prefix_only: flag(2),
                        not_exact: flag(1),
                        not_adjacent: flag(0),
                        field_rank,
                    });
                }
            }
        }
        assert!(all.is_sorted());
        assert!(all.is_sorted_by_key(|class| class.index()));
        assert!(
            all.windows(2)
                .all(|pair| pair[0].index() != pair[1].index())
        );
    }
}
