//! A snapshot: one state of the store, held for as long as the caller needs it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::lead::Lead;
use crate::query::{self, Filter};
use crate::row::{Row, RowSet};
use crate::schema::StoreState;
use crate::search::{SearchQuery, SearchView};
use crate::store::engine::Engine;
use crate::store::engine::view::StoreView;

/// A snapshot of the store. It has the same reads as [`LeadStore`](super::LeadStore). Later writes
/// are not visible in it, so paging through it neither skips nor repeats a lead.
///
/// A lead in the trash counts as expired if it had expired when the snapshot was taken.
/// Space freed by newer writes cannot be reused while the snapshot is held. Once the store is
/// closed, reopened or repaired, the snapshot's reads return [`Closed`](ErrorKind::Closed).
#[derive(Clone)]
pub struct Snapshot {
    held: Arc<HeldView>,
}

/// A view that is counted as a snapshot.
struct HeldView {
    engine: Arc<Engine>,
    view: Arc<StoreView>,
    now: DateTime<Utc>,
}

impl Drop for HeldView {
    fn drop(&mut self) {
        self.engine.snapshot_dropped();
    }
}

impl Snapshot {
    pub(crate) fn new(engine: Arc<Engine>) -> Result<Self> {
        let now = engine.now();
        // The snapshot is counted before it takes the view. Otherwise a compaction could find no
        // snapshots although this one already holds a view.
        engine.snapshot_taken();
        let view = match engine.view() {
            Ok(view) => view,
            Err(error) => {
                engine.snapshot_dropped();
                return Err(error);
            }
        };
        Ok(Self {
            held: Arc::new(HeldView { engine, view, now }),
        })
    }

    pub(crate) fn now(&self) -> Result<DateTime<Utc>> {
        Ok(self.held.now)
    }

    /// Runs a read on the state, unless the store was closed.
    pub(crate) fn read<T>(&self, read: impl FnOnce(StoreState<'_>) -> Result<T>) -> Result<T> {
        self.read_view(|view| read(view.state()))
    }

    fn read_view<T>(&self, read: impl FnOnce(&StoreView) -> Result<T>) -> Result<T> {
        if self.held.engine.is_closed() {
            Err(Error::closed())
        } else {
            self.held.engine.guarded(|| read(&self.held.view))
        }
    }

    pub(crate) fn search_with<T>(
        &self,
        query: &SearchQuery,
        answer: fn(StoreState<'_>, &SearchView, &SearchQuery) -> Result<T>,
    ) -> Result<T> {
        query.check(&self.held.engine.rules.catalogue)?;
        self.read_view(|view| {
            if !view.search().is_searchable() {
                let message = "the snapshot was taken before the search index had caught up; take \
                               another when search_status() is Ready";
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            answer(view.state(), view.search(), query)
        })
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("taken_at", &self.held.now)
            .finish_non_exhaustive()
    }
}

/// An iterator over leads of one snapshot, in creation order.
pub(crate) struct LeadIter {
    snapshot: Option<Snapshot>,
    rows: roaring::bitmap::IntoIter,
    error: Option<Error>,
}

impl LeadIter {
    pub(crate) fn new(snapshot: Result<Snapshot>, filter: &Filter) -> Self {
        let selected = snapshot.and_then(|snapshot| {
            let rows = snapshot.read(|state| query::select(state, filter))?;
            Ok((rows, snapshot))
        });
        match selected {
            Ok((rows, snapshot)) => Self {
                snapshot: Some(snapshot),
                rows: rows.into_rows(),
                error: None,
            },
            Err(error) => Self {
                snapshot: None,
                rows: RowSet::default().into_rows(),
                error: Some(error),
            },
        }
    }
}

impl Iterator for LeadIter {
    type Item = Result<Lead>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let row = Row(self.rows.next()?);
        let lead = self
            .snapshot
            .as_ref()?
            .read(|state| Ok(state.lead_at(row)?.lead));
        if lead.is_err() {
            // End the iteration after an error.
            self.snapshot = None;
        }
        Some(lead)
    }
}
