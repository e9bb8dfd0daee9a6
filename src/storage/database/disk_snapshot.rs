//! The store as it lies on the disk, opened beside the one that is in use, so that what is cached hides no damage.

use redb::{Builder, ReadableDatabase};

use crate::error::Result;
use crate::storage::file::checksummed::ChecksummedFile;
use crate::storage::file::cow::CowFile;
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::read::CommittedTables;

/// How much of it is kept in memory.
const CACHE_BYTES: usize = 16 << 20;

/// The store's tables as they are on the disk. They stay so as long as this is held and no checkpoint is made.
pub(crate) struct DiskSnapshot {
    /// Not written to, but forked.
    file: CowFile,
    /// Has redb keep the pages that it names.
    _view: ReadView,
}

impl DiskSnapshot {
    pub(crate) fn new(file: &ChecksummedFile, view: ReadView) -> Result<Self> {
        Ok(Self {
            file: CowFile::of(file)
                .map_err(redb::Error::Io)
                .map_err(redb_error)?,
            _view: view,
        })
    }

    /// Whether every page that is in use is what redb wrote, by redb's own checksums and counts.
    pub(crate) fn verify(&self) -> Result<bool> {
        self.open()?.check_integrity().map_err(redb_error)
    }

    /// Shows `read` the tables, opened anew: after damage that one has met, redb reads nothing more.
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
