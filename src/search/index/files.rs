//! The files of the index: opened if they can be trusted, made anew otherwise.

use std::path::Path;

use tantivy::directory::{Directory, RamDirectory};
use tantivy::index::{SegmentComponent, SegmentId};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, SegmentMeta};

use crate::error::{Error, ErrorKind, Result};
use crate::search::index::checksummed_directory::ChecksummedDirectory;
use crate::search::index::location::IndexLocation;
use crate::search::index::payload::{CommitPayload, Compatibility};
use crate::search::tantivy_error::tantivy_error;
use crate::search::terms::document::IndexSchema;
use crate::search::terms::pretokenized::{self, PretokenizedText};
use crate::storage::StateRef;

/// Where the index lies.
#[derive(Clone, Debug)]
pub(crate) enum IndexStorage {
    Directory(IndexLocation),
    /// A directory that is used as it is, or not at all.
    ReadOnly(IndexLocation),
    Memory,
}

/// An open index.
pub(crate) struct IndexFiles {
    pub(crate) schema: IndexSchema,
    pub(crate) reader: IndexReader,
    index: Index,
    /// What the last commit goes up to; `None` if there was none.
    pub(crate) payload: Option<CommitPayload>,
}

/// What the single indexing thread may hold before it writes a segment: enough for about 100,000 leads.
const WRITER_BYTES: usize = 64 << 20;

impl IndexFiles {
    /// The index in `storage` if it is whole and of this store, and a new empty one otherwise.
    pub(crate) fn open(storage: &IndexStorage, state: StateRef<'_>) -> Result<Self> {
        match storage {
            IndexStorage::Memory => Self::create(Box::new(RamDirectory::create())),
            IndexStorage::Directory(place) => match Self::open_trusted(place, false, state) {
                Ok(files) => Ok(files),
                Err(reason) => {
                    log::warn!("the search index in {place} is rebuilt: {reason}");
                    Self::create_in(place)
                }
            },
            IndexStorage::ReadOnly(place) => match Self::open_trusted(place, true, state) {
                Ok(files) if files.payload == Some(CommitPayload::of(state.meta)) => Ok(files),
                _ => Self::create(Box::new(RamDirectory::create())),
            },
        }
    }

    /// An empty index in `storage`, whatever is there.
    pub(crate) fn discard(storage: &IndexStorage) -> Result<Self> {
        match storage {
            IndexStorage::Directory(place) => Self::create_in(place),
            IndexStorage::ReadOnly(_) | IndexStorage::Memory => {
                Self::create(Box::new(RamDirectory::create()))
            }
        }
    }

    fn open_trusted(place: &IndexLocation, read_only: bool, state: StateRef<'_>) -> Result<Self> {
        let useless = |why: &str| Error::new(ErrorKind::Unavailable, why);
        if !place.exists() {
            return Err(useless("there is none"));
        }
        let index = Index::open(ChecksummedDirectory::new(place.open()?, read_only))
            .map_err(tantivy_error)?;
        let schema = IndexSchema::new();
        if index.schema() != schema.schema() {
            return Err(useless("it has other fields"));
        }
        let meta = index.load_metas().map_err(tantivy_error)?;
        let payload = meta.payload.as_deref().and_then(CommitPayload::decode);
        match &payload {
            None => return Err(useless("it does not say what it holds")),
            Some(payload) => match payload.standing(state)? {
                Compatibility::Past => {}
                Compatibility::Useless(why) => return Err(useless(why)),
            },
        }
        let mut files = meta.list_segment_files();
        // Of files that there need not be, those that there must be.
        files.retain(|name| {
            !name
                .extension()
                .is_some_and(|extension| extension == "del" || extension == "temp")
        });
        let changed = meta.segments.iter().filter(|segment| segment.has_deletes());
        files.extend(changed.map(|segment| segment.relative_path(SegmentComponent::Delete)));
        for name in &files {
            // Before anything reads it: a damaged file gives wrong answers, panics or hangs, and one that is missing is
            // noticed late or never.
            if !index
                .directory()
                .validate_checksum(name)
                .map_err(tantivy_error)?
            {
                return Err(useless(&format!("{} is damaged", name.display())));
            }
        }
        for name in place.files()? {
            if !read_only && is_of_segment(&name) && !files.contains(&name) {
                // Of a commit that was cut off: tantivy would come to the same name again, and refuse to write over it.
                index
                    .directory()
                    .delete(&name)
                    .map_err(|error| useless(&error.to_string()))?;
            }
        }
        Self::assemble(index, schema, payload)
    }

    fn create_in(place: &IndexLocation) -> Result<Self> {
        place.clear()?;
        Self::create(Box::new(ChecksummedDirectory::new(place.open()?, false)))
    }

    fn create(directory: Box<dyn Directory>) -> Result<Self> {
        let schema = IndexSchema::new();
        let index = Index::create(directory, schema.schema(), IndexSettings::default())
            .map_err(tantivy_error)?;
        Self::assemble(index, schema, None)
    }

    fn assemble(index: Index, schema: IndexSchema, payload: Option<CommitPayload>) -> Result<Self> {
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
            payload,
        })
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

/// Whether a file is named as those of segments are, after the segment's id.
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
    use crate::storage::{Database, Location, OpenMode};
    use crate::{LeadStore, NewLead, SearchQuery};

    #[test]
    fn no_index_with_a_changed_byte_or_a_missing_file_is_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let store = LeadStore::open(directory.path()).unwrap();
        store
            .transaction(|t| {
                (0..200).try_for_each(|n| t.create(NewLead::new(format!("Jane no{n}"))).map(drop))
            })
            .unwrap();
        // A store that is closed before its index is there makes it when it is opened next.
        store.search(&SearchQuery::new("jane")).unwrap();
        store.close().unwrap();
        let medium = Location::Directory(directory.path().to_owned());
        let read = Database::open(&medium, 1 << 20, OpenMode::OpenExisting)
            .unwrap()
            .read()
            .unwrap();
        let search = directory.path().join("search");
        let place = IndexLocation::Directory(search.clone());
        let trusted = || IndexFiles::open_trusted(&place, true, read.state()).is_ok();
        assert!(trusted());
        let mut changed = 0;
        for entry in std::fs::read_dir(&search).unwrap() {
            let path = entry.unwrap().path();
            let whole = std::fs::read(&path).unwrap();
            for part in 0..16 {
                let Some(index) = (whole.len() * part)
                    .checked_div(16)
                    .filter(|index| *index < whole.len())
                else {
                    continue;
                };
                let mut bytes = whole.clone();
                bytes[index] ^= 0x40;
                std::fs::write(&path, &bytes).unwrap();
                assert!(!trusted(), "{} at {index}", path.display());
                changed += 1;
            }
            // Without its list of files tantivy would only remove fewer of them.
            if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
                std::fs::remove_file(&path).unwrap();
                assert!(!trusted(), "without {}", path.display());
            }
            std::fs::write(&path, whole).unwrap();
        }
        assert!(trusted() && changed > 50);
    }
}
