//! The table of sorted keys, which holds them in blocks: smaller than one entry a key, and whole blocks can be passed
//! over by their counts.
//!
//! Each block stands under a text that is not above its keys, and above those of all blocks before. Keys of two tags,
//! their first byte, share no block, so that those that only ever come last, as times do, leave full blocks behind. A
//! block fills a page of redb, unless a single key is longer.

use std::iter::Peekable;
use std::ops::Bound;

use imbl::OrdMap;
use redb::{AccessGuard, ReadableTable, Table};

use super::block::{Gathered, Keys};
use super::fault;
use super::key::KeyRange;
use super::overlay::Key;
use super::reader::Visit;
use super::table::Bytes;
use crate::row::Direction;
use crate::{Error, Result};

/// A page of redb has 4,096 bytes, some of which tell where keys and values end.
const MOST_BYTES: usize = 3_950;
/// A block with less is joined to the one after it.
const FEW_BYTES: usize = MOST_BYTES / 4;

/// Who is shown keys.
pub(crate) trait KeyVisitor {
    /// Whether `count` keys, all there are from `from` on and before `to`, can be passed over unseen.
    fn pass(&mut self, from: &[u8], to: &[u8], count: u64) -> bool;

    fn visit(&mut self, key: &[u8]) -> Result<Visit>;
}

/// Shows `visitor` the keys of a range until it breaks.
pub(super) fn scan(
    table: &impl ReadableTable<Bytes, Bytes>,
    range: &KeyRange,
    direction: Direction,
    visitor: &mut dyn KeyVisitor,
) -> Result<()> {
    if range.from >= range.to {
        return Ok(());
    }
    let first = block_of(table, &range.from)?;
    let first = first.as_ref().map_or(range.from.as_slice(), |(begin, _)| begin.value());
    let mut blocks = table.range::<&[u8]>(first..range.to.as_slice()).map_err(fault)?;
    match direction {
        Direction::Ascending => {
            let mut next = blocks.next().transpose().map_err(fault)?;
            while let Some((begin, block)) = next {
                next = blocks.next().transpose().map_err(fault)?;
                let end = next.as_ref().map(|(begin, _)| begin.value());
                if !pass(visitor, range, begin.value(), end, block.value())?
                    && scan_block(block.value(), range, visitor)?.is_break()
                {
                    break;
                }
            }
        }
        Direction::Descending => {
            let mut after: Option<AccessGuard<'_, Bytes>> = None;
            while let Some((begin, block)) = blocks.next_back().transpose().map_err(fault)? {
                let end = after.as_ref().map(AccessGuard::value);
                if !pass(visitor, range, begin.value(), end, block.value())?
                    && scan_block_back(block.value(), range, visitor)?.is_break()
                {
                    break;
                }
                after = Some(begin);
            }
        }
    }
    Ok(())
}

/// Whether a block has been passed over. The first and the last of a range may have keys outside of it, and are not.
fn pass(
    visitor: &mut dyn KeyVisitor,
    range: &KeyRange,
    begin: &[u8],
    end: Option<&[u8]>,
    block: &[u8],
) -> Result<bool> {
    match end {
        Some(end) if begin >= range.from.as_slice() => Ok(visitor.pass(begin, end, Keys::of(block)?.left().into())),
        _ => Ok(false),
    }
}

fn scan_block(block: &[u8], range: &KeyRange, visitor: &mut dyn KeyVisitor) -> Result<Visit> {
    let mut keys = Keys::of(block)?;
    while let Some(key) = keys.next()? {
        if key >= range.to.as_slice() {
            return Ok(Visit::Break(()));
        }
        if key >= range.from.as_slice() && visitor.visit(key)?.is_break() {
            return Ok(Visit::Break(()));
        }
    }
    Ok(Visit::Continue(()))
}

fn scan_block_back(block: &[u8], range: &KeyRange, visitor: &mut dyn KeyVisitor) -> Result<Visit> {
    let mut gathered = Gathered::default();
    let mut keys = Keys::of(block)?;
    while let Some(key) = keys.next()? {
        if key >= range.to.as_slice() {
            break;
        }
        if key >= range.from.as_slice() {
            gathered.push(key);
        }
    }
    for key in gathered.keys().rev() {
        if visitor.visit(key)?.is_break() {
            return Ok(Visit::Break(()));
        }
    }
    Ok(Visit::Continue(()))
}

type Block<'t> = (AccessGuard<'t, Bytes>, AccessGuard<'t, Bytes>);

