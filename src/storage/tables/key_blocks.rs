//! The table of sort keys. It stores them in blocks, which takes less space than one entry per key
//! and lets scans skip entire blocks by their counts.
//!
//! The table key of a block is a lower bound: it is not above the block's own keys, and above all
//! keys of the blocks before it. Keys with different tags, their first byte, never share a block,
//! so that a tag whose keys are only appended, as times are, leaves full blocks behind. A block
//! fills a page of redb, unless a single key is longer.

use std::iter::Peekable;

use imbl::OrdMap;
use redb::{AccessGuard, ReadableTable, Table};

use crate::error::{Error, Result};
use crate::row::Direction;
use crate::storage::key::KeyRange;
use crate::storage::redb_error::redb_error;
use crate::storage::shared_key::SharedKey as Key;
use crate::storage::tables::block::{BlockBuilder, BlockKeys, KeyList};
use crate::storage::tables::scan::Visit;
use crate::storage::tables::tree::Bytes;

/// A page of redb has 4,096 bytes, some of which store where its keys and values end.
const BLOCK_BYTES_MAX: usize = 3_950;
/// A smaller block is merged with the next one.
const BLOCK_BYTES_MIN: usize = BLOCK_BYTES_MAX / 4;

/// Receives the keys of a scan.
pub(crate) trait KeyVisitor {
    /// Returns true if a block can be skipped without visiting its keys. The block contains all
    /// stored keys in `from..to`.
    fn skip_block(&mut self, from: &[u8], to: &[u8], block: &[u8]) -> Result<bool>;

    fn visit(&mut self, key: &[u8]) -> Result<Visit>;
}

/// Calls `visitor` with the keys of a range until it breaks.
pub(crate) fn scan(
    table: &impl ReadableTable<Bytes, Bytes>,
    range: &KeyRange,
    direction: Direction,
    visitor: &mut dyn KeyVisitor,
) -> Result<()> {
    if range.from >= range.to {
        return Ok(());
    }
    let first = block_of(table, &range.from)?;
    let first = first
        .as_ref()
        .map_or(range.from.as_slice(), |(begin, _)| begin.value());
    let mut blocks = table
        .range::<&[u8]>(first..range.to.as_slice())
        .map_err(redb_error)?;
    match direction {
        Direction::Ascending => {
            let mut next = blocks.next().transpose().map_err(redb_error)?;
            while let Some((begin, block)) = next {
                next = blocks.next().transpose().map_err(redb_error)?;
                let end = next.as_ref().map(|(begin, _)| begin.value());
                if scan_block(
                    range,
                    direction,
                    (begin.value(), end, block.value()),
                    visitor,
                )?
                .is_break()
                {
                    break;
                }
            }
        }
        Direction::Descending => {
            let mut after: Option<AccessGuard<'_, Bytes>> = None;
            while let Some((begin, block)) = blocks.next_back().transpose().map_err(redb_error)? {
                let end = after.as_ref().map(AccessGuard::value);
                if scan_block(
                    range,
                    direction,
                    (begin.value(), end, block.value()),
                    visitor,
                )?
                .is_break()
                {
                    break;
                }
                after = Some(begin);
            }
        }
    }
    Ok(())
}

/// Visits the keys of a block. The tuple has the block's table key, the table key of the next block
/// in the range, and the block.
fn scan_block(
    range: &KeyRange,
    direction: Direction,
    (begin, end, block): (&[u8], Option<&[u8]>, &[u8]),
    visitor: &mut dyn KeyVisitor,
) -> Result<Visit> {
    // Only the first and the last block of a range can have keys outside of it.
    let bounds = match end {
        Some(end) if begin >= range.from.as_slice() => {
            if visitor.skip_block(begin, end, block)? {
                return Ok(Visit::Continue(()));
            }
            None
        }
        _ => Some(range),
    };
    match direction {
        Direction::Ascending => visit_block(block, bounds, |key| visitor.visit(key)),
        Direction::Descending => {
            let mut list = KeyList::default();
            visit_block(block, bounds, |key| {
                list.push(key);
                Ok(Visit::Continue(()))
            })
            .map(drop)?;
            for key in list.keys().rev() {
                if visitor.visit(key)?.is_break() {
                    return Ok(Visit::Break(()));
                }
            }
            Ok(Visit::Continue(()))
        }
    }
}

