//! Reading a range of keys from the tables and from what hides them, as one.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound;

use imbl::OrdMap;

use super::key::KeyRange;
use super::key_blocks::KeyVisitor;
use super::reader::{Visit, Visitor};
use super::shared_key::SharedKey as Key;
use super::tables::ReadTables;
use crate::Result;
use crate::row::Direction;

/// Where a value was found.
pub(super) enum Found<'a, V> {
    /// In the tables.
    Stored(&'a [u8]),
    /// In the overlay.
    Changed(&'a V),
}

/// Shows `visit` what `scan` finds in the tables and what `changed` has in the same range, in order; where both have a
/// key, only what has changed.
pub(super) fn merged<V>(
    changed: &OrdMap<Key, V>,
    range: &KeyRange,
    direction: Direction,
    scan: impl FnOnce(&mut Visitor<'_>) -> Result<()>,
    mut visit: impl FnMut(&[u8], Found<'_, V>) -> Result<Visit>,
) -> Result<()> {
    if changed.is_empty() {
        return scan(&mut |key, value| visit(key, Found::Stored(value)));
    }
    let mut changed = within(changed, range, direction).peekable();
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
            let visited = visit(next, Found::Changed(changed_value))?;
            changed.next();
            if visited.is_break() || order == Ordering::Equal {
                stopped = visited.is_break();
                return Ok(visited);
            }
        }
        let visited = visit(key, Found::Stored(value))?;
        stopped = visited.is_break();
        Ok(visited)
    })?;
    if !stopped {
        for (key, value) in changed {
            if visit(key, Found::Changed(value))?.is_break() {
                break;
            }
        }
    }
    Ok(())
}

/// Shows `visit` the sorted keys of a range that `tables` and `changed` make together, after the first `skip`.
pub(super) fn merged_keys(
    changed: &OrdMap<Key, bool>,
    tables: &dyn ReadTables,
    range: &KeyRange,
    direction: Direction,
    skip: u64,
    visit: impl FnMut(&[u8]) -> Result<Visit>,
) -> Result<()> {
    let changed = within(changed, range, direction).peekable();
    let mut merge = KeyMerge { changed, direction, skip, visit, stopped: false };
    tables.scan_keys(range, direction, &mut merge)?;
    while !merge.stopped
        && let Some((key, present)) = merge.changed.next()
    {
        if *present && merge.show(key)?.is_break() {
            break;
        }
    }
    Ok(())
}

struct KeyMerge<'m, I: Iterator<Item = (&'m Key, &'m bool)>, F> {
    changed: Peekable<I>,
    direction: Direction,
    /// How many keys are still to be passed over.
    skip: u64,
    visit: F,
    stopped: bool,
}

impl<'m, I: Iterator<Item = (&'m Key, &'m bool)>, F: FnMut(&[u8]) -> Result<Visit>> KeyMerge<'m, I, F> {
    fn show(&mut self, key: &[u8]) -> Result<Visit> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(Visit::Continue(()));
        }
        let visited = (self.visit)(key)?;
        self.stopped = visited.is_break();
        Ok(visited)
    }
}

impl<'m, I: Iterator<Item = (&'m Key, &'m bool)>, F: FnMut(&[u8]) -> Result<Visit>> KeyVisitor for KeyMerge<'m, I, F> {
    fn pass(&mut self, from: &[u8], to: &[u8], count: u64) -> bool {
        // With a change in the block, or one before it that has not been shown, the count is not what it says.
        let unchanged = self.changed.peek().is_none_or(|(key, _)| match self.direction {
            Direction::Ascending => &***key >= to,
            Direction::Descending => &***key < from,
        });
        let passes = unchanged && count <= self.skip;
        if passes {
            self.skip -= count;
        }
        passes
    }

    fn visit(&mut self, key: &[u8]) -> Result<Visit> {
        while let Some((changed, present)) = self.changed.next_if(|(next, _)| match self.direction {
            Direction::Ascending => &***next <= key,
            Direction::Descending => &***next >= key,
        }) {
            let shown = if *present { self.show(changed)? } else { Visit::Continue(()) };
            if shown.is_break() || **changed == *key {
                return Ok(shown);
            }
        }
        self.show(key)
    }
}

/// What of a map lies in a range.
pub(super) fn within<'m, V>(
    map: &'m OrdMap<Key, V>,
    range: &KeyRange,
    direction: Direction,
) -> impl Iterator<Item = (&'m Key, &'m V)> + use<'m, V> {
    // An empty range is one to imbl, a reversed one is not.
    let to = range.to.as_slice().max(&range.from);
    let mut entries = map.range::<_, [u8]>((Bound::Included(range.from.as_slice()), Bound::Excluded(to)));
    std::iter::from_fn(move || match direction {
        Direction::Ascending => entries.next(),
        Direction::Descending => entries.next_back(),
    })
}
