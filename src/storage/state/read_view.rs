//! The store after one commit, opened for reading: the tables as the last checkpoint left them, and what was committed
//! since.

use std::sync::Arc;

use crate::storage::record::meta::StoreMeta;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::state_ref::Reader;
use crate::storage::tables::open_tables::{CommittedTables, ReadTables};

/// The state of the store after one commit. A copy is cheap.
#[derive(Clone)]
pub(crate) struct ReadView {
    pub(crate) meta: StoreMeta,
    pub(crate) tables: Arc<CommittedTables>,
    pub(crate) overlay: Overlay,
}

impl Reader for ReadView {
    fn meta(&self) -> &StoreMeta {
        &self.meta
    }

    fn tables(&self) -> &dyn ReadTables {
        &*self.tables
    }

    fn overlay(&self) -> &Overlay {
        &self.overlay
    }
}
