//! The store after one commit, opened for reading: the tables of the last checkpoint, and the
//! overlay of later commits.

use std::sync::Arc;

use crate::storage::record::meta::StoreMeta;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::state_ref::StateRef;
use crate::storage::tables::read::CommittedTables;

/// The state of the store after one commit. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct ReadView {
    pub(crate) meta: StoreMeta,
    pub(crate) tables: Arc<CommittedTables>,
    pub(crate) overlay: Overlay,
}

impl ReadView {
    /// Borrows the state for reading.
    pub(crate) fn state(&self) -> StateRef<'_> {
        StateRef {
            meta: &self.meta,
            tables: &*self.tables,
            overlay: &self.overlay,
        }
    }

    pub(crate) fn meta(&self) -> &StoreMeta {
        &self.meta
    }
}
