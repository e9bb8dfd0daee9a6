//! Sets of a source's documents.

/// A bit for each document.
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// An empty set of documents below `end`.
    pub(super) fn below(end: u32) -> Self {
        Self(vec![0; end.div_ceil(64) as usize])
    }

    /// Whether a document was not there yet.
    pub(super) fn insert(&mut self, document: u32) -> bool {
        let Some(word) = self.0.get_mut(document as usize / 64) else { return false };
        let bit = 1 << (document % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// In ascending order.
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32)) {
        for (index, word) in (0_u32..).zip(&self.0) {
            let mut rest = *word;
            while rest != 0 {
                visit(index * 64 + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
    }
}

/// Documents among which others are looked for, in ascending order.
pub(super) struct Among<'a> {
    documents: &'a [u32],
    places: Places,
}

enum Places {
    /// They are few, and searched for.
    Few,
    /// A bit for each, with how many come before each word of bits.
    Many { bits: Bits, before: Vec<u32> },
}

/// From a part of so many documents on, they have a bit each.
const MANY: usize = 256;

impl<'a> Among<'a> {
    /// Some of the documents below `end`.
    pub(super) fn new(documents: &'a [u32], end: u32) -> Self {
        if documents.len() <= end as usize / MANY {
            return Self { documents, places: Places::Few };
        }
        let mut bits = Bits::below(end);
        for document in documents {
            bits.insert(*document);
        }
        let count = |count: &mut u32, word: &u64| {
            let before = *count;
            *count += word.count_ones();
            Some(before)
        };
        let before = bits.0.iter().scan(0, count).collect();
        Self { documents, places: Places::Many { bits, before } }
    }

    pub(super) fn documents(&self) -> &'a [u32] {
        self.documents
    }

    /// The place of a document, if it is there.
    pub(super) fn place(&self, document: u32) -> Option<usize> {
        let Places::Many { bits, before } = &self.places else { return self.documents.binary_search(&document).ok() };
        let index = document as usize / 64;
        let (word, bit) = (*bits.0.get(index)?, 1_u64 << (document % 64));
        (word & bit != 0)
            .then(|| before.get(index).map_or(0, |before| (before + (word & (bit - 1)).count_ones()) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_those_in_the_list(documents in prop::collection::btree_set(0_u32..3_000, 0..200), end in 3_000_u32..200_000) {
            let documents: Vec<u32> = documents.into_iter().collect();
            let among = Among::new(&documents, end);
            for document in (0..3_000).chain([end, u32::MAX]) {
                prop_assert_eq!(among.place(document), documents.binary_search(&document).ok());
            }
            let mut bits = Bits::below(end);
            prop_assert!(documents.iter().all(|document| bits.insert(*document) && !bits.insert(*document)));
            let mut all = Vec::new();
            bits.for_each(|document| all.push(document));
            prop_assert_eq!(all, documents);
        }
    }
}
