//! Reads a range of keys from the tables and the overlay, merged into one sequence.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound;

use imbl::OrdMap;

use crate::error::Result;
use crate::row::{Direction, Lookup};
use crate::storage::key::{KeyRange, split_row};
use crate::storage::shared_key::SharedKey as Key;
use crate::storage::tables::block;
use crate::storage::tables::key_blocks::KeyVisitor;
use crate::storage::tables::read::ReadTables;
use crate::storage::tables::scan::Visit;
use crate::storage::tables::scan::Visitor;

/// A value with its source.
pub(crate) enum MergedValue<'a, V> {
    /// From the tables.
    Stored(&'a [u8]),
    /// From the overlay.
    Changed(&'a V),
}

/// Calls `visit` with the entries that `scan` reads from the tables, merged in order with those of
/// `changed` in the same range. A changed entry hides the stored one with the same key.
pub(crate) fn merged<V>(
    changed: &OrdMap<Key, V>,
    range: &KeyRange,
    direction: Direction,
    scan: impl FnOnce(&mut Visitor<'_>) -> Result<()>,
    mut visit: impl FnMut(&[u8], MergedValue<'_, V>) -> Result<Visit>,
) -> Result<()> {
    if changed.is_empty() {
        return scan(&mut |key, value| visit(key, MergedValue::Stored(value)));
    }
    let mut changed = range_of(changed, range, direction).peekable();
    let mut stopped = false;
    scan(&mut |key, value| {
        while let Some((next, changed_value)) = changed.peek() {
            let order = match direction {
                Direction::Ascending => (***next).cmp(key),
                Direction::Descending => key.cmp(next),
            };
            if order == Ordering::Greater {
                break;
            }
            let visited = visit(next, MergedValue::Changed(changed_value))?;
            changed.next();
            if visited.is_break() || order == Ordering::Equal {
                stopped = visited.is_break();
                return Ok(visited);
            }
        }
        let visited = visit(key, MergedValue::Stored(value))?;
        stopped = visited.is_break();
        Ok(visited)
    })?;
    if !stopped {
        for (key, value) in changed {
            if visit(key, MergedValue::Changed(value))?.is_break() {
                break;
            }
        }
    }
    Ok(())
}

/// The index keys that a scan visits.
pub(crate) struct KeyScan<'s> {
    pub(crate) range: &'s KeyRange,
    pub(crate) direction: Direction,
    /// Restricts the scan to the keys of these rows. `None` selects all rows.
    pub(crate) among: Option<&'s Lookup>,
    /// Number of selected keys to skip first, which costs less than visiting them.
    pub(crate) skip: u64,
}

/// Calls `visit` with the index keys that `scan` selects. `scan` selects from the keys of the
/// tables after the changes in `changed` have been applied to them.
pub(crate) fn merged_keys(
    changed: &OrdMap<Key, bool>,
    tables: &dyn ReadTables,
    scan: &KeyScan<'_>,
    visit: impl FnMut(&[u8]) -> Result<Visit>,
) -> Result<()> {
    let &KeyScan {
        range,
        direction,
        among,
        skip,
    } = scan;
    let changed = range_of(changed, range, direction).peekable();
    let mut merge = KeyMerge {
        changed,
        direction,
        among,
        skip,
        visit,
        stopped: false,
    };
    tables.scan_keys(range, direction, &mut merge)?;
    while !merge.stopped
        && let Some((key, present)) = merge.changed.next()
    {
        if *present && merge.emit(key)?.is_break() {
            break;
        }
    }
    Ok(())
}

struct KeyMerge<'m, I: Iterator<Item = (&'m Key, &'m bool)>, F> {
    changed: Peekable<I>,
    direction: Direction,
    among: Option<&'m Lookup>,
    /// Number of keys still to be skipped.
    skip: u64,
    visit: F,
    stopped: bool,
}

impl<'m, I: Iterator<Item = (&'m Key, &'m bool)>, F: FnMut(&[u8]) -> Result<Visit>>
    KeyMerge<'m, I, F>
{
    fn emit(&mut self, key: &[u8]) -> Result<Visit> {
        if let Some(among) = self.among
            && !among.contains(split_row(key)?.1)
        {
            return Ok(Visit::Continue(()));
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(Visit::Continue(()));
        }
        let visited = (self.visit)(key)?;
        self.stopped = visited.is_break();
        Ok(visited)
    }
}

impl<'m, I: Iterator<Item = (&'m Key, &'m bool)>, F: FnMut(&[u8]) -> Result<Visit>> KeyVisitor
    for KeyMerge<'m, I, F>
{
    fn skip_block(&mut self, from: &[u8], to: &[u8], block: &[u8]) -> Result<bool> {
        // The block can be skipped by its count only if no unvisited change lies in the block, or
        // before it in scan order.
        let unchanged = self
            .changed
            .peek()
            .is_none_or(|(key, _)| match self.direction {
                Direction::Ascending => &***key >= to,
                Direction::Descending => &***key < from,
            });
        if !unchanged || (self.skip == 0 && self.among.is_none()) {
            return Ok(false);
        }
        let count = match self.among {
            Some(among) => block::count_rows(block, among)?,
            None => block::count(block)?,
        };
        let skips = count <= self.skip;
        if skips {
            self.skip -= count;
        }
        Ok(skips)
    }

    fn visit(&mut self, key: &[u8]) -> Result<Visit> {
        while let Some((changed, present)) =
            self.changed.next_if(|(next, _)| match self.direction {
                Direction::Ascending => &***next <= key,
                Direction::Descending => &***next >= key,
            })
        {
            let visited = if *present {
                self.emit(changed)?
            } else {
                Visit::Continue(())
            };
            if visited.is_break() || **changed == *key {
                return Ok(visited);
            }
        }
        self.emit(key)
    }
}

/// Returns the entries of `map` in a range, in the given direction.
pub(crate) fn range_of<'m, V>(
    map: &'m OrdMap<Key, V>,
    range: &KeyRange,
    direction: Direction,
) -> impl Iterator<Item = (&'m Key, &'m V)> + use<'m, V> {
    // imbl accepts an empty range, but not a reversed one.
    let to = range.to.as_slice().max(&range.from);
    let mut entries =
        map.range::<_, [u8]>((Bound::Included(range.from.as_slice()), Bound::Excluded(to)));
    std::iter::from_fn(move || match direction {
        Direction::Ascending => entries.next(),
        Direction::Descending => entries.next_back(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::row::{Row, RowSet};
    use crate::storage::tables::block::BlockBuilder;
    use crate::storage::tables::tree::Tree;

    /// Generates keys that consist of a short text and a row.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let row = prop_oneof![0_u32..4, 254_u32..260, 510_u32..514];
        (vec(0_u8..4, 0..3), row)
            .prop_map(|(text, row)| [text.as_slice(), &row.to_be_bytes()].concat())
    }

    /// Sorted keys in blocks of three.
    struct Blocks(Vec<Vec<u8>>);

    impl ReadTables for Blocks {
        fn get(&self, _: Tree, _: &[u8], _: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
            Ok(())
        }

        fn scan_keys(
            &self,
            range: &KeyRange,
            direction: Direction,
            visitor: &mut dyn KeyVisitor,
        ) -> Result<()> {
            let mut blocks: Vec<&[Vec<u8>]> = self.0.chunks(3).collect();
            if direction == Direction::Descending {
                blocks.reverse();
            }
            for block in blocks {
                let (first, last) = (
                    block[0].clone(),
                    [block[block.len() - 1].as_slice(), &[0]].concat(),
                );
                let mut builder = BlockBuilder::default();
                block.iter().for_each(|key| builder.push(key));
                let encoded = &builder.blocks(usize::MAX, usize::MAX)[0].1;
                let is_inside = first >= range.from && last <= range.to;
                if is_inside && visitor.skip_block(&first, &last, encoded)? {
                    continue;
                }
                let mut keys: Vec<_> = block
                    .iter()
                    .filter(|key| **key >= range.from && **key < range.to)
                    .collect();
                if direction == Direction::Descending {
                    keys.reverse();
                }
                for key in keys {
                    if visitor.visit(key)?.is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        }

        fn scan(&self, _: Tree, _: &KeyRange, _: Direction, _: &mut Visitor<'_>) -> Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn tables_and_overlay_merge_into_one_sorted_set(
            stored in btree_set(key(), 0..40),
            changes in btree_map(key(), any::<bool>(), 0..20),
            from in vec(0_u8..4, 0..3), to in vec(0_u8..4, 0..3),
            among in option::of(btree_set(0_u32..600, 0..600)),
            skip in 0_u64..20, limit in 1_usize..30,
        ) {
            let mut expected: BTreeSet<Vec<u8>> = stored.clone();
            for (key, present) in &changes {
                if *present { expected.insert(key.clone()); } else { expected.remove(key); }
            }
            let range = KeyRange { from: from.clone(), to: to.clone() };
            let mut expected: Vec<_> = expected.into_iter().filter(|key| *key >= from && *key < to).collect();
            let changed: OrdMap<Key, bool> = changes.iter().map(|(key, present)| (Key::from(key.as_slice()), *present)).collect();
            let values: OrdMap<Key, Option<u8>> = changed.iter().map(|(key, present)| (key.clone(), present.then_some(1))).collect();
            let tables = Blocks(stored.into_iter().collect());
            let lookup = among.map(|rows| rows.into_iter().map(Row).collect::<RowSet>().lookup(0));
            let is_selected = |key: &Vec<u8>| lookup.as_ref().is_none_or(|rows| rows.contains(split_row(key).unwrap().1));
            for direction in [Direction::Ascending, Direction::Descending] {
                let mut seen = Vec::new();
                let scan = KeyScan { range: &range, direction, among: lookup.as_ref(), skip };
                merged_keys(&changed, &tables, &scan, |key| {
                    seen.push(key.to_vec());
                    Ok(if seen.len() == limit { Visit::Break(()) } else { Visit::Continue(()) })
                }).unwrap();
                let selected = expected.iter().filter(|key| is_selected(key));
                let page: Vec<_> = selected.skip(skip as usize).take(limit).cloned().collect();
                prop_assert_eq!(&seen, &page);

                let mut seen = BTreeMap::new();
                let mut order = Vec::new();
                let scan = |visit: &mut Visitor<'_>| {
                    let mut keys: Vec<_> = tables.0.iter().filter(|key| **key >= range.from && **key < range.to).collect();
                    if direction == Direction::Descending {
                        keys.reverse();
                    }
                    for key in keys {
                        if visit(key, &[])?.is_break() {
                            break;
                        }
                    }
                    Ok(())
                };
                merged(&values, &range, direction, scan, |key, found| {
                    if !matches!(found, MergedValue::Changed(None)) {
                        order.push(key.to_vec());
                        seen.insert(key.to_vec(), matches!(found, MergedValue::Changed(_)));
                    }
                    Ok(if order.len() == limit { Visit::Break(()) } else { Visit::Continue(()) })
                }).unwrap();
                prop_assert_eq!(&order, &expected[..expected.len().min(limit)]);
                prop_assert!(seen.iter().all(|(key, is_changed)| *is_changed == changes.contains_key(key)));
                expected.reverse();
            }
        }
    }
}
