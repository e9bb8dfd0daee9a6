//! Opens the index files if they are intact and match the store, and recreates them otherwise.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use tantivy::directory::{Directory, RamDirectory};
use tantivy::index::{SegmentComponent, SegmentId};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, SegmentMeta};

use crate::error::{Error, ErrorKind, Result};
use crate::search::index::directory::OpenIndexFiles;
use crate::search::index::location::IndexLocation;
use crate::search::index::payload::{CommitPayload, Compatibility};
use crate::search::search_view::IndexView;
use crate::search::tantivy_error::{is_shortage, tantivy_error};
use crate::search::terms::document::IndexSchema;
use crate::search::terms::pretokenized::{self, PretokenizedText};
use crate::storage::StateRef;

/// The storage of the index: a directory, which may be read-only, or memory.
#[derive(Clone, Debug)]
pub(crate) enum IndexStorage {
    Directory(IndexLocation),
    /// A directory that is never written to. If its index is not current, an empty one is created
    /// in memory instead.
    ReadOnly(IndexLocation),
    Memory,
}

/// An open index.
pub(crate) struct IndexFiles {
    pub(crate) schema: IndexSchema,
    reader: IndexReader,
    index: Index,
    /// The files that are open. None of an index in memory.
    open: OpenIndexFiles,
    /// Payload of the last commit, or `None` if there is no commit.
    pub(crate) payload: Option<CommitPayload>,
}

/// Memory budget of the single indexing thread, in bytes: enough for about 100,000 leads. When it
/// is used up, the thread writes a segment.
const WRITER_BYTES: usize = 64 << 20;

impl IndexFiles {
    /// Opens the index in `storage` if it is intact and can be brought up to date with the store.
    /// Otherwise creates an empty one.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the index cannot be created, or for a shortage of memory or file
    /// descriptors, which says nothing about the files.
    pub(crate) fn open(storage: &IndexStorage, state: StateRef<'_>) -> Result<Self> {
        match storage {
            IndexStorage::Memory => Self::create_in_memory(),
            IndexStorage::Directory(place) => match Self::open_trusted(place, false, state) {
                Ok(files) => Ok(files),
                Err(reason) if is_shortage(&reason) => Err(reason),
                Err(reason) => {
                    log::warn!("rebuilding the search index in {place}: {reason}");
                    Self::create_in(place)
                }
            },
            IndexStorage::ReadOnly(place) => match Self::open_trusted(place, true, state) {
                Ok(files) if files.payload == Some(CommitPayload::of(state.meta)) => Ok(files),
                Err(reason) if is_shortage(&reason) => Err(reason),
                Ok(_) | Err(_) => Self::create_in_memory(),
            },
        }
    }

    /// Creates an empty index in `storage`, replacing any existing one.
    pub(crate) fn discard(storage: &IndexStorage) -> Result<Self> {
        match storage {
            IndexStorage::Directory(place) => Self::create_in(place),
            IndexStorage::ReadOnly(_) | IndexStorage::Memory => Self::create_in_memory(),
        }
    }

    fn open_trusted(place: &IndexLocation, read_only: bool, state: StateRef<'_>) -> Result<Self> {
        let unusable = |why: &str| Error::new(ErrorKind::Unavailable, why);
        let present = place.files()?;
        if present.is_empty() {
            return Err(unusable("it does not exist"));
        }
        let (directory, open) = place.open();
        let index = Index::open(directory).map_err(tantivy_error)?;
        let schema = IndexSchema::new();
        if index.schema() != schema.schema() {
            return Err(unusable("its schema is different"));
        }
        let meta = index.load_metas().map_err(tantivy_error)?;
        let payload = meta.payload.as_deref().and_then(CommitPayload::decode);
        match &payload {
            None => return Err(unusable("its commit payload is missing or unreadable")),
            Some(payload) => match payload.compatibility(state)? {
                Compatibility::Past => {}
                Compatibility::Useless(why) => return Err(unusable(why)),
            },
        }
        let mut files = meta.list_segment_files();
        // `list_segment_files` also names files that need not exist. Leave out `.temp` files and,
        // at first, all `.del` files: only a segment with deletes has one.
        files.retain(|name| {
            !name
                .extension()
                .is_some_and(|extension| extension == "del" || extension == "temp")
        });
        let changed = meta.segments.iter().filter(|segment| segment.has_deletes());
        files.extend(changed.map(|segment| segment.relative_path(SegmentComponent::Delete)));
        // Verify before anything uses the files: a missing one is noticed late or never.
        verify(&index, &open, &files)?;
        for name in present {
            if !read_only && is_of_segment(&name) && !files.contains(&name) {
                // No commit uses this file: an aborted commit or merge left it. tantivy might pick
                // the same name again, and would refuse to overwrite the file.
                index
                    .directory()
                    .delete(&name)
                    .map_err(|error| unusable(&error.to_string()))?;
            }
        }
        Self::assemble(index, open, schema, payload)
    }

