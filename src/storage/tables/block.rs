//! Key blocks: sorted, prefix-compressed index keys. Each key is stored without the prefix that it
//! shares with the previous key.
//!
//! ```text
//! count u16, little-endian
//! for each key:   length of the prefix shared with the previous key   varint
//!                 length of the suffix                                varint
//!                 the suffix
//! ```
//!
//! A varint stores seven bits per byte, lowest first. The high bit of a byte means that another
//! byte follows. Keys end with a four-byte row.

use crate::error::{Error, Result};
use crate::row::{Lookup, Row};
use crate::storage::key::split_row;

/// Returns the number of keys in a block.
pub(crate) fn count(block: &[u8]) -> Result<u64> {
    BlockKeys::of(block).map(|keys| keys.left.into())
}

/// Returns how many keys of a block end with a row that `among` contains. Usually decodes only the
/// rows, which takes a fraction of the time that decoding the keys would take.
pub(crate) fn count_rows(block: &[u8], among: &Lookup) -> Result<u64> {
    let (head, mut rest) = block.split_first_chunk::<2>().ok_or_else(corrupted)?;
    let (mut length, mut row, mut count) = (0, 0_u32, 0);
    for _ in 0..u16::from_le_bytes(*head) {
        let (shared, after) = varint(rest)?;
        let (own, after) = varint(after)?;
        let (own, after) = after.split_at_checked(own).ok_or_else(corrupted)?;
        if shared > length {
            return Err(corrupted());
        }
        row = match own.last_chunk::<4>() {
            Some(row) => u32::from_be_bytes(*row),
            // The suffix has only the last bytes of the row. The first bytes are those of the
            // previous row if both keys have the same length.
            None if shared + own.len() == length && length >= 4 => {
                own.iter().fold(row >> (8 * own.len()), |row, byte| {
                    row << 8 | u32::from(*byte)
                })
            }
            None => return count_rows_of_keys(block, among),
        };
        (length, rest) = (shared + own.len(), after);
        count += u64::from(among.contains(Row(row)));
    }
    Ok(count)
}

/// Counts like `count_rows`, but decodes every key. This slow path is needed if a key shares bytes
/// of its row with the previous key, and the two keys differ in length.
fn count_rows_of_keys(block: &[u8], among: &Lookup) -> Result<u64> {
    let (mut keys, mut count) = (BlockKeys::of(block)?, 0);
    while let Some(key) = keys.next()? {
        count += u64::from(among.contains(split_row(key)?.1));
    }
    Ok(count)
}

/// A lending iterator over the keys of a block, in order.
pub(crate) struct BlockKeys<'b> {
    left: u16,
    rest: &'b [u8],
    key: Vec<u8>,
}

impl<'b> BlockKeys<'b> {
    pub(crate) fn of(block: &'b [u8]) -> Result<Self> {
        let (count, rest) = block.split_first_chunk::<2>().ok_or_else(corrupted)?;
        Ok(Self {
            left: u16::from_le_bytes(*count),
            rest,
            key: Vec::with_capacity(128),
        })
    }

    /// Returns the next key, which is valid until the next call.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        let (shared, rest) = varint(self.rest)?;
        let (length, rest) = varint(rest)?;
        let (own, rest) = rest.split_at_checked(length).ok_or_else(corrupted)?;
        if shared > self.key.len() {
            return Err(corrupted());
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(own);
        (self.left, self.rest) = (left, rest);
        Ok(Some(&self.key))
    }
}

/// Maximum encoded size, in bytes, of the two lengths before a key.
const LENGTHS_BYTES_MAX: usize = 6;

/// Sorted keys in contiguous memory.
#[derive(Default)]
pub(crate) struct KeyList {
    bytes: Vec<u8>,
    /// End offset of each key in `bytes`.
    ends: Vec<usize>,
}

impl KeyList {
    pub(crate) fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        let end_of = |index: Option<usize>| {
            index
                .and_then(|index| self.ends.get(index))
                .copied()
                .unwrap_or(0)
        };
        let key = move |index: usize| {
            self.bytes
                .get(end_of(index.checked_sub(1))..end_of(Some(index)))
        };
        (0..self.ends.len()).map(move |index| key(index).unwrap_or_default())
    }

    fn last(&self) -> &[u8] {
        self.keys().next_back().unwrap_or_default()
    }
}

