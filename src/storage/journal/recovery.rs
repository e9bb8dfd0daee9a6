//! What the journal has after the state that the tables have. A file ends where an entry is torn; that is told from
//! damage by what the entries after it say of those before them.

use std::collections::HashSet;

use redb::StorageBackend;

use crate::error::{Error, Result};
use crate::storage::journal::entry::{Entry, MAGIC, Op, store_tag};
use crate::storage::journal::failure;
use crate::storage::record::meta::{Header, Seq};

/// The bytes of both files.
pub(crate) struct Recovery {
    files: [Vec<u8>; 2],
}

/// What is to be done again, and where the journal goes on.
pub(crate) struct Recovered<'a> {
    commits: Vec<Entry<'a>>,
    pub(crate) ends_in_second: bool,
    /// The use of the file that ends it, and its end; `None` if there is nothing to go on from.
    pub(crate) goes_on_at: Option<(u64, u64)>,
    /// Entries of the other file, to be written to this one, so that the other can be begun anew.
    pub(crate) carried: Vec<Vec<u8>>,
}

/// One commit that the tables have not.
pub(crate) struct Commit {
    pub(crate) header: Header,
    pub(crate) ops: Vec<Op>,
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
            .map(|entry| entry.decode().map(|(header, ops)| Commit { header, ops }))
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
    pub(crate) fn after(&self, state: &Header) -> Result<Recovered<'_>> {
        let tag = store_tag(state);
        let is_foreign = |bytes: &Vec<u8>| {
            Entry::parse(bytes, None).is_some_and(|entry| entry.head.store != tag)
        };
        if self.files.iter().any(is_foreign) {
            return Err(another_history());
        }
        let [first, second] = self.files.each_ref().map(|bytes| Content::of(bytes, tag));
        let mut entries: Vec<(&Entry<'_>, bool)> = Vec::new();
        entries.extend(first.entries.iter().map(|entry| (entry, false)));
        entries.extend(second.entries.iter().map(|entry| (entry, true)));
        entries.retain(|(entry, _)| entry.head.seq > state.seq);
        entries.sort_by_key(|(entry, _)| entry.head.seq);

        let (mut last, mut last_id) = (state.seq, state.commit_id);
        let mut reached: Vec<(&Entry<'_>, bool)> = Vec::new();
        let mut unreached = Vec::new();
        for (entry, in_second) in entries {
            // One that was carried over is in both files.
            if entry.head.seq <= last {
                continue;
            }
            if !unreached.is_empty() || Some(entry.head.seq.0) != last.0.checked_add(1) {
                unreached.push(entry);
                continue;
            }
            if entry.head.previous != last_id {
                return Err(another_history());
            }
            (last, last_id) = (entry.head.seq, entry.head.commit_id);
            reached.push((entry, in_second));
        }
        let beyond = first.beyond.iter().chain(&second.beyond);
        if unreached
            .into_iter()
            .chain(beyond)
            .any(|entry| entry.head.synced > last)
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
            goes_on_at: None,
            carried: Vec::new(),
        };
        if let Some((_, ends_in_second)) = reached.last().copied() {
            let end = if ends_in_second { &second } else { &first };
            let usage = end.usage.unwrap_or_default();
            recovered.ends_in_second = ends_in_second;
            recovered.goes_on_at = Some((usage, end.end as u64));
            let there: HashSet<Seq> = end.entries.iter().map(|entry| entry.head.seq).collect();
            let others = reached
                .iter()
                .filter(|(entry, _)| !there.contains(&entry.head.seq));
            recovered.carried = others
                .map(|(entry, _)| entry.encode_for(usage))
                .collect::<Result<_>>()?;
        }
        Ok(recovered)
    }

    /// Writes back what was read, so that it is on disk even if a sync of it failed before.
    pub(crate) fn secure(
        &self,
        files: &[Box<dyn StorageBackend>; 2],
        state: &Header,
    ) -> Result<()> {
        for (file, bytes) in files.iter().zip(&self.files) {
            let end = Content::of(bytes, store_tag(state)).end;
            file.write(0, bytes.get(..end).unwrap_or_default())
                .and_then(|()| file.sync_data())
                .map_err(|error| failure("syncing", error))?;
        }
        Ok(())
    }
}

/// The entries of one file.
struct Content<'a> {
    usage: Option<u64>,
    /// From its start, one after the other.
    entries: Vec<Entry<'a>>,
    end: usize,
    /// Whole entries that lie behind one that is not.
    beyond: Vec<Entry<'a>>,
}

impl<'a> Content<'a> {
    fn of(bytes: &'a [u8], tag: u64) -> Self {
        let mut content = Self {
            usage: None,
            entries: Vec::new(),
            end: 0,
            beyond: Vec::new(),
        };
        while let Some(entry) = bytes
            .get(content.end..)
            .and_then(|rest| Entry::parse(rest, Some(tag)))
        {
            if *content.usage.get_or_insert(entry.head.usage) != entry.head.usage {
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
