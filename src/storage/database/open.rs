//! Opens the files of a store, and creates those of a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, ReadableDatabase, StorageBackend};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::database::checkpoint_policy::CheckpointPolicy;
use crate::storage::database::{Database, OpenFiles, Writable};
use crate::storage::file::directory::{Directory, DirectoryLock, FileMode};
use crate::storage::file::location::{Location, MemoryFiles};
#[cfg(feature = "unstable-testing")]
use crate::storage::file::real::RealDirectory;
use crate::storage::file::store_files;
use crate::storage::file::table_file::TableFile;
use crate::storage::journal::{Journal, Recovery};
use crate::storage::redb_error::catch_corruption_panic;
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::read::CommittedTables;
use crate::storage::tables::write::OpenTables;

/// Access to a store, and whether it may or must be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    ReadOnly,
    /// Read and write. The store is created if it does not exist.
    OpenOrCreate,
    /// Read and write. The store must not exist yet.
    CreateNew,
    /// Read and write. The store must exist.
    OpenExisting,
}

type Backends = [Box<dyn StorageBackend>; 2];

impl Database {
    /// Opens the store. Creates it first if it does not exist and `mode` allows that. For a store
    /// in memory, `mode` is ignored: the store is created if it does not exist. `cache_bytes` is
    /// the memory budget for the page cache and the overlay together.
    pub(crate) fn open(location: &Location, cache_bytes: usize, mode: OpenMode) -> Result<Self> {
        let policy = CheckpointPolicy::for_cache(cache_bytes);
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes - policy.overlay_bytes());
        match location {
            Location::Directory(directory) => {
                Self::open_in(&mut builder, &**directory, mode, policy)
            }
            Location::Memory(memory) => {
                let opened = open_memory(&mut builder, memory)?;
                let journal = memory
                    .journal
                    .each_ref()
                    .map(|file| Box::new(file.clone()) as Box<dyn StorageBackend>);
                Self::recover(opened, journal, None, policy)
            }
        }
    }

    fn open_in(
        builder: &mut Builder,
        directory: &dyn Directory,
        mode: OpenMode,
        policy: CheckpointPolicy,
    ) -> Result<Self> {
        let opened = if mode == OpenMode::ReadOnly {
            Self::open_read_only(builder, directory)
        } else {
            Self::open_writable(builder, directory, mode, policy)
        };
        opened.map_err(|error| {
            eof_as_corruption(error).while_doing(format_args!("opening the store in {directory}"))
        })
    }

    fn open_writable(
        builder: &mut Builder,
        directory: &dyn Directory,
        mode: OpenMode,
        policy: CheckpointPolicy,
    ) -> Result<Self> {
        let may_create = mode != OpenMode::OpenExisting;
        let lock = directory.lock(may_create)?;
        let exists = store_files::exists(directory)?;
        if exists && mode == OpenMode::CreateNew {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                "the store already exists; open it without create_new",
            ));
        }
        if !exists && may_create {
            if !Recovery::of(store_files::read_journal(directory)?).is_empty() {
                return Err(Error::corrupted(
                    "leads.redb is missing, but its journal exists and holds the last writes; restore leads.redb, or \
                     remove leads.journal.0 and leads.journal.1 to create a new store",
                ));
            }
            store_files::create_atomically(directory, |file| {
                let db = builder.create_with_backend(file).map_err(redb_error)?;
                initialise(&db)?;
                db.close().map_err(redb_error)
            })?;
        }
        store_files::remove_temp_file(directory)?;
        let opened = open_file(builder, || store_files::open_store_for_writing(directory))?;
        let journal = store_files::open_journal(directory)?;
        Self::recover(opened, journal, Some(lock), policy)
    }

    /// Opens the store read-only. Replaying the journal would require writes, so the tables must
    /// already contain its commits.
    fn open_read_only(builder: &Builder, directory: &dyn Directory) -> Result<Self> {
        let file = store_files::open_store(directory, FileMode::ReadOnly)?;
        let db = catch_corruption_panic(|| {
            builder
                .open_read_only_with_backend(file.clone())
                .map_err(redb_error)
        })?;
        let (tables, meta) = CommittedTables::of(&db.begin_read().map_err(redb_error)?)?;
        if Recovery::of(store_files::read_journal(directory)?)
            .after(&meta)?
            .count()
            > 0
        {
            return Err(crate::storage::redb_error::not_closed_cleanly());
        }
        let checkpoint = meta.seq;
        let view = ReadView {
            meta,
            tables: Arc::new(tables),
            overlay: Overlay::default(),
        };
        Ok(Self {
            files: OpenFiles::ReadOnly(db),
            file,
            view: Some(view),
            checkpoint,
            policy: CheckpointPolicy::read_only(),
        })
    }

    /// Builds the store from its tables and replays the commits that only the journal contains.
    pub(crate) fn recover(
        (db, file): (redb::Database, TableFile),
        files: Backends,
        lock: Option<DirectoryLock>,
        policy: CheckpointPolicy,
    ) -> Result<Self> {
        let (tables, mut meta) = CommittedTables::of(&db.begin_read().map_err(redb_error)?)?;
        let checkpoint = meta.seq;
        let recovery = Recovery::read(&files)?;
        let recovered = recovery.after(&meta)?;
        let mut overlay = Overlay::default();
        if recovered.count() > 0 {
            recovery.secure(&files, &meta)?;
            log::info!(
                "the store was not closed cleanly; replaying {} commits from the journal",
                recovered.count()
            );
        }
        for commit in recovered.commits() {
            let commit = commit?;
            commit
                .ops
                .iter()
                .try_for_each(|op| overlay.apply(op, &tables))?;
            meta = commit.meta;
        }
        let journal = Journal::new(files, &recovered, &meta)?;
        let view = ReadView {
            meta,
            tables: Arc::new(tables),
            overlay,
        };
        let writable = Writable {
            db: Arc::new(db),
            journal,
            delta: None,
            _lock: lock,
        };
        Ok(Self {
            files: OpenFiles::Writable(Box::new(writable)),
            file,
            view: Some(view),
            checkpoint,
            policy,
        })
    }
}

