//! The order of hits: in how few typos, how wholly and where a lead has what was typed. It can be explained, and does not
//! depend on the state of the index.

use crate::search::terms::field::Slot;

/// How good a hit is; less is better. Leads that are alike in this rank by their age, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    /// How many typos are forgiven.
    pub(crate) typos: u8,
    /// The last word is only the beginning of one.
    pub(crate) partial: bool,
    /// No value consists of what was typed and nothing else.
    pub(crate) unequal: bool,
    /// The words do not stand side by side in one value, in the typed order.
    pub(crate) apart: bool,
    /// Where the first word is, see [`place`].
    pub(crate) place: u8,
}

/// The most typos that are told apart: two in each of a query's words.
const MOST_TYPOS: u8 = 64;

impl Class {
    /// Classes in their order, from 0.
    pub(crate) fn index(self) -> usize {
        let flags = usize::from(self.partial) << 2
            | usize::from(self.unequal) << 1
            | usize::from(self.apart);
        usize::from(self.typos.min(MOST_TYPOS)) << 6 | flags << 3 | usize::from(self.place)
    }
}

/// The place of a slot among those in which the first word may be: the order is name, company, e-mail, phone, tags,
/// source, custom fields.
pub(crate) fn place(slot: Slot) -> u8 {
    match slot {
        Slot::NamedCustomField => Slot::CustomFields as u8,
        slot => slot as u8,
    }
}

/// Some of the places, as a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places(pub(crate) u8);

impl Places {
    pub(crate) fn only(slot: Slot) -> Self {
        Self(1 << place(slot))
    }

    pub(crate) fn has(self, slot: Slot) -> bool {
        self.0 & Self::only(slot).0 != 0
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
                for place in 0..7 {
                    let flag = |bit: u8| flags >> bit & 1 == 1;
                    all.push(Class {
                        typos,
                        partial: flag(2),
                        unequal: flag(1),
                        apart: flag(0),
                        place,
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
