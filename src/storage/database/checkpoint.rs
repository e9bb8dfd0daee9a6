//! A checkpoint, which writes the overlay to the tables.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::ReadableDatabase;

use crate::error::{Error, Result};
use crate::storage::record::meta::StoreMeta;
use crate::storage::redb_error::redb_error;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::read::CommittedTables;
use crate::storage::tables::write::OpenTables;

/// A started checkpoint, with the state to be written to the tables. Other threads can commit
/// meanwhile.
pub(crate) struct Checkpoint {
    db: Arc<redb::Database>,
    view: ReadView,
}

impl Checkpoint {
    pub(crate) fn new(db: Arc<redb::Database>, view: ReadView) -> Self {
        Self { db, view }
    }

    /// Writes the state to the tables. Returns the tables with their metadata, or `None` if they
    /// already contain the state.
    pub(crate) fn write(self) -> Result<Option<(CommittedTables, StoreMeta)>> {
        let Self { db, view } = self;
        let transaction = begin_write(&db)?;
        // redb leaks the pages of a transaction that is dropped during unwinding.
        let written: Result<bool> = catch_unwind(AssertUnwindSafe(|| {
            let mut tables = OpenTables::of(&transaction)?;
            // A large transaction may have written the same commits to the tables while this
            // checkpoint waited for the write lock.
            if tables.meta()?.seq >= view.meta.seq {
                return Ok(false);
            }
            tables.write_overlay(&view.overlay)?;
            tables.write_meta(&view.meta)?;
            Ok(true)
        }))
        .unwrap_or_else(|_| {
            Err(Error::corrupted(
                "a checkpoint panicked, which a corrupted file can cause",
            ))
        });
        match written {
            Ok(true) => transaction.commit().map_err(redb_error)?,
            other => {
                // The first error is the one to report.
                let aborted = transaction.abort().map_err(redb_error);
                other?;
                aborted?;
                return Ok(None);
            }
        }
        CommittedTables::of(&db.begin_read().map_err(redb_error)?).map(Some)
    }
}

/// Starts a transaction with quick repair: once it is committed, the file opens quickly even after
/// a crash. Without quick repair, redb verifies the whole file at the first open after a crash,
/// which takes about one second per million leads.
pub(crate) fn begin_write(db: &redb::Database) -> Result<redb::WriteTransaction> {
    let mut transaction = db.begin_write().map_err(redb_error)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}
