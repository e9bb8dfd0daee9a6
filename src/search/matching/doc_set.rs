//! Sets of a source's documents.

use std::cell::OnceCell;

/// A bit for each document.
pub(crate) struct DocBits(Vec<u64>);

impl DocBits {
    /// An empty set of documents below `end`.
    pub(crate) fn below(end: u32) -> Self {
        Self(vec![0; end.div_ceil(64) as usize])
    }

    /// Whether a document was not there yet.
    pub(crate) fn insert(&mut self, document: u32) -> bool {
        let Some(word) = self.0.get_mut(document as usize / 64) else {
            return false;
        };
        let bit = 1 << (document % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn contains(&self, document: u32) -> bool {
        self.0
            .get(document as usize / 64)
            .is_some_and(|word| word >> (document % 64) & 1 == 1)
    }

    /// In ascending order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(u32)) {
        for (index, word) in (0_u32..).zip(&self.0) {
            let mut rest = *word;
            while rest != 0 {
                visit(index * 64 + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
    }
}

/// Documents in ascending order, among which others are looked for.
pub(crate) struct DocSet {
    list: OnceCell<Vec<u32>>,
    len: usize,
    /// A number above those of all.
    end: u32,
    /// If they are many, a bit for each; few are searched for in the list.
    bits: Option<DocBits>,
}

/// How many documents are looked for at once: as many as tantivy decodes.
const BLOCK: usize = 128;
/// From a part of so many documents on, they have a bit each.
const MANY: usize = 256;

impl DocSet {
    /// Some of the documents below `end`.
    pub(crate) fn new(list: Vec<u32>, end: u32) -> Self {
        let bits = (list.len() > end as usize / MANY).then(|| {
            let mut bits = DocBits::below(end);
            for document in &list {
                bits.insert(*document);
            }
            bits
        });
        Self {
            len: list.len(),
            list: OnceCell::from(list),
            end,
            bits,
        }
    }

    /// Those in a set. They are listed only if anybody asks for the list.
    pub(crate) fn of(bits: DocBits, end: u32) -> Self {
        let len = bits.0.iter().map(|word| word.count_ones() as usize).sum();
        Self {
            list: OnceCell::new(),
            len,
            end,
            bits: Some(bits),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        self.list.get_or_init(|| {
            let mut list = Vec::with_capacity(self.len);
            self.bits
                .iter()
                .for_each(|bits| bits.for_each(|document| list.push(document)));
            list
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    pub(crate) fn contains(&self, document: u32) -> bool {
        self.bits.as_ref().map_or_else(
            || self.place(document).is_some(),
            |bits| bits.contains(document),
        )
    }

    /// Shows `visit` those of some documents that are here, in their order.
    pub(crate) fn common(&self, documents: &[u32], mut visit: impl FnMut(u32)) {
        let Some(bits) = &self.bits else {
            return documents
                .iter()
                .copied()
                .filter(|document| self.contains(*document))
                .for_each(visit);
        };
        // Which are here cannot be predicted: every one is written, and the next one over it if it is not.
        let mut common = [0; BLOCK];
        for documents in documents.chunks(BLOCK) {
            let mut count = 0;
            for document in documents {
                if let Some(place) = common.get_mut(count) {
                    *place = *document;
                }
                count += usize::from(bits.contains(*document));
            }
            common
                .iter()
                .take(count)
                .for_each(|document| visit(*document));
        }
    }

    /// The place of a document in the list, if it is there.
    pub(crate) fn place(&self, document: u32) -> Option<usize> {
        self.as_slice().binary_search(&document).ok()
    }

    /// The same where it is known to be at `from` or after, the sooner found the nearer it is.
    pub(crate) fn place_from(&self, from: usize, document: u32) -> Option<usize> {
        let rest = self.as_slice().get(from..)?;
        let mut bound = 1;
        while rest.get(bound).is_some_and(|other| *other < document) {
            bound *= 2;
        }
        let passed = bound / 2;
        let place = rest
            .get(passed..rest.len().min(bound + 1))?
            .binary_search(&document)
            .ok()?;
        Some(from + passed + place)
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
            let among = DocSet::new(documents.clone(), end);
            for document in (0..3_000).chain([end, u32::MAX]) {
                let place = documents.binary_search(&document).ok();
                prop_assert_eq!((among.place(document), among.contains(document)), (place, place.is_some()));
            }
            for (place, document) in documents.iter().enumerate() {
                for from in 0..documents.len() {
                    prop_assert_eq!(among.place_from(from, *document), (from <= place).then_some(place));
                }
                prop_assert_eq!(among.place_from(0, *document + 1), documents.binary_search(&(*document + 1)).ok());
            }
            let others: Vec<u32> = (0..3_000).step_by(7).chain([end, u32::MAX]).collect();
            let mut common = Vec::new();
            among.common(&others, |document| common.push(document));
            prop_assert_eq!(common, others.into_iter().filter(|other| documents.contains(other)).collect::<Vec<_>>());
            let mut bits = DocBits::below(end);
            prop_assert!(documents.iter().all(|document| bits.insert(*document) && !bits.insert(*document)));
            let mut all = Vec::new();
            bits.for_each(|document| all.push(document));
            prop_assert_eq!(&all, &documents);
            let same = DocSet::of(bits, end);
            prop_assert_eq!((same.len(), same.as_slice()), (documents.len(), documents.as_slice()));
            prop_assert!(documents.iter().enumerate().all(|(place, document)| same.place(*document) == Some(place)));
        }
    }
}
