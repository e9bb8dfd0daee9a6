//! Reading a range of keys from the tables and from what hides them, as one.

use std::cmp::Ordering;
use std::ops::Bound;

use imbl::OrdMap;

use super::key::KeyRange;
use super::overlay::Key;
use super::reader::{Visit, Visitor};
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
