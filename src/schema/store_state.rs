//! A state of the store together with the catalogue that gives its keys their meaning.

use std::ops::Deref;
use std::sync::Arc;

use crate::error::Result;
use crate::lead::LeadId;
use crate::row::{Direction, Row, RowBits, RowSet};
use crate::schema::catalogue::Catalogue;
use crate::schema::field::{BitmapField, SortIndex};
use crate::schema::keys::{self, BitmapId, Collection};
use crate::storage::key::KeyRange;
use crate::storage::{ReadView, StateRef, Visit};

/// A committed state and its catalogue. Clones share both.
#[derive(Clone)]
pub(crate) struct CommittedState {
    read: Arc<ReadView>,
    catalogue: Arc<Catalogue>,
}

/// A borrowed state: a committed one, or the state within a transaction. Bitmaps and sort indexes
/// are read from one collection, the live leads unless [`in_trash`](Self::in_trash) is called. It
/// derefs to [`StateRef`], which reads by encoded keys and knows no fields.
#[derive(Clone, Copy)]
pub(crate) struct StoreState<'a> {
    stored: StateRef<'a>,
    pub(crate) catalogue: &'a Catalogue,
    collection: Collection,
}

impl CommittedState {
    pub(crate) fn new(read: ReadView, catalogue: Arc<Catalogue>) -> Self {
        Self {
            read: Arc::new(read),
            catalogue,
        }
    }

    /// Returns the state that `read` shows, with the same catalogue.
    pub(crate) fn with(&self, read: ReadView) -> Self {
        Self::new(read, Arc::clone(&self.catalogue))
    }

    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    pub(crate) fn state(&self) -> StoreState<'_> {
        StoreState::new(self.read.state(), &self.catalogue)
    }
}

impl<'a> Deref for StoreState<'a> {
    type Target = StateRef<'a>;

    fn deref(&self) -> &StateRef<'a> {
        &self.stored
    }
}

impl<'a> StoreState<'a> {
    pub(crate) fn new(stored: StateRef<'a>, catalogue: &'a Catalogue) -> Self {
        Self {
            stored,
            catalogue,
            collection: Collection::Live,
        }
    }

    /// Returns the same state, of which bitmaps and sort indexes are read from the trash.
    pub(crate) fn in_trash(self) -> Self {
        Self {
            collection: Collection::Trash,
            ..self
        }
    }

    pub(crate) fn row_by_id(self, id: LeadId) -> Result<Option<Row>> {
        self.row_by_key(&keys::id(id))
    }

    pub(crate) fn row_by_external_id(self, external_id: &str) -> Result<Option<Row>> {
        self.row_by_key(&keys::external_id(external_id))
    }

    /// Returns the rows of one bitmap.
    pub(crate) fn rows(self, bitmap: &BitmapId<'_>) -> Result<RowSet> {
        self.bitmap(&bitmap.key(self.collection))
    }

    /// Returns the range of all index keys of a sort index.
    pub(crate) fn sort_range(self, index: SortIndex) -> KeyRange {
        keys::sort_range(self.collection, index)
    }

    /// Returns the range of the keys in a sort index whose values are in `from..to`. If `from` or
    /// `to` is `None`, the range has no bound on that side.
    pub(crate) fn sort_range_between(
        self,
        index: SortIndex,
        from: Option<[u8; 8]>,
        to: Option<[u8; 8]>,
    ) -> KeyRange {
        keys::sort_range_between(self.collection, index, from, to)
    }

    /// Returns an upper bound of the number of keys in a sort index.
    pub(crate) fn keys_max(self) -> Result<u64> {
        match self.collection {
            Collection::Live => Ok(u64::from(self.meta.next_row)),
            Collection::Trash => Ok(self.rows(&BitmapId::All)?.len()),
        }
    }

    /// Calls `visit` with the bitmap key and the rows of each value of a field, in ascending or
    /// descending order of the values, until `visit` returns `Break`. Leads without a value are
    /// left out.
    pub(crate) fn each_value(
        self,
        field: BitmapField,
        direction: Direction,
        visit: impl FnMut(&[u8], RowSet) -> Result<Visit>,
    ) -> Result<()> {
        self.each_bitmap(&keys::value_range(self.collection, field), direction, visit)
    }

    /// Calls `visit` with the bitmap key of each value of a field and the number of leads with that
    /// value, in the order of the values. The leads without a value come last. If `among` is given,
    /// only the leads in it are counted. Values that no lead has are left out.
    pub(crate) fn count_values(
        self,
        field: BitmapField,
        among: Option<&RowBits>,
        visit: impl FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<()> {
        self.count_bitmaps(&keys::bitmap_range(self.collection, field), among, visit)
    }
}
