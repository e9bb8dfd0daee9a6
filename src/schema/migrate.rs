//! Migrates the stores that an older version of leadstore wrote, by rebuilding them.
//! `storage::tables::FORMAT` lists the formats.
//!
//! A rebuild reads every lead in the format of its record, and writes the lead and everything
//! derived from it into a new file. The new file then replaces the old one. A rebuild is atomic: a
//! crash leaves the store either completely migrated or unchanged. An unchanged store is migrated
//! when it is next opened. A rebuild needs as much free disk space as the store takes, and about
//! one second for each 100,000 leads.

use crate::error::{Error, ErrorKind, Result};
use crate::schema::catalogue::Catalogue;
use crate::schema::derive::derive_index_entries;
use crate::storage::{Database, Location, OpenMode};

/// Opens a database, and migrates it first if an older version wrote it.
///
/// # Errors
///
/// `UnsupportedFormat` for an old store that is opened read-only.
pub(crate) fn open_migrated(
    location: &Location,
    cache_bytes: usize,
    mode: OpenMode,
    catalogue: &Catalogue,
) -> Result<Database> {
    let database = Database::open(location, cache_bytes, mode)?;
    if !database.needs_migration() {
        return Ok(database);
    }
    if mode == OpenMode::ReadOnly {
        return Err(Error::new(
            ErrorKind::UnsupportedFormat,
            "an older version of leadstore wrote the store; open it for writing once to migrate it",
        ));
    }
    log::info!("migrating the store to the current file format");
    let derive = |row, stored: &_| derive_index_entries(catalogue, row, stored);
    database
        .rebuild(location, &derive, &mut |_| ())
        .map_err(|error| error.while_doing("migrating the store to the current file format"))?;
    Database::open(location, cache_bytes, OpenMode::OpenExisting)
}