/// Reports an unexpected EOF as corruption: the file was truncated, so this is not a retryable I/O
/// error.
fn eof_as_corruption(error: Error) -> Error {
    let cause =
        std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<redb::Error>());
    match cause {
        Some(redb::Error::Io(io)) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::corrupted("leads.redb is corrupted: the file is truncated").caused_by(error)
        }
        _ => error,
    }
}

/// Opens an existing database. `file` opens its file, and is called again for a second attempt.
fn open_file(
    builder: &mut Builder,
    file: impl Fn() -> Result<TableFile>,
) -> Result<(redb::Database, TableFile)> {
    let is_verified = Arc::new(AtomicBool::new(false));
    let verified = Arc::clone(&is_verified);
    builder.set_repair_callback(move |_| verified.store(true, Ordering::Relaxed));
    let open = |file: &TableFile| {
        catch_corruption_panic(|| {
            builder
                .create_with_backend(file.clone())
                .map_err(redb_error)
        })
    };
    let first = file()?;
    match open(&first) {
        // An unfinished commit may have left torn blocks. Their checksums can be ignored: if a file
        // was not closed cleanly, redb itself verifies every page in use, and returns to the
        // previous commit if the last one is incomplete.
        Err(error)
            if error.kind() == ErrorKind::Corrupted && is_verified.load(Ordering::Relaxed) =>
        {
            let file = file()?;
            let db = file.ignoring_seals(|| open(&file))?;
            Ok((db, file))
        }
        opened => Ok((opened?, first)),
    }
}

/// Opens the store in memory, and creates it first if it does not exist yet.
pub(crate) fn open_memory(
    builder: &mut Builder,
    memory: &MemoryFiles,
) -> Result<(redb::Database, TableFile)> {
    let failed = |error| redb_error(redb::Error::Io(error));
    let file = memory.store.clone();
    if file.len().map_err(failed)? > 0 {
        return open_file(builder, || {
            TableFile::open(Box::new(file.clone())).map_err(failed)
        });
    }
    let file = TableFile::create(Box::new(file)).map_err(failed)?;
    let db = builder
        .create_with_backend(file.clone())
        .map_err(redb_error)?;
    initialise(&db)?;
    Ok((db, file))
}

/// Sets or removes the format number in the file of a closed store.
#[cfg(feature = "unstable-testing")]
pub(crate) fn set_format(directory: &std::path::Path, format: Option<u32>) -> Result<()> {
    let file = store_files::open_store(&RealDirectory::at(directory), FileMode::ReadWrite)?;
    let db = Builder::new()
        .create_with_backend(file)
        .map_err(redb_error)?;
    let transaction = db.begin_write().map_err(redb_error)?;
    OpenTables::of(&transaction)?.set_format(format)?;
    transaction.commit().map_err(redb_error)
}

/// Writes the tables of an empty store.
fn initialise(db: &redb::Database) -> Result<()> {
    let transaction = db.begin_write().map_err(redb_error)?;
    OpenTables::of(&transaction)?.initialise()?;
    transaction.commit().map_err(redb_error)
}
