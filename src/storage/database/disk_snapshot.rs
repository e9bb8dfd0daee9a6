//! The store as it is on disk, opened next to the live store, so that no cache hides corruption.

use redb::{Builder, ReadableDatabase};

use crate::error::Result;
use crate::storage::file::cow::CowFile;
use crate::storage::file::table_file::TableFile;
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::read::CommittedTables;

/// Cache size in bytes of the database handle that reads the snapshot.
const CACHE_BYTES: usize = 16 << 20;

/// The store's tables as they are on disk. They do not change while this snapshot is held, unless a
/// checkpoint or a large transaction writes to the tables.
pub(crate) struct DiskSnapshot {
    /// Never written to: each use opens a fork of it and writes only to the fork.
    file: CowFile,
    /// Keeps redb from reusing the pages of this state.
    _view: ReadView,
}

impl DiskSnapshot {
    pub(crate) fn new(file: &TableFile, view: ReadView) -> Result<Self> {
        Ok(Self {
            file: CowFile::of(file)
                .map_err(redb::Error::Io)
                .map_err(redb_error)?,
            _view: view,
        })
    }

    /// Verifies every page in use with redb's own checksums and counts. Returns false if one of
    /// them does not match.
    pub(crate) fn verify(&self) -> Result<bool> {
        self.open()?.check_integrity().map_err(redb_error)
    }

    /// Calls `read` with the tables. They are opened again for each call, because every read
    /// through a redb handle fails once the handle has met corruption.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&ReadView) -> Result<T>) -> Result<T> {
        let db = self.open()?;
        let (tables, meta) = CommittedTables::of(&db.begin_read().map_err(redb_error)?)?;
        read(&ReadView {
            meta,
            tables: tables.into(),
            overlay: Overlay::default(),
        })
    }

    fn open(&self) -> Result<redb::Database> {
        Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(self.file.fork())
            .map_err(redb_error)
    }
}