/// A builder that collects sorted keys and encodes them as blocks.
#[derive(Default)]
pub(crate) struct BlockBuilder {
    keys: KeyList,
    /// Size in bytes of the keys when encoded in a single block, without the block's count of keys.
    encoded_len: usize,
}

impl BlockBuilder {
    pub(crate) fn push(&mut self, key: &[u8]) {
        self.encoded_len += encoded_key_len(self.keys.last(), key);
        self.keys.push(key);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.ends.is_empty()
    }

    pub(crate) fn encoded_len(&self) -> usize {
        self.encoded_len
    }

    /// Returns the keys as blocks of about `target` bytes. A block exceeds `max_len` bytes only if
    /// it has a single key. Each block comes with its lower bound, which is above all keys of the
    /// previous blocks and not above any key of the block. The lower bound of the first block is
    /// empty.
    pub(crate) fn blocks(&self, target: usize, max_len: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut blocks = Vec::new();
        let (mut begin, mut block, mut count) = (Vec::new(), vec![0, 0], 0_u16);
        let mut last: &[u8] = &[];
        for key in self.keys.keys() {
            let full = block.len() >= target
                || block.len() + LENGTHS_BYTES_MAX + key.len() > max_len
                || count == u16::MAX;
            if full && count > 0 {
                let shared = shared_length(last, key);
                let next_begin = key.get(..=shared).unwrap_or(key).to_vec();
                write_count(&mut block, count);
                blocks.push((
                    std::mem::replace(&mut begin, next_begin),
                    std::mem::replace(&mut block, vec![0, 0]),
                ));
                (count, last) = (0, &[]);
            }
            let shared = if count == 0 {
                0
            } else {
                shared_length(last, key)
            };
            let rest = key.get(shared..).unwrap_or_default();
            push_varint(&mut block, shared);
            push_varint(&mut block, rest.len());
            block.extend_from_slice(rest);
            count += 1;
            last = key;
        }
        write_count(&mut block, count);
        blocks.push((begin, block));
        blocks
    }
}

fn write_count(block: &mut [u8], count: u16) {
    if let Some(head) = block.first_chunk_mut::<2>() {
        *head = count.to_le_bytes();
    }
}

fn encoded_key_len(last: &[u8], key: &[u8]) -> usize {
    let shared = shared_length(last, key);
    let rest = key.len() - shared;
    1 + usize::from(shared >= 0x80) + 1 + usize::from(rest >= 0x80) + rest
}

