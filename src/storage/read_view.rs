//! The store after one commit, opened for reading: the tables as the last checkpoint left them, and what was committed
//! since.

use std::sync::Arc;

use crate::storage::header::Header;
use crate::storage::overlay::Overlay;
use crate::storage::reader::Reader;
use crate::storage::tables::{CommittedTables, ReadTables};

/// The state of the store after one commit. A copy is cheap.
#[derive(Clone)]
pub(crate) struct ReadView {
    pub(crate) header: Header,
    pub(crate) tables: Arc<CommittedTables>,
    pub(crate) overlay: Overlay,
}

impl Reader for ReadView {
    fn header(&self) -> &Header {
        &self.header
    }

    fn tables(&self) -> &dyn ReadTables {
        &*self.tables
    }

    fn overlay(&self) -> &Overlay {
        &self.overlay
    }
}
