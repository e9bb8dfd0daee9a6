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

/// Documents in ascending order, among which others are looked for.
pub(super) struct Documents {
    list: Vec<u32>,
    /// A number above those of all.
    end: u32,
    /// If they are many, a bit for each, with how many come before each word of bits; few are searched for.
    bits: Option<(Bits, Vec<u32>)>,
}

/// From a part of so many documents on, they have a bit each.
const MANY: usize = 256;

impl Documents {
    /// Some of the documents below `end`.
    pub(super) fn new(list: Vec<u32>, end: u32) -> Self {
        if list.len() <= end as usize / MANY {
            return Self { list, end, bits: None };
        }
        let mut bits = Bits::below(end);
        for document in &list {
            bits.insert(*document);
        }
        Self::ranked(list, end, bits)
    }

    /// Those in a set.
    pub(super) fn of(bits: Bits, end: u32) -> Self {
        let mut list = Vec::with_capacity(bits.0.iter().map(|word| word.count_ones() as usize).sum());
        bits.for_each(|document| list.push(document));
        Self::ranked(list, end, bits)
    }

    fn ranked(list: Vec<u32>, end: u32, bits: Bits) -> Self {
        let count = |count: &mut u32, word: &u64| {
            let before = *count;
            *count += word.count_ones();
            Some(before)
        };
        let before = bits.0.iter().scan(0, count).collect();
        Self { list, end, bits: Some((bits, before)) }
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        &self.list
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// The place of a document, if it is there.
    pub(super) fn place(&self, document: u32) -> Option<usize> {
        let Some((bits, before)) = &self.bits else { return self.list.binary_search(&document).ok() };
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
            let among = Documents::new(documents.clone(), end);
            for document in (0..3_000).chain([end, u32::MAX]) {
                prop_assert_eq!(among.place(document), documents.binary_search(&document).ok());
            }
            let mut bits = Bits::below(end);
            prop_assert!(documents.iter().all(|document| bits.insert(*document) && !bits.insert(*document)));
            let mut all = Vec::new();
            bits.for_each(|document| all.push(document));
            prop_assert_eq!(&all, &documents);
            let same = Documents::of(bits, end);
            prop_assert_eq!(same.as_slice(), &documents);
            prop_assert!(documents.iter().enumerate().all(|(place, document)| same.place(*document) == Some(place)));
        }
    }
}
