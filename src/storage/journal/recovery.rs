//! What the journal has after the state that the tables have. A file ends where an entry is torn; that is told from
//! damage by what the entries after it say of those before them.

use std::collections::HashSet;

use redb::StorageBackend;

use crate::error::{Error, Result};
use crate::storage::journal::entry::{Entry, MAGIC, RedoOp, store_tag};
use crate::storage::journal::failure;
use crate::storage::record::meta::{Seq, StoreMeta};

/// The bytes of both files.
pub(crate) struct Recovery {
    files: [Vec<u8>; 2],
}

/// What is to be done again, and where the journal goes on.
pub(crate) struct Recovered<'a> {
    commits: Vec<Entry<'a>>,
    pub(crate) ends_in_second: bool,
    /// The use of the file that ends it, and its end; `None` if there is nothing to go on from.
    pub(crate) resume_at: Option<(u64, u64)>,
    /// Entries of the other file, to be written to this one, so that the other can be begun anew.
    pub(crate) carried: Vec<Vec<u8>>,
}

/// One commit that the tables have not.
pub(crate) struct Commit {
    pub(crate) meta: StoreMeta,
    pub(crate) ops: Vec<RedoOp>,
}

impl Recovered<'_> {
    /// How many commits the tables have not.
    pub(crate) fn count(&self) -> usize {
        self.commits.len()
    }

    /// Those commits, one after the other.
    pub(crate) fn commits(&self) -> impl Iterator<Item = Result<Commit>> {
        self.commits
            .iter()
            .map(|entry| entry.decode().map(|(meta, ops)| Commit { meta, ops }))
    }
}