    fn create_in(place: &IndexLocation) -> Result<Self> {
        place.clear()?;
        let (directory, open) = place.open();
        Self::create(directory, open)
    }

    fn create_in_memory() -> Result<Self> {
        Self::create(Box::new(RamDirectory::create()), OpenIndexFiles::default())
    }

    fn create(directory: Box<dyn Directory>, open: OpenIndexFiles) -> Result<Self> {
        let schema = IndexSchema::new();
        let index = Index::create(directory, schema.schema(), IndexSettings::default())
            .map_err(tantivy_error)?;
        Self::assemble(index, open, schema, None)
    }

    fn assemble(
        index: Index,
        open: OpenIndexFiles,
        schema: IndexSchema,
        payload: Option<CommitPayload>,
    ) -> Result<Self> {
        index
            .tokenizers()
            .register(pretokenized::NAME, PretokenizedText::default());
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(tantivy_error)?;
        Ok(Self {
            schema,
            reader,
            index,
            open,
            payload,
        })
    }

    /// Returns a searchable view of the last commit.
    pub(crate) fn view(&self) -> Result<IndexView> {
        IndexView::new(&self.reader, self.schema.clone(), self.open.clone())
    }

    pub(crate) fn segments(&self) -> Result<Vec<SegmentMeta>> {
        self.index.searchable_segment_metas().map_err(tantivy_error)
    }

    pub(crate) fn writer(&self) -> Result<IndexWriter> {
        self.index
            .writer_with_num_threads(1, WRITER_BYTES)
            .map_err(tantivy_error)
    }
}

/// Verifies files of `index`, whose open files are listed in `open`.
///
/// # Errors
///
/// `Unavailable` if a file is missing, corrupted or cannot be read.
fn verify(index: &Index, open: &OpenIndexFiles, files: &HashSet<PathBuf>) -> Result<()> {
    let open_file = |name: &PathBuf| index.directory().get_file_handle(name);
    let opened: std::result::Result<Vec<_>, _> = files.iter().map(open_file).collect();
    // Only files that are still open are verified.
    let _opened = opened.map_err(tantivy_error)?;
    match open.verify().into_iter().next() {
        Some((name, error)) => {
            let message = format!("{name}: {error}");
            Err(Error::new(ErrorKind::Unavailable, message).caused_by(error))
        }
        None => Ok(()),
    }
}

/// Returns true if a file has the name of a segment file: a segment id, a full stop and an
/// extension.
fn is_of_segment(name: &Path) -> bool {
    let segment = name
        .to_str()
        .and_then(|name| name.split_once('.'))
        .map(|(segment, _)| segment);
    segment.is_some_and(|segment| SegmentId::from_uuid_string(segment).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::storage::{Database, Location, OpenMode, RealDirectory};
    use crate::{LeadStore, NewLead, SearchQuery};

    #[test]
    fn corrupted_or_incomplete_index_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let store = LeadStore::open(directory.path()).unwrap();
        store
            .transaction(|t| {
                (0..200).try_for_each(|n| t.create(NewLead::new(format!("Jane no{n}"))).map(drop))
            })
            .unwrap();
        // A search waits for the index. Without it, the store might be closed before its index
        // exists.
        store.search(&SearchQuery::new("jane")).unwrap();
        store.close().unwrap();
        let medium = Location::at(directory.path());
        let read = Database::open(&medium, 1 << 20, OpenMode::OpenExisting)
            .unwrap()
            .read()
            .unwrap();
        let search = directory.path().join("search");
        let place = IndexLocation::new(Arc::new(RealDirectory::at(&search)), 1 << 20);
        let trusted = || IndexFiles::open_trusted(&place, true, read.state()).is_ok();
        assert!(trusted());
        let mut changed = 0;
        for entry in std::fs::read_dir(&search).unwrap() {
            let path = entry.unwrap().path();
            let intact = std::fs::read(&path).unwrap();
            for part in 0..16 {
                let Some(index) = (intact.len() * part)
                    .checked_div(16)
                    .filter(|index| *index < intact.len())
                else {
                    continue;
                };
                let mut bytes = intact.clone();
                bytes[index] ^= 0x40;
                std::fs::write(&path, &bytes).unwrap();
                assert!(!trusted(), "{} at {index}", path.display());
                changed += 1;
            }
            // tantivy's list of managed files may be missing: the only consequence is that tantivy
            // deletes fewer unused files.
            if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
                std::fs::remove_file(&path).unwrap();
                assert!(!trusted(), "without {}", path.display());
            }
            std::fs::write(&path, intact).unwrap();
        }
        assert!(trusted() && changed > 50);
    }
}
