//! Fills a new file from an existing store. A backup copies the tables as they are. A repair or a
//! migration copies only the leads and credentials, and rebuilds everything derived from the leads.

use redb::{Builder, Database};

use crate::error::Result;
use crate::row::Row;
use crate::storage::file::table_file::TableFile;
use crate::storage::index_entries::IndexEntries;
use crate::storage::journal::RedoOp;
use crate::storage::random::random_bytes;
use crate::storage::record::change_log;
use crate::storage::record::lead_record::{self, StoredLead};
use crate::storage::record::meta::{CommitId, StoreMeta};
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::scan::Visit;
use crate::storage::tables::tree::Tree;
use crate::storage::tables::write::OpenTables;

/// Cache size in bytes for the new file.
const CACHE_BYTES: usize = 64 << 20;
/// Size in bytes of the collected changes at which they are written to the tables.
const FLUSH_BYTES: usize = 16 << 20;

/// Copies everything in the tables of `view`, whose overlay must be empty, and reports the number
/// of copied leads to `progress`.
pub(crate) fn copy(view: &ReadView, file: TableFile, progress: &mut dyn FnMut(u64)) -> Result<()> {
    fill(file, |tables| {
        let mut copied = 0;
        for tree in Tree::ALL {
            view.state().scan_all(tree, &mut |key, value| {
                tables.set(tree, key, Some(value))?;
                if tree == Tree::Leads {
                    copied += 1;
                    progress(copied);
                }
                Ok(Visit::Continue(()))
            })?;
        }
        Ok(())
    })
}

/// Copies the leads and credentials of `view`, and rebuilds everything that `derive` derives from a
/// lead. The result is a new commit with a change log that starts at this commit, so that the
/// search index is rebuilt too.
pub(crate) fn rebuild(
    view: &ReadView,
    file: TableFile,
    derive: &dyn Fn(Row, &StoredLead) -> IndexEntries,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    fill(file, |tables| {
        let seq = view.meta.seq.next();
        let mut meta = StoreMeta {
            seq,
            commit_id: CommitId(random_bytes()),
            log_start: seq,
            ..view.meta.clone()
        };
        let mut gathered = Overlay::default();
        let mut copied = 0;
        view.state().each_lead(|row, stored| {
            let stored = stored?;
            meta.next_row = meta.next_row.max(row.0.saturating_add(1));
            meta.newest_created_at = meta.newest_created_at.max(stored.lead.created_at);
            let mut put = |op: RedoOp| gathered.apply(&op, &*tables);
            put(RedoOp::Lead(
                row.0,
                Some(lead_record::encode(&stored)?.into()),
            ))?;
            derive(row, &stored)
                .replace(&IndexEntries::default(), row)
                .try_for_each(&mut put)?;
            copied += 1;
            progress(copied);
            if gathered.bytes() > FLUSH_BYTES {
                tables.write_overlay(&std::mem::take(&mut gathered))
            } else {
                Ok(())
            }
        })?;
        view.state().each_credential_record(|id, record| {
            gathered.apply(
                &RedoOp::Credential(id.into(), Some(record.into())),
                &*tables,
            )
        })?;
        let log = change_log::encode(meta.commit_id, &[])?;
        gathered.apply(
            &RedoOp::Log(change_log::key(seq, 0).as_slice().into(), Some(log.into())),
            &*tables,
        )?;
        tables.write_overlay(&gathered)?;
        tables.write_meta(&meta)
    })
}

/// Creates a store in a new file, and fills it with `work` in a single transaction.
fn fill(file: TableFile, work: impl FnOnce(&mut OpenTables<'_>) -> Result<()>) -> Result<()> {
    let db = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(file)
        .map_err(redb_error)?;
    fill_database(&db, work)?;
    db.close().map_err(redb_error)
}

fn fill_database(
    db: &Database,
    work: impl FnOnce(&mut OpenTables<'_>) -> Result<()>,
) -> Result<()> {
    let transaction = db.begin_write().map_err(redb_error)?;
    let filled = OpenTables::of(&transaction).and_then(|mut tables| {
        tables.initialise()?;
        work(&mut tables)
    });
    match filled {
        Ok(()) => transaction.commit().map_err(redb_error),
        Err(error) => {
            // The first error is the one to report.
            let _ = transaction.abort();
            Err(error)
        }
    }
}