impl Recovery {
    pub(crate) fn read(files: &[Box<dyn StorageBackend>; 2]) -> Result<Self> {
        let [first, second] = files.each_ref().map(|file| -> std::io::Result<Vec<u8>> {
            let length = usize::try_from(file.len()?).map_err(std::io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read(0, &mut bytes)?;
            Ok(bytes)
        });
        let read =
            |bytes: std::io::Result<Vec<u8>>| bytes.map_err(|error| failure("reading", error));
        Ok(Self {
            files: [read(first)?, read(second)?],
        })
    }

    pub(crate) fn of(files: [Vec<u8>; 2]) -> Self {
        Self { files }
    }

    /// Whether there is any entry, of whatever store.
    pub(crate) fn is_empty(&self) -> bool {
        self.files
            .iter()
            .all(|bytes| Entry::parse(bytes, None).is_none())
    }

    /// The commits after `state`.
    pub(crate) fn after(&self, state: &StoreMeta) -> Result<Recovered<'_>> {
        let tag = store_tag(state);
        let is_foreign = |bytes: &Vec<u8>| {
            Entry::parse(bytes, None).is_some_and(|entry| entry.entry_header.store != tag)
        };
        if self.files.iter().any(is_foreign) {
            return Err(another_history());
        }
        let [first, second] = self
            .files
            .each_ref()
            .map(|bytes| FileContent::of(bytes, tag));
        let mut entries: Vec<(&Entry<'_>, bool)> = Vec::new();
        entries.extend(first.entries.iter().map(|entry| (entry, false)));
        entries.extend(second.entries.iter().map(|entry| (entry, true)));
        entries.retain(|(entry, _)| entry.entry_header.seq > state.seq);
        entries.sort_by_key(|(entry, _)| entry.entry_header.seq);

        let (mut last, mut last_id) = (state.seq, state.commit_id);
        let mut reached: Vec<(&Entry<'_>, bool)> = Vec::new();
        let mut unreached = Vec::new();
        for (entry, in_second) in entries {
            // One that was carried over is in both files.
            if entry.entry_header.seq <= last {
                continue;
            }
            if !unreached.is_empty() || Some(entry.entry_header.seq.0) != last.0.checked_add(1) {
                unreached.push(entry);
                continue;
            }
            if entry.entry_header.previous != last_id {
                return Err(another_history());
            }
            (last, last_id) = (entry.entry_header.seq, entry.entry_header.commit_id);
            reached.push((entry, in_second));
        }
        let beyond = first.beyond.iter().chain(&second.beyond);
        if unreached
            .into_iter()
            .chain(beyond)
            .any(|entry| entry.entry_header.synced > last)
        {
            return Err(if reached.is_empty() {
                another_history()
            } else {
                damaged(last)
            });
        }
        let commits = reached.iter().map(|(entry, _)| (*entry).clone()).collect();
        let mut recovered = Recovered {
            commits,
            ends_in_second: false,
            resume_at: None,
            carried: Vec::new(),
        };
        if let Some((_, ends_in_second)) = reached.last().copied() {
            let end = if ends_in_second { &second } else { &first };
            let epoch = end.epoch.unwrap_or_default();
            recovered.ends_in_second = ends_in_second;
            recovered.resume_at = Some((epoch, end.end as u64));
            let there: HashSet<Seq> = end
                .entries
                .iter()
                .map(|entry| entry.entry_header.seq)
                .collect();
            let others = reached
                .iter()
                .filter(|(entry, _)| !there.contains(&entry.entry_header.seq));
            recovered.carried = others
                .map(|(entry, _)| entry.encode_for(epoch))
                .collect::<Result<_>>()?;
        }
        Ok(recovered)
    }

    /// Writes back what was read, so that it is on disk even if a sync of it failed before.
    pub(crate) fn secure(
        &self,
        files: &[Box<dyn StorageBackend>; 2],
        state: &StoreMeta,
    ) -> Result<()> {
        for (file, bytes) in files.iter().zip(&self.files) {
            let end = FileContent::of(bytes, store_tag(state)).end;
            file.write(0, bytes.get(..end).unwrap_or_default())
                .and_then(|()| file.sync_data())
                .map_err(|error| failure("syncing", error))?;
        }
        Ok(())
    }
}

/// The entries of one file.
struct FileContent<'a> {
    epoch: Option<u64>,
    /// From its start, one after the other.
    entries: Vec<Entry<'a>>,
    end: usize,
    /// Whole entries that lie behind one that is not.
    beyond: Vec<Entry<'a>>,
}

impl<'a> FileContent<'a> {
    fn of(bytes: &'a [u8], tag: u64) -> Self {
        let mut content = Self {
            epoch: None,
            entries: Vec::new(),
            end: 0,
            beyond: Vec::new(),
        };
        while let Some(entry) = bytes
            .get(content.end..)
            .and_then(|rest| Entry::parse(rest, Some(tag)))
        {
            if *content.epoch.get_or_insert(entry.entry_header.epoch) != entry.entry_header.epoch {
                break;
            }
            content.end += entry.length();
            content.entries.push(entry);
        }
        content.look_beyond(bytes, tag);
        content
    }

    /// What follows may be of an earlier use of the file. That does no harm: the tables have all of it.
    fn look_beyond(&mut self, bytes: &'a [u8], tag: u64) {
        let mut at = self.end;
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= MAGIC.len()) {
            match Entry::parse(rest, Some(tag)) {
                Some(entry) => {
                    at += entry.length();
                    self.beyond.push(entry);
                }
                None => {
                    let next = rest
                        .get(1..)
                        .and_then(|rest| memchr::memmem::find(rest, &MAGIC));
                    at += next.map_or(rest.len(), |position| position + 1);
                }
            }
        }
    }
}

fn another_history() -> Error {
    Error::corrupted(
        "the store's journal does not go on from the state of leads.redb: either that was put back from a copy, and \
         leads.journal.0 and leads.journal.1 are to be removed with what was written after the copy, or they are damaged",
    )
}

fn damaged(last: Seq) -> Error {
    Error::corrupted(format!(
        "the store's journal is damaged after commit {}: entries are missing that were on disk",
        last.0
    ))
}