/// The block that would have a key in it, if there is any block.
fn block_of<'t>(table: &'t impl ReadableTable<Bytes, Bytes>, key: &[u8]) -> Result<Option<Block<'t>>> {
    table.range::<&[u8]>(..=key).map_err(fault)?.next_back().transpose().map_err(fault)
}

/// Puts keys in and takes them out.
pub(super) fn write(table: &mut Table<'_, Bytes, Bytes>, changes: &OrdMap<Key, bool>) -> Result<()> {
    let mut changes = changes.iter().map(|(key, present)| (&**key, *present)).peekable();
    while let Some((first, _)) = changes.peek() {
        let Some(tag) = first.first().copied() else { return Err(Error::corrupted("a key of the store is empty")) };
        let block = block_of(table, first)?.map(|(begin, block)| (begin.value().to_vec(), block.value().to_vec()));
        let of_tag = block.filter(|(begin, _)| begin.first() == Some(&tag));
        let (begin, block) = of_tag.unwrap_or_else(|| (vec![tag], Vec::new()));
        let mut gathered = Gathered::default();
        let mut end = block_after(table, &begin, tag)?;
        let mut appended = merge(&block, tag, end.as_deref(), &mut changes, &mut gathered)?;
        // What shrinks, as keys of times do that move on with each change, takes in what follows.
        while gathered.written() < FEW_BYTES
            && let Some(next) = end
        {
            let block = table.remove(next.as_slice()).map_err(fault)?.map(|block| block.value().to_vec());
            end = block_after(table, &next, tag)?;
            appended = merge(&block.unwrap_or_default(), tag, end.as_deref(), &mut changes, &mut gathered)?;
        }
        write_blocks(table, &begin, &gathered, appended)?;
    }
    Ok(())
}

/// Where the next block of a tag begins.
fn block_after(table: &Table<'_, Bytes, Bytes>, begin: &[u8], tag: u8) -> Result<Option<Vec<u8>>> {
    let after = (Bound::Excluded(begin), Bound::Unbounded);
    let next = table.range::<&[u8]>(after).map_err(fault)?.next().transpose().map_err(fault)?;
    Ok(next.map(|(begin, _)| begin.value().to_vec()).filter(|begin| begin.first() == Some(&tag)))
}

/// Gathers the keys of a block with the changes of its tag before `end`; tells whether all that is new came after the
/// others.
fn merge<'c>(
    block: &[u8],
    tag: u8,
    end: Option<&[u8]>,
    changes: &mut Peekable<impl Iterator<Item = (&'c [u8], bool)>>,
    gathered: &mut Gathered,
) -> Result<bool> {
    let mut appended = true;
    if !block.is_empty() {
        let mut keys = Keys::of(block)?;
        while let Some(key) = keys.next()? {
            let mut stays = true;
            while let Some((changed, present)) = changes.next_if(|(changed, _)| *changed <= key) {
                if changed == key {
                    stays = present;
                } else if present {
                    gathered.push(changed);
                    appended = false;
                }
            }
            if stays {
                gathered.push(key);
            }
        }
    }
    let belongs = |key: &[u8]| key.first() == Some(&tag) && end.is_none_or(|end| key < end);
    while let Some((changed, present)) = changes.next_if(|(key, _)| belongs(key)) {
        if present {
            gathered.push(changed);
        }
    }
    Ok(appended)
}

