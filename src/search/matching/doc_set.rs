//! Sets of the documents of one source of postings.

use std::cell::OnceCell;

/// A bitmap with a bit for each document of the source.
pub(crate) struct DocBits(Vec<u64>);

impl DocBits {
    /// Creates an empty set of documents below `end`.
    pub(crate) fn below(end: u32) -> Self {
        Self(vec![0; end.div_ceil(64) as usize])
    }

    /// Adds a document. Returns true if it was not in the set.
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

    /// Calls `visit` for each document in ascending order.
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

/// A set of documents in ascending order, with fast membership tests.
pub(crate) struct DocSet {
    list: OnceCell<Vec<u32>>,
    len: usize,
    /// Exclusive upper bound of the document numbers.
    end: u32,
    /// Bitmap of a dense set. A sparse set is tested by binary search in the list.
    bits: Option<DocBits>,
}

/// Number of documents that are tested at once, the size of the blocks that tantivy decodes.
const BLOCK: usize = 128;
/// A set with more than this fraction (1/256) of all documents has a bitmap.
const DENSE_FRACTION: usize = 256;

impl DocSet {
    /// Creates a set of documents below `end` from an ascending list.
    pub(crate) fn new(list: Vec<u32>, end: u32) -> Self {
        let bits = (list.len() > end as usize / DENSE_FRACTION).then(|| {
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

    /// Creates a set from a bitmap. The list is built on first use.
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

    /// Calls `visit` for each of `documents` that is in the set, in the given order.
    pub(crate) fn common(&self, documents: &[u32], mut visit: impl FnMut(u32)) {
        let Some(bits) = &self.bits else {
            return documents
                .iter()
                .copied()
                .filter(|document| self.contains(*document))
                .for_each(visit);
        };
        // Membership is unpredictable, so the loop has no branch on it: every document is written,
        // and a document that is not in the set is overwritten by the next one.
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

    /// Returns the index of a document in the list, or `None` if it is not in the set.
    pub(crate) fn place(&self, document: u32) -> Option<usize> {
        self.as_slice().binary_search(&document).ok()
    }

    /// Returns the index of a document in the list if it is at `from` or later. The search is a
    /// galloping one, which is faster the closer the document is to `from`.
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
        fn set_operations_match_those_of_a_sorted_list(documents in prop::collection::btree_set(0_u32..3_000, 0..200), end in 3_000_u32..200_000) {
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
