//! The table of index keys. It stores the keys in key blocks, which take less space than one entry
//! per key and let scans skip entire blocks by their counts.
//!
//! The table key of a block is a lower bound: it is at most the block's first key, and above all
//! keys of the blocks before it. The first byte of a key is its tag. Keys with different tags never
//! share a block. If the keys of a tag are only appended, like those of creation times, its blocks
//! therefore become full. A block fits in a page of redb, unless its only key is longer than that.

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

/// Maximum size of a block, in bytes. A page of redb is 4,096 bytes and also holds the end offsets
/// of its keys and values.
const BLOCK_BYTES_MAX: usize = 3_950;
/// Size in bytes below which a changed block is merged with the next one.
const BLOCK_BYTES_MIN: usize = BLOCK_BYTES_MAX / 4;

/// A visitor that receives the keys of a scan.
pub(crate) trait KeyVisitor {
    /// Returns true if a block can be skipped without visiting its keys. The block contains all
    /// stored keys in `from..to`.
    fn skip_block(&mut self, from: &[u8], to: &[u8], block: &[u8]) -> Result<bool>;

    fn visit(&mut self, key: &[u8]) -> Result<Visit>;
}

/// Calls `visitor` with the keys of a range, except those of blocks that it skips, until it returns
/// `Break`.
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

/// Visits the keys of a block that are in `range`, unless `visitor` skips the block. The tuple
/// consists of the block's table key, the table key of the next block in the range, if any, and the
/// block.
fn scan_block(
    range: &KeyRange,
    direction: Direction,
    (begin, end, block): (&[u8], Option<&[u8]>, &[u8]),
    visitor: &mut dyn KeyVisitor,
) -> Result<Visit> {
    // Only the first and the last block of a range can have keys outside the range.
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

/// Calls `visit` with the keys of a block that are in `bounds`, or with all keys if `bounds` is
/// `None`, until `visit` returns `Break`.
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

/// Returns the block that `key` would belong to, or `None` if `key` sorts before all blocks.
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

/// Maximum number of groups that are collected before they are written. Groups are collected first
/// because the table cannot be modified during the iteration.
const GROUPS_MAX: usize = 64;
/// Maximum number of unchanged blocks that the iteration passes on the way to the next changed
/// block. If there are more, it stops, and the changed block is looked up.
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
        // The block that was found does not end after `first`, although none before it does.
        if changes.peek().is_some_and(|(next, _)| *next == first) {
            return Err(Error::corrupted(
                "leads.redb is corrupted: the blocks of index keys are not in order",
            ));
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
    /// True if no key was inserted before a stored key of the last replaced block.
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
            "the store is corrupted: an index key is empty",
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
    // Set if `first` sorts before all blocks of its tag.
    let mut group = match start {
        Some(_) => None,
        None => {
            let end = next.as_ref().map(|(begin, _)| begin.value());
            let mut new = RewriteGroup::starting_at(&[tag]);
            new.merge(&[], tag, end, changes)?;
            Some(new)
        }
    };
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
        let group = group.get_or_insert_with(|| RewriteGroup::starting_at(begin.value()));
        group.stored.push(begin.value().to_vec());
        group.merge(block.value(), tag, end, changes)?;
    }
    Ok(groups)
}

fn is_before(key: &[u8], tag: u8, end: Option<&[u8]>) -> bool {
    key.first() == Some(&tag) && end.is_none_or(|end| key < end)
}

impl RewriteGroup {
    fn starting_at(begin: &[u8]) -> Self {
        Self {
            begin: begin.to_vec(),
            ..Self::default()
        }
    }

    /// Adds the keys of a block, merged with the changes to keys that have the block's tag and sort
    /// before `end`.
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
        // If keys were only appended, the blocks are filled. Otherwise the keys are split evenly
        // into blocks with room for more.
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
mod tests;
