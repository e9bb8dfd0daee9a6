//! The file as a whole: opened or created, read, written, compacted, closed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, ReadableDatabase, StorageBackend};

use super::batch::WriteBatch;
use super::file::{self, DirectoryLock};
use super::header::Header;
use super::read_view::ReadView;
use super::table::{FORMAT_KEY, HEADER_KEY, Tree};
use super::{FORMAT, fault};
use crate::{Error, ErrorKind, Result};

/// Where a store lies.
#[derive(Clone, Debug)]
pub(crate) enum Medium {
    Directory(PathBuf),
    Memory(SharedMemory),
}

impl Medium {
    pub(crate) fn memory() -> Self {
        Self::Memory(SharedMemory(Arc::new(InMemoryBackend::new())))
    }
}

/// What may be done to the store, and whether it may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    /// Reading and writing a store that is made if there is none.
    OpenOrCreate,
    /// Reading and writing a store that must not be there yet.
    CreateNew,
    /// Reading and writing a store that must be there.
    OpenExisting,
}

/// When a commit must have reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Before the call returns.
    EveryCommit,
    /// With the next commit that says so.
    Later,
}

/// An open store file.
pub(crate) struct Database {
    inner: Inner,
    _lock: Option<DirectoryLock>,
}

enum Inner {
    Writable(redb::Database),
    ReadOnly(redb::ReadOnlyDatabase),
}

impl Database {
    pub(crate) fn open(medium: &Medium, cache_bytes: usize, access: Access) -> Result<Self> {
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        let opened = match medium {
            Medium::Directory(directory) => Self::open_directory(&builder, directory, access)
                .map_err(|error| error.while_doing(format_args!("opening the store in {}", directory.display())))?,
            Medium::Memory(memory) => {
                let db = builder.create_with_backend(memory.clone()).map_err(fault)?;
                if is_blank(&db)? {
                    initialise(&db)?;
                }
                Self { inner: Inner::Writable(db), _lock: None }
            }
        };
        Ok(opened)
    }

    fn open_directory(builder: &Builder, directory: &Path, access: Access) -> Result<Self> {
        let path = file::store_file(directory);
        if access == Access::ReadOnly {
            let db = builder.open_read_only(&path).map_err(|error| missing_or_fault(&path, error))?;
            return Ok(Self { inner: Inner::ReadOnly(db), _lock: None });
        }
        let may_create = access != Access::OpenExisting;
        let lock = file::lock(directory, may_create)?;
        let exists = file::exists(directory)?;
        if exists && access == Access::CreateNew {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is a store already; open it without create_new"));
        }
        if !exists && may_create {
            file::create_whole(directory, |file| {
                let backend = FileBackend::new(file).map_err(fault)?;
                let db = builder.create_with_backend(backend).map_err(fault)?;
                initialise(&db)?;
                db.close().map_err(fault)
            })?;
        }
        // Not `create`, which makes a new database of an emptied file.
        let db = builder.open(&path).map_err(|error| missing_or_fault(&path, error))?;
        Ok(Self { inner: Inner::Writable(db), _lock: Some(lock) })
    }

    pub(crate) fn read(&self) -> Result<ReadView> {
        let transaction = match &self.inner {
            Inner::Writable(db) => db.begin_read(),
            Inner::ReadOnly(db) => db.begin_read(),
        };
        ReadView::new(&transaction.map_err(fault)?)
    }

    /// Begins a write. There is one at a time: another waits until it has ended.
    pub(crate) fn begin(&self, durability: Durability) -> Result<Pending> {
        let header = self.read()?.header;
        Ok(Pending { transaction: self.begin_write(durability)?, header })
    }

    /// Makes every commit so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.begin_write(Durability::EveryCommit)?.commit().map_err(fault)
    }

    /// Gives free pages back to the file system; `Busy` while anybody reads.
    pub(crate) fn compact(&mut self) -> Result<()> {
        match &mut self.inner {
            Inner::Writable(db) => db.compact().map(|_| ()).map_err(fault),
            Inner::ReadOnly(_) => Err(read_only()),
        }
    }

    /// Closes the file. Views that are still held can read no more.
    pub(crate) fn close(self) -> Result<()> {
        match self.inner {
            Inner::Writable(db) => db.close().map_err(fault),
            Inner::ReadOnly(db) => db.close().map_err(fault),
        }
    }

    fn begin_write(&self, durability: Durability) -> Result<redb::WriteTransaction> {
        let Inner::Writable(db) = &self.inner else { return Err(read_only()) };
        let mut transaction = db.begin_write().map_err(fault)?;
        if durability == Durability::Later {
            transaction
                .set_durability(redb::Durability::None)
                .map_err(|error| Error::new(ErrorKind::Io, format!("preparing a write: {error}")))?;
        }
        Ok(transaction)
    }
}

/// A write that has begun. It must be ended by [`commit`](Self::commit) or [`abort`](Self::abort): redb leaks the pages
/// of a transaction that is dropped while unwinding, and then checks the whole file at the next open.
pub(crate) struct Pending {
    transaction: redb::WriteTransaction,
    header: Header,
}

impl Pending {
    /// What this write reads and writes.
    pub(crate) fn batch(&self) -> Result<WriteBatch<'_>> {
        WriteBatch::new(&self.transaction, self.header.clone())
    }

    /// Commits a finished batch.
    pub(crate) fn commit(self) -> Result<()> {
        self.transaction.commit().map_err(|error| {
            fault(error)
                .with_unknown_outcome()
                .while_doing("committing a write, which may or may not be in the store after reopen()")
        })
    }

    pub(crate) fn abort(self) -> Result<()> {
        self.transaction.abort().map_err(fault)
    }
}

pub(crate) fn read_only() -> Error {
    Error::new(ErrorKind::ReadOnly, "the store was opened for reading only")
}

fn missing_or_fault(path: &Path, error: redb::DatabaseError) -> Error {
    match error {
        redb::DatabaseError::Storage(redb::StorageError::Io(io)) if io.kind() == std::io::ErrorKind::NotFound => {
            file::failure("opening", path, io)
        }
        other => fault(other),
    }
}

fn is_blank(db: &redb::Database) -> Result<bool> {
    let transaction = db.begin_read().map_err(fault)?;
    Ok(transaction.list_tables().map_err(fault)?.next().is_none())
}

/// Writes the tables of a store that holds nothing.
fn initialise(db: &redb::Database) -> Result<()> {
    let transaction = db.begin_write().map_err(fault)?;
    for tree in [Tree::Leads, Tree::Entries, Tree::Bitmaps, Tree::Log, Tree::Meta] {
        let mut table = transaction.open_table(tree.definition()).map_err(fault)?;
        if tree == Tree::Meta {
            table.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice()).map_err(fault)?;
            table.insert(HEADER_KEY, Header::new().encode()?.as_slice()).map_err(fault)?;
        }
    }
    transaction.commit().map_err(fault)
}

/// A store's file in memory, which outlives the [`Database`] so that it can be opened again.
#[derive(Clone, Debug)]
pub(crate) struct SharedMemory(Arc<InMemoryBackend>);

impl StorageBackend for SharedMemory {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}