/// Calls `visit` with the keys of a block that are in `bounds`, or with all keys for `None`.
fn visit_block(
    block: &[u8],
    bounds: Option<&KeyRange>,
    mut visit: impl FnMut(&[u8]) -> Result<Visit>,
) -> Result<Visit> {
    let mut keys = BlockKeys::of(block)?;
    while let Some(key) = keys.next()? {
        if let Some(range) = bounds {
            if key >= range.to.as_slice() {
                return Ok(Visit::Break(()));
            }
            if key < range.from.as_slice() {
                continue;
            }
        }
        if visit(key)?.is_break() {
            return Ok(Visit::Break(()));
        }
    }
    Ok(Visit::Continue(()))
}

type Block<'t> = (AccessGuard<'t, Bytes>, AccessGuard<'t, Bytes>);

/// Returns the block that `key` would belong to, or `None` if it sorts before all blocks.
fn block_of<'t>(
    table: &'t impl ReadableTable<Bytes, Bytes>,
    key: &[u8],
) -> Result<Option<Block<'t>>> {
    table
        .range::<&[u8]>(..=key)
        .map_err(redb_error)?
        .next_back()
        .transpose()
        .map_err(redb_error)
}

/// Maximum number of groups that are collected before any of them goes to the table, which cannot
/// be modified while it is iterated.
const GROUPS_MAX: usize = 64;
/// Number of unchanged blocks that the iteration reads past to reach the next changed block. After
/// more, the changed block is looked up instead.
const SKIPPED_MAX: usize = 4;

/// Inserts and removes keys.
pub(crate) fn write(
    table: &mut Table<'_, Bytes, Bytes>,
    changes: &OrdMap<Key, bool>,
) -> Result<()> {
    let mut changes = changes
        .iter()
        .map(|(key, present)| (&**key, *present))
        .peekable();
    while let Some((first, _)) = changes.peek().copied() {
        for group in collect_groups(table, first, &mut changes)? {
            group.write(table)?;
        }
    }
    Ok(())
}

/// Blocks that are replaced together: a changed block and, while the result is small, the blocks
/// after it.
#[derive(Default)]
struct RewriteGroup {
    /// Table keys of the replaced blocks.
    stored: Vec<Vec<u8>>,
    begin: Vec<u8>,
    builder: BlockBuilder,
    /// True if all inserted keys sort after the stored keys of the last replaced block.
    appended: bool,
}

/// Merges the next changes into their blocks, starting with the block that `first` belongs to, and
/// returns the groups to write.
fn collect_groups<'c>(
    table: &Table<'_, Bytes, Bytes>,
    first: &[u8],
    changes: &mut Peekable<impl Iterator<Item = (&'c [u8], bool)>>,
) -> Result<Vec<RewriteGroup>> {
    let Some(tag) = first.first().copied() else {
        return Err(Error::corrupted(
            "the store is corrupted: a sort key is empty",
        ));
    };
    let tag_range = KeyRange::prefix(&[tag]);
    let first_block = block_of(table, first)?;
    let start = first_block
        .as_ref()
        .map(|(begin, _)| begin.value())
        .filter(|begin| begin.first() == Some(&tag));
    let mut blocks = table
        .range::<&[u8]>(start.unwrap_or(&tag_range.from)..tag_range.to.as_slice())
        .map_err(redb_error)?;
    let mut next = blocks.next().transpose().map_err(redb_error)?;
    let (mut groups, mut skipped) = (Vec::new(), 0);
    let mut group = None;
    if start.is_none() {
        // `first` sorts before all blocks of its tag.
        let end = next.as_ref().map(|(begin, _)| begin.value());
        let mut new = RewriteGroup {
            begin: vec![tag],
            ..RewriteGroup::default()
        };
        new.merge(&[], tag, end, changes)?;
        group = Some(new);
    }
    loop {
        let has_more = next.is_some();
        if let Some(full) =
            group.take_if(|group| !has_more || group.builder.encoded_len() >= BLOCK_BYTES_MIN)
        {
            groups.push(full);
        }
        let Some((begin, block)) = next else { break };
        next = blocks.next().transpose().map_err(redb_error)?;
        let end = next.as_ref().map(|(begin, _)| begin.value());
        let is_changed = changes
            .peek()
            .is_some_and(|(key, _)| is_before(key, tag, end));
        let is_pending = group.is_some();
        if !is_pending && (groups.len() >= GROUPS_MAX || skipped > SKIPPED_MAX) {
            break;
        }
        if !is_pending && !is_changed {
            skipped += 1;
            continue;
        }
        skipped = 0;
        let group = group.get_or_insert_with(|| RewriteGroup {
            begin: begin.value().to_vec(),
            ..RewriteGroup::default()
        });
        group.stored.push(begin.value().to_vec());
        group.merge(block.value(), tag, end, changes)?;
    }
    Ok(groups)
}

