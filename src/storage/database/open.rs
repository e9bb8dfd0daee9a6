//! Opening a store's files, and making those of a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, ReadableDatabase, StorageBackend};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::database::checkpoint_policy::CheckpointPolicy;
use crate::storage::database::{Database, OpenFiles, Writable};
use crate::storage::file::checksummed::ChecksummedFile;
use crate::storage::file::directory::{self, Directory, DirectoryLock, FileMode};
use crate::storage::file::location::{Location, MemoryFiles};
use crate::storage::file::real::RealDirectory;
#[cfg(feature = "unstable-testing")]
use crate::storage::file::simulated::SimulatedDirectory;
use crate::storage::journal::{Journal, Recovery};
use crate::storage::redb_error::catch_corruption_panic;
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::read::CommittedTables;
use crate::storage::tables::write::OpenTables;

/// What may be done to the store, and whether it may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    ReadOnly,
    /// Reading and writing a store that is made if there is none.
    OpenOrCreate,
    /// Reading and writing a store that must not be there yet.
    CreateNew,
    /// Reading and writing a store that must be there.
    OpenExisting,
}

type Backends = [Box<dyn StorageBackend>; 2];

impl Database {
    /// Opens the store, and makes it first if `mode` says so. `cache_bytes` is what it may keep in memory.
    pub(crate) fn open(location: &Location, cache_bytes: usize, mode: OpenMode) -> Result<Self> {
        let policy = CheckpointPolicy::for_cache(cache_bytes);
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes - policy.overlay_bytes());
        match location {
            Location::Directory(path) => {
                Self::open_in(&mut builder, &RealDirectory(path), mode, policy)
            }
            #[cfg(feature = "unstable-testing")]
            Location::Simulated(disk) => {
                Self::open_in(&mut builder, &SimulatedDirectory(disk), mode, policy)
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

    fn open_in<D: Directory>(
        builder: &mut Builder,
        directory: &D,
        mode: OpenMode,
        policy: CheckpointPolicy,
    ) -> Result<Self> {
        let opened = if mode == OpenMode::ReadOnly {
            Self::open_read_only(builder, directory)
        } else {
            Self::open_writable(builder, directory, mode, policy)
        };
        opened.map_err(|error| {
            or_cut_off(error).while_doing(format_args!("opening the store in {directory}"))
        })
    }

    fn open_writable<D: Directory>(
        builder: &mut Builder,
        directory: &D,
        mode: OpenMode,
        policy: CheckpointPolicy,
    ) -> Result<Self> {
        let may_create = mode != OpenMode::OpenExisting;
        let lock = directory.lock(may_create)?;
        let exists = directory::exists(directory)?;
        if exists && mode == OpenMode::CreateNew {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                "there is a store already; open it without create_new",
            ));
        }
        if !exists && may_create {
            if !Recovery::of(directory::read_journal(directory)?).is_empty() {
                return Err(Error::corrupted(
                    "leads.redb is missing, and its journal is there, which holds what was written last; put it back, or \
                     remove leads.journal.0 and leads.journal.1 to begin a new store",
                ));
            }
            directory::create_atomically(directory, |file| {
                let db = builder.create_with_backend(file).map_err(redb_error)?;
                initialise(&db)?;
                db.close().map_err(redb_error)
            })?;
        }
        directory::remove_temp_file(directory)?;
        let opened = open_file(builder, || directory::open_store_to_write(directory))?;
        let journal = directory::open_journal(directory)?
            .map(|file| Box::new(file) as Box<dyn StorageBackend>);
        Self::recover(opened, journal, Some(lock), policy)
    }

    /// What is in the journal cannot be done again without writing, so it must be in the tables already.
    fn open_read_only(builder: &Builder, directory: &impl Directory) -> Result<Self> {
        let file = directory::open_store(directory, FileMode::ReadOnly)?;
        let db = catch_corruption_panic(|| {
            builder
                .open_read_only_with_backend(file.clone())
                .map_err(redb_error)
        })?;
        let (tables, meta) = CommittedTables::of(&db.begin_read().map_err(redb_error)?)?;
        if Recovery::of(directory::read_journal(directory)?)
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

    /// The store as the tables have it, with what only the journal has.
    pub(crate) fn recover(
        (db, file): (redb::Database, ChecksummedFile),
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
                "the store was not closed cleanly; {} commits are taken from its journal",
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

/// Where the file ends before what should be read, it was cut off, which nobody mends by trying again.
fn or_cut_off(error: Error) -> Error {
    let cause =
        std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<redb::Error>());
    match cause {
        Some(redb::Error::Io(io)) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::corrupted("the store's file is damaged: it was cut off").caused_by(error)
        }
        _ => error,
    }
}

/// Opens the file that `file` gives, which redb knows already.
fn open_file(
    builder: &mut Builder,
    file: impl Fn() -> Result<ChecksummedFile>,
) -> Result<(redb::Database, ChecksummedFile)> {
    let is_verified = Arc::new(AtomicBool::new(false));
    let verified = Arc::clone(&is_verified);
    builder.set_repair_callback(move |_| verified.store(true, Ordering::Relaxed));
    let open = |file: &ChecksummedFile| {
        catch_corruption_panic(|| {
            builder
                .create_with_backend(file.clone())
                .map_err(redb_error)
        })
    };
    let first = file()?;
    match open(&first) {
        // Of a commit that was not finished blocks may be there in part. redb verifies all that is in use, since the file
        // was not closed, and goes back to the commit before.
        Err(error)
            if error.kind() == ErrorKind::Corrupted && is_verified.load(Ordering::Relaxed) =>
        {
            let file = file()?;
            let db = file.ignoring_checksums(|| open(&file))?;
            Ok((db, file))
        }
        opened => Ok((opened?, first)),
    }
}

/// Opens the store in memory, which is made first if it is not there yet.
pub(crate) fn open_memory(
    builder: &mut Builder,
    memory: &MemoryFiles,
) -> Result<(redb::Database, ChecksummedFile)> {
    let failed = |error| redb_error(redb::Error::Io(error));
    let file = memory.store.clone();
    if file.len().map_err(failed)? > 0 {
        return open_file(builder, || {
            ChecksummedFile::open(file.clone()).map_err(failed)
        });
    }
    let file = ChecksummedFile::create(file).map_err(failed)?;
    let db = builder
        .create_with_backend(file.clone())
        .map_err(redb_error)?;
    initialise(&db)?;
    Ok((db, file))
}

/// Has the file of a closed store say that it has another format, or none.
#[cfg(feature = "unstable-testing")]
pub(crate) fn set_format(directory: &std::path::Path, format: Option<u32>) -> Result<()> {
    let file = directory::open_store(&RealDirectory(directory), FileMode::ReadWrite)?;
    let db = Builder::new()
        .create_with_backend(file)
        .map_err(redb_error)?;
    let transaction = db.begin_write().map_err(redb_error)?;
    OpenTables::of(&transaction)?.set_format(format)?;
    transaction.commit().map_err(redb_error)
}

/// Writes the tables of a store that holds nothing.
fn initialise(db: &redb::Database) -> Result<()> {
    let transaction = db.begin_write().map_err(redb_error)?;
    OpenTables::of(&transaction)?.initialise()?;
    transaction.commit().map_err(redb_error)
}