/// Writes blocks in place of the one that begins at `begin`.
fn write_blocks(table: &mut Table<'_, Bytes, Bytes>, begin: &[u8], gathered: &Gathered, appended: bool) -> Result<()> {
    let written = gathered.written();
    // Keys that only ever come last leave full blocks behind; others leave room for more.
    let target = if written <= MOST_BYTES {
        usize::MAX
    } else if appended {
        MOST_BYTES - 100
    } else {
        let blocks = written.div_ceil(MOST_BYTES * 3 / 4).max(2);
        written / blocks
    };
    if gathered.len() == 0 {
        table.remove(begin).map_err(fault)?;
        return Ok(());
    }
    for (index, (block_begin, block)) in gathered.blocks(target, MOST_BYTES).into_iter().enumerate() {
        let begin = if index == 0 { begin } else { &block_begin };
        table.insert(begin, block.as_slice()).map_err(fault)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use redb::{ReadableDatabase, backends::InMemoryBackend};

    use super::*;
    use crate::storage::table::Tree;

    /// Passes over blocks while `left` allows it, then takes the keys.
    struct Taken {
        left: u64,
        passed: u64,
        keys: Vec<Vec<u8>>,
    }

    impl KeyVisitor for Taken {
        fn pass(&mut self, _from: &[u8], _to: &[u8], count: u64) -> bool {
            let passes = count <= self.left;
            if passes {
                self.left -= count;
                self.passed += 1;
            }
            passes
        }

        fn visit(&mut self, key: &[u8]) -> Result<Visit> {
            if self.left > 0 {
                self.left -= 1;
            } else {
                self.keys.push(key.to_vec());
            }
            Ok(Visit::Continue(()))
        }
    }

    fn key() -> impl Strategy<Value = Vec<u8>> {
        // Short ones that meet often, and long ones that fill blocks, and more than one.
        prop_oneof![
            8 => proptest::collection::vec(0_u8..3, 1..6),
            4 => (0_u16..300).prop_map(|n| [b"long".as_slice(), &n.to_be_bytes(), &[7; 300]].concat()),
            1 => (0_u8..9).prop_map(|n| vec![n; 9_000]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn the_table_is_a_sorted_set(
            commits in proptest::collection::vec(proptest::collection::vec((key(), any::<bool>()), 1..80), 1..8),
            from in key(), to in key(), skip in 0_u64..100,
        ) {
            let db = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
            let mut model = BTreeSet::new();
            for commit in commits {
                let changes: OrdMap<Key, bool> = commit.into_iter().map(|(key, present)| (Key::from(key), present)).collect();
                for (key, present) in &changes {
                    if *present { model.insert(key.to_vec()); } else { model.remove(&**key); }
                }
                let transaction = db.begin_write().unwrap();
                write(&mut transaction.open_table(Tree::Keys.definition()).unwrap(), &changes).unwrap();
                transaction.commit().unwrap();
                let transaction = db.begin_read().unwrap();
                let table = transaction.open_table(Tree::Keys.definition()).unwrap();
                for entry in table.iter().unwrap() {
                    let (begin, block) = entry.unwrap();
                    let (begin, block) = (begin.value(), block.value());
                    let keys = Keys::of(block).unwrap().left();
                    prop_assert!(block.len() <= MOST_BYTES || keys == 1, "{} keys in {} bytes", keys, block.len());
                    prop_assert!(keys > 0 && !begin.is_empty());
                }
                for range in [KeyRange { from: from.clone(), to: to.clone() }, KeyRange { from: vec![], to: vec![0xff] }] {
                    let mut expected: Vec<Vec<u8>> = model.range(range.from.clone()..range.to.clone().max(range.from.clone())).cloned().collect();
                    for direction in [Direction::Ascending, Direction::Descending] {
                        let mut taken = Taken { left: skip, passed: 0, keys: Vec::new() };
                        scan(&table, &range, direction, &mut taken).unwrap();
                        prop_assert_eq!(&taken.keys, &expected[expected.len().min(skip as usize)..]);
                        expected.reverse();
                    }
                }
            }
        }
    }

    #[test]
    fn keys_that_come_in_order_fill_their_blocks_and_blocks_that_empty_are_joined() {
        let db = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = db.begin_write().unwrap();
        let mut table = transaction.open_table(Tree::Keys.definition()).unwrap();
        let key = |n: u32| Key::from([b"time".as_slice(), &n.to_be_bytes()].concat());
        for commit in 0..100 {
            write(&mut table, &(commit * 100..commit * 100 + 100).map(|n| (key(n), true)).collect()).unwrap();
        }
        let sizes = |table: &Table<'_, Bytes, Bytes>| -> Vec<usize> {
            table.iter().unwrap().map(|entry| entry.unwrap().1.value().len()).collect()
        };
        let full = sizes(&table);
        assert!(full[..full.len() - 1].iter().all(|size| *size > MOST_BYTES * 9 / 10), "{full:?}");
        for commit in 0..100 {
            write(&mut table, &(0..90).map(|n| (key(n * 111 + commit), false)).collect()).unwrap();
        }
        let joined = sizes(&table);
        assert!(joined.len() <= full.len() / 2, "{full:?}, then {joined:?}");
        let mut taken = Taken { left: 900, passed: 0, keys: Vec::new() };
        scan(&table, &KeyRange { from: vec![], to: vec![0xff] }, Direction::Ascending, &mut taken).unwrap();
        assert_eq!(taken.keys.len(), 1_000 - 900);
        assert!(taken.passed > 0);
    }
}