fn is_before(key: &[u8], tag: u8, end: Option<&[u8]>) -> bool {
    key.first() == Some(&tag) && end.is_none_or(|end| key < end)
}

impl RewriteGroup {
    /// Adds the keys of a block, merged with the changes of its tag before `end`.
    fn merge<'c>(
        &mut self,
        block: &[u8],
        tag: u8,
        end: Option<&[u8]>,
        changes: &mut Peekable<impl Iterator<Item = (&'c [u8], bool)>>,
    ) -> Result<()> {
        self.appended = true;
        if !block.is_empty() {
            let mut keys = BlockKeys::of(block)?;
            while let Some(key) = keys.next()? {
                let mut stays = true;
                while let Some((changed, present)) = changes.next_if(|(changed, _)| *changed <= key)
                {
                    if changed == key {
                        stays = present;
                    } else if present {
                        self.builder.push(changed);
                        self.appended = false;
                    }
                }
                if stays {
                    self.builder.push(key);
                }
            }
        }
        while let Some((changed, present)) = changes.next_if(|(key, _)| is_before(key, tag, end)) {
            if present {
                self.builder.push(changed);
            }
        }
        Ok(())
    }

    fn write(&self, table: &mut Table<'_, Bytes, Bytes>) -> Result<()> {
        let encoded_len = self.builder.encoded_len();
        // Appended keys leave full blocks behind. Other blocks are split evenly, with room for more
        // keys.
        let target = if encoded_len <= BLOCK_BYTES_MAX {
            usize::MAX
        } else if self.appended {
            BLOCK_BYTES_MAX - 100
        } else {
            encoded_len / encoded_len.div_ceil(BLOCK_BYTES_MAX * 3 / 4).max(2)
        };
        let is_kept = |begin: &Vec<u8>| *begin == self.begin && !self.builder.is_empty();
        for begin in self.stored.iter().filter(|begin| !is_kept(begin)) {
            table.remove(begin.as_slice()).map_err(redb_error)?;
        }
        if self.builder.is_empty() {
            return Ok(());
        }
        for (index, (begin, block)) in self
            .builder
            .blocks(target, BLOCK_BYTES_MAX)
            .into_iter()
            .enumerate()
        {
            let begin = if index == 0 { &self.begin } else { &begin };
            table
                .insert(begin.as_slice(), block.as_slice())
                .map_err(redb_error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use redb::{ReadableDatabase, backends::InMemoryBackend};

    use super::*;
    use crate::storage::tables::block::count;
    use crate::storage::tables::tree::Tree;

    /// Skips the first `left` keys, in blocks if possible, and collects the remaining keys.
    struct TakenBlock {
        left: u64,
        skipped: u64,
        keys: Vec<Vec<u8>>,
    }

    impl KeyVisitor for TakenBlock {
        fn skip_block(&mut self, _from: &[u8], _to: &[u8], block: &[u8]) -> Result<bool> {
            let count = count(block)?;
            let skips = count <= self.left;
            if skips {
                self.left -= count;
                self.skipped += 1;
            }
            Ok(skips)
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
        // Short keys that collide often, long keys that fill blocks, and keys that are longer than
        // a block.
        prop_oneof![
            8 => proptest::collection::vec(0_u8..3, 1..6),
            4 => (0_u16..300).prop_map(|n| [b"long".as_slice(), &n.to_be_bytes(), &[7; 300]].concat()),
            1 => (0_u8..9).prop_map(|n| vec![n; 9_000]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn key_blocks_behave_like_a_sorted_set(
            commits in proptest::collection::vec(proptest::collection::vec((key(), any::<bool>()), 1..80), 1..8),
            from in key(), to in key(), skip in 0_u64..100,
        ) {
            let db = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
            let mut model = BTreeSet::new();
            for commit in commits {
                let changes: OrdMap<Key, bool> = commit.into_iter().map(|(key, present)| (Key::from(key.as_slice()), present)).collect();
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
                    let keys = count(block).unwrap();
                    prop_assert!(block.len() <= BLOCK_BYTES_MAX || keys == 1, "{} keys in {} bytes", keys, block.len());
                    prop_assert!(keys > 0 && !begin.is_empty());
                }
                for range in [KeyRange { from: from.clone(), to: to.clone() }, KeyRange { from: vec![], to: vec![0xff] }] {
                    let mut expected: Vec<Vec<u8>> = model.range(range.from.clone()..range.to.clone().max(range.from.clone())).cloned().collect();
                    for direction in [Direction::Ascending, Direction::Descending] {
                        let mut visitor = TakenBlock { left: skip, skipped: 0, keys: Vec::new() };
                        scan(&table, &range, direction, &mut visitor).unwrap();
                        prop_assert_eq!(&visitor.keys, &expected[expected.len().min(skip as usize)..]);
                        expected.reverse();
                    }
                }
            }
        }
    }

    #[test]
    fn appended_keys_fill_blocks_and_small_blocks_are_merged() {
        let db = redb::Builder::new()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        let transaction = db.begin_write().unwrap();
        let mut table = transaction.open_table(Tree::Keys.definition()).unwrap();
        let key = |n: u32| Key::from([b"time".as_slice(), &n.to_be_bytes()].concat().as_slice());
        for commit in 0..100 {
            write(
                &mut table,
                &(commit * 100..commit * 100 + 100)
                    .map(|n| (key(n), true))
                    .collect(),
            )
            .unwrap();
        }
        let sizes = |table: &Table<'_, Bytes, Bytes>| -> Vec<usize> {
            table
                .iter()
                .unwrap()
                .map(|entry| entry.unwrap().1.value().len())
                .collect()
        };
        let full = sizes(&table);
        assert!(
            full[..full.len() - 1]
                .iter()
                .all(|size| *size > BLOCK_BYTES_MAX * 9 / 10),
            "{full:?}"
        );
        for commit in 0..100 {
            write(
                &mut table,
                &(0..90).map(|n| (key(n * 111 + commit), false)).collect(),
            )
            .unwrap();
        }
        let joined = sizes(&table);
        assert!(joined.len() <= full.len() / 2, "{full:?}, then {joined:?}");
        let mut visitor = TakenBlock {
            left: 900,
            skipped: 0,
            keys: Vec::new(),
        };
        scan(
            &table,
            &KeyRange {
                from: vec![],
                to: vec![0xff],
            },
            Direction::Ascending,
            &mut visitor,
        )
        .unwrap();
        assert_eq!(visitor.keys.len(), 1_000 - 900);
        assert!(visitor.skipped > 0);
    }

    #[test]
    fn inserts_in_the_middle_split_a_block_with_room_for_more() {
        let db = redb::Builder::new()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        let transaction = db.begin_write().unwrap();
        let mut table = transaction.open_table(Tree::Keys.definition()).unwrap();
        // Each key takes about 20 bytes in a block.
        let key = |n: u32| {
            Key::from(
                [&n.to_be_bytes(), [b'x'; 16].as_slice()]
                    .concat()
                    .as_slice(),
            )
        };
        let sizes = |table: &Table<'_, Bytes, Bytes>| -> Vec<usize> {
            table
                .iter()
                .unwrap()
                .map(|entry| entry.unwrap().1.value().len())
                .collect()
        };
        write(
            &mut table,
            &(0..190).map(|n| (key(n * 1_000), true)).collect(),
        )
        .unwrap();
        assert_eq!(sizes(&table).len(), 1);
        write(
            &mut table,
            &(10..20).map(|n| (key(n * 1_000 + 1), true)).collect(),
        )
        .unwrap();
        let halves = sizes(&table);
        assert!(
            halves
                .iter()
                .all(|size| (BLOCK_BYTES_MAX * 4 / 10..BLOCK_BYTES_MAX * 6 / 10).contains(size)),
            "{halves:?}"
        );
        write(
            &mut table,
            &(0..300).map(|n| (key(n * 10 + 2), true)).collect(),
        )
        .unwrap();
        let more = sizes(&table);
        assert_eq!(more.len(), 4, "{more:?}");
        assert!(
            more.iter()
                .all(|size| (BLOCK_BYTES_MAX * 4 / 10..BLOCK_BYTES_MAX * 8 / 10).contains(size)),
            "{more:?}"
        );
    }
}
