//! The store after one commit, opened for reading: the tables as the last checkpoint left them, and what was committed
//! since.

use std::sync::Arc;

use super::header::Header;
use super::overlay::Overlay;
use super::reader::Reader;
use super::tables::{CommittedTables, ReadTables};

/// The state of the store after one commit. A copy is cheap.
#[derive(Clone)]
pub(crate) struct ReadView {
    pub(super) header: Header,
    pub(super) tables: Arc<CommittedTables>,
    pub(super) overlay: Overlay,
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
