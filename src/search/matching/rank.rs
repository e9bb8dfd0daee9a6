//! The order of hits: in how few typos, how wholly and where a lead has what was typed. It can be explained, and does not
//! depend on the state of the index.

use crate::schema::TermField;

/// How good a hit is; less is better. Leads that are alike in this rank by their age, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RankClass {
    /// How many typos are forgiven.
    pub(crate) typos: u8,
    /// The last word is only the beginning of one.
    pub(crate) prefix_only: bool,
    /// No value consists of what was typed and nothing else.
    pub(crate) not_exact: bool,
    /// The words do not stand side by side in one value, in the typed order.
    pub(crate) not_adjacent: bool,
    /// Where the first word is, see [`field_rank`].
    pub(crate) field_rank: u8,
}

/// The most typos that are told apart: two in each of a query's words.
const TYPOS_MAX: u8 = 64;

impl RankClass {
    /// Classes in their order, from 0.
    pub(crate) fn index(self) -> usize {
        let flags = usize::from(self.prefix_only) << 2
            | usize::from(self.not_exact) << 1
            | usize::from(self.not_adjacent);
        usize::from(self.typos.min(TYPOS_MAX)) << 6 | flags << 3 | usize::from(self.field_rank)
    }
}

/// The place of a slot among those in which the first word may be: the order is name, company, e-mail, phone, tags,
/// source, custom fields.
pub(crate) fn field_rank(field: TermField) -> u8 {
    match field {
        TermField::NamedCustomField => TermField::CustomFields as u8,
        field => field as u8,
    }
}

/// Some of the places, as a bit for each.
const _: () = assert!(
    TermField::ALL.len() - 1 <= u8::BITS as usize,
    "FieldSet has a bit for each field but the named custom field, which ranks as a custom field"
);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet(pub(crate) u8);

impl FieldSet {
    pub(crate) fn only(field: TermField) -> Self {
        Self(1 << field_rank(field))
    }

    pub(crate) fn has(self, field: TermField) -> bool {
        self.0 & Self::only(field).0 != 0
    }

    /// The best of them.
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
    fn classes_are_numbered_in_their_order() {
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