fn shared_length(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn push_varint(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn varint(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let (&first, mut rest) = bytes.split_first().ok_or_else(corrupted)?;
    let mut value = usize::from(first & 0x7f);
    let (mut more, mut shift) = (first >= 0x80, 7);
    while more {
        let (&byte, after) = rest.split_first().ok_or_else(corrupted)?;
        // No key is longer than a lead, so three bytes are enough.
        if shift > 14 {
            return Err(corrupted());
        }
        value |= usize::from(byte & 0x7f) << shift;
        (more, rest, shift) = (byte >= 0x80, after, shift + 7);
    }
    Ok((value, rest))
}

fn corrupted() -> Error {
    Error::corrupted("leads.redb is corrupted: a block of index keys cannot be decoded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use crate::row::RowSet;

    fn read(block: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut keys = BlockKeys::of(block)?;
        let mut read = Vec::new();
        while let Some(key) = keys.next()? {
            read.push(key.to_vec());
        }
        Ok(read)
    }

    proptest! {
        #[test]
        fn keys_round_trip_through_blocks(keys in btree_set(vec(0_u8..4, 0..200), 0..60), target in 1_usize..2_000, max_len in 2_000_usize..3_000) {
            let mut builder = BlockBuilder::default();
            keys.iter().for_each(|key| builder.push(key));
            let blocks = builder.blocks(target, max_len);
            let mut back = Vec::new();
            for (index, (begin, block)) in blocks.iter().enumerate() {
                let keys = read(block).unwrap();
                prop_assert!(keys.iter().all(|key| key >= begin));
                prop_assert!(index == 0 || back.iter().all(|key| key < begin));
                prop_assert!(block.len() <= max_len || keys.len() == 1);
                back.extend(keys);
            }
            prop_assert!(back.iter().eq(&keys));
            prop_assert!(blocks.iter().map(|(_, block)| block.len()).sum::<usize>() >= builder.encoded_len() + 2);
        }

        #[test]
        fn arbitrary_bytes_decode_or_are_rejected(bytes in prop_oneof![any::<Vec<u8>>(), vec(0_u8..3, 0..40)]) {
            let rows = |keys: Vec<Vec<u8>>| keys.iter().map(|key| Ok(split_row(key)?.1)).collect::<Result<Vec<_>>>();
            let among: RowSet = [0, 1, 0x0101_0101].into_iter().map(Row).collect();
            let counted = count_rows(&bytes, &among.lookup(0));
            match read(&bytes).and_then(rows) {
                Ok(rows) => prop_assert_eq!(counted.unwrap(), rows.iter().filter(|row| among.contains(**row)).count() as u64),
                Err(_) => prop_assert!(counted.is_err(), "an invalid block was counted"),
            }
        }

        /// `count_rows` agrees with decoding the keys, however long their shared prefixes are.
        #[test]
        fn count_rows_matches_the_decoded_keys(
            keys in btree_set((vec(0_u8..3, 0..4), 0_u32..3, 0_u32..70_000), 0..200),
            among in btree_set(0_u32..200_000, 0..200),
        ) {
            let mut builder = BlockBuilder::default();
            let key = |(text, high, low): &(Vec<u8>, u32, u32)| [text.as_slice(), &(high << 17 | low).to_be_bytes()].concat();
            let keys: std::collections::BTreeSet<Vec<u8>> = keys.iter().map(key).collect();
            keys.iter().for_each(|key| builder.push(key));
            let rows = keys.iter().map(|key| split_row(key).unwrap().1);
            let among: RowSet = among.into_iter().map(Row).chain(rows.clone().step_by(3)).collect();
            let expected = rows.filter(|row| among.contains(*row)).count() as u64;
            let block = &builder.blocks(usize::MAX, usize::MAX)[0].1;
            prop_assert_eq!(count_rows(block, &among.lookup(0)).unwrap(), expected);
            prop_assert_eq!(count_rows(block, &among.lookup(usize::MAX)).unwrap(), expected);
            prop_assert_eq!(count(block).unwrap(), keys.len() as u64);
        }
    }

    #[test]
    fn block_encoding_is_stable() {
        let mut builder = BlockBuilder::default();
        assert!(builder.is_empty());
        let long = [b"abd".as_slice(), &[b'x'; 200]].concat();
        let longer = [&long, b"y".as_slice()].concat();
        for key in [b"abc".as_slice(), b"abd", &long, &longer] {
            builder.push(key);
        }
        assert!(!builder.is_empty());
        let expected = [
            b"\x04\0\0\x03abc\x02\x01d\x03\xc8\x01".as_slice(),
            &[b'x'; 200],
            b"\xcb\x01\x01y",
        ]
        .concat();
        assert_eq!(
            builder.blocks(4_000, 4_000),
            [(Vec::new(), expected.clone())]
        );
        assert_eq!(builder.encoded_len(), expected.len() - 2);
        for length in 0..expected.len() {
            assert!(
                read(&expected[..length]).is_err(),
                "truncated to {length} bytes"
            );
        }
    }

    #[test]
    fn varint_has_seven_bits_per_byte_and_up_to_three_bytes() {
        for length in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, length);
            bytes.push(9);
            assert_eq!(varint(&bytes).unwrap(), (length, [9].as_slice()));
            assert!(bytes.len() <= 4);
        }
        assert!(varint(&[0x80, 0x80, 0x80, 1]).is_err(), "four bytes");
        assert!(varint(&[0x80, 0x80]).is_err(), "truncated");
    }

    #[test]
    fn block_ends_when_full_or_when_the_next_key_might_not_fit() {
        let mut builder = BlockBuilder::default();
        // Each key takes ten bytes in a block: two lengths of one byte each, and all eight bytes of
        // the key, because no two keys share a prefix.
        let keys: Vec<Vec<u8>> = (0..10_u8).map(|n| vec![n; 8]).collect();
        keys.iter().for_each(|key| builder.push(key));
        let counts = |target, max_len| {
            let blocks = builder.blocks(target, max_len);
            blocks
                .iter()
                .map(|(_, block)| count(block).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(22, 1_000), [2, 2, 2, 2, 2], "two keys fill a block");
        assert_eq!(counts(23, 1_000), [3, 3, 3, 1]);
        // A block with one key is twelve bytes long. The next key may need up to fourteen bytes.
        assert_eq!(counts(1_000, 26), [2, 2, 2, 2, 2]);
        assert_eq!(counts(1_000, 25), [1; 10]);
    }
}
