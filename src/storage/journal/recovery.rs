//! Crash recovery: reads from the journal the commits that the tables lack. A file ends at the
//! first entry that is invalid or has another epoch. Later entries show whether an invalid entry is
//! a torn write or corruption, because each entry records the last commit that was durable when the
//! entry was written.

use std::collections::HashSet;

use redb::StorageBackend;

use crate::error::{Error, Result};
use crate::storage::journal::entry::{Entry, MAGIC, RedoOp, store_tag};
use crate::storage::journal::failure;
use crate::storage::record::meta::{Seq, StoreMeta};

/// The bytes of both journal files.
pub(crate) struct Recovery {
    files: [Vec<u8>; 2],
}

/// The commits to replay, and the position at which the journal continues.
pub(crate) struct Recovered<'a> {
    commits: Vec<Entry<'a>>,
    pub(crate) ends_in_second: bool,
    /// Epoch and end offset of the file that holds the last commit, or `None` if no commit is to be
    /// replayed.
    pub(crate) resume_at: Option<(u64, u64)>,
    /// Those entries to replay that only the other file contains, re-encoded with the epoch in
    /// `resume_at`. Once they are appended to the file with the last commit, the other file can be
    /// reused.
    pub(crate) carried: Vec<Vec<u8>>,
}

/// A commit that the tables lack.
pub(crate) struct Commit {
    pub(crate) meta: StoreMeta,
    pub(crate) ops: Vec<RedoOp>,
}

impl Recovered<'_> {
    /// Returns the number of commits that the tables lack.
    pub(crate) fn count(&self) -> usize {
        self.commits.len()
    }

    /// Decodes the commits that the tables lack, in order.
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

    /// Returns true if neither file starts with an intact entry, whether of this store or another.
    pub(crate) fn is_empty(&self) -> bool {
        self.files
            .iter()
            .all(|bytes| Entry::parse(bytes, None).is_none())
    }

    /// Returns the commits after `state`.
    ///
    /// # Errors
    ///
    /// `Corrupted` if the journal belongs to another store or history, or if a commit that was
    /// durable is missing.
    pub(crate) fn after(&self, state: &StoreMeta) -> Result<Recovered<'_>> {
        let tag = store_tag(state);
        let is_foreign = |bytes: &Vec<u8>| {
            Entry::parse(bytes, None).is_some_and(|entry| entry.header.store != tag)
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
        entries.retain(|(entry, _)| entry.header.seq > state.seq);
        entries.sort_by_key(|(entry, _)| entry.header.seq);

        let Chain { reached, unreached } = Chain::follow(entries, state)?;
        let last = reached
            .last()
            .map_or(state.seq, |(entry, _)| entry.header.seq);
        // An entry after the end of the chain records the last commit that was durable when the
        // entry was written. If the chain does not reach that commit, a durable commit is missing.
        let mut later = unreached
            .into_iter()
            .chain(&first.beyond)
            .chain(&second.beyond);
        if later.any(|entry| entry.header.synced > last) {
            return Err(if reached.is_empty() {
                another_history()
            } else {
                missing_commit(last)
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
            let there: HashSet<Seq> = end.entries.iter().map(|entry| entry.header.seq).collect();
            let others = reached
                .iter()
                .filter(|(entry, _)| !there.contains(&entry.header.seq));
            recovered.carried = others
                .map(|(entry, _)| entry.encode_for(epoch))
                .collect::<Result<_>>()?;
        }
        Ok(recovered)
    }

    /// Writes back the entries that were read and syncs them, so that they are durable even if an
    /// earlier sync failed.
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

/// The entries after a state, divided at the first gap in their numbers.
struct Chain<'e, 'b> {
    /// The entries that follow the state without a gap in their numbers. Each records the commit id
    /// of its predecessor; the predecessor of the first entry is the state. The flag is true if the
    /// entry is in the second file.
    reached: Vec<(&'e Entry<'b>, bool)>,
    /// The entries after the first gap.
    unreached: Vec<&'e Entry<'b>>,
}

impl<'e, 'b> Chain<'e, 'b> {
    /// Divides `entries`, which are ordered by number, at the first gap after `state`. Fails if an
    /// entry before the gap belongs to another history.
    fn follow(entries: Vec<(&'e Entry<'b>, bool)>, state: &StoreMeta) -> Result<Self> {
        let (mut last, mut last_id) = (state.seq, state.commit_id);
        let mut chain = Self {
            reached: Vec::new(),
            unreached: Vec::new(),
        };
        for (entry, in_second) in entries {
            let header = &entry.header;
            // An entry that was carried over is in both files.
            if header.seq <= last {
                continue;
            }
            let is_next = Some(header.seq.0) == last.0.checked_add(1);
            if !is_next || !chain.unreached.is_empty() {
                chain.unreached.push(entry);
                continue;
            }
            if header.previous != last_id {
                return Err(another_history());
            }
            (last, last_id) = (header.seq, header.commit_id);
            chain.reached.push((entry, in_second));
        }
        Ok(chain)
    }
}

/// The entries of one journal file.
struct FileContent<'a> {
    epoch: Option<u64>,
    /// Consecutive entries from offset 0.
    entries: Vec<Entry<'a>>,
    end: usize,
    /// Intact entries after `end`.
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
            if *content.epoch.get_or_insert(entry.header.epoch) != entry.header.epoch {
                break;
            }
            content.end += entry.length();
            content.entries.push(entry);
        }
        content.scan_after_end(bytes, tag);
        content
    }

    /// Collects the intact entries after the end. They may be of an earlier epoch, which is
    /// harmless: the tables contain all commits of that epoch.
    fn scan_after_end(&mut self, bytes: &'a [u8], tag: u64) {
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
        "the journal does not continue from the state of leads.redb: if that file was restored from a copy, remove \
         leads.journal.0 and leads.journal.1, which loses all writes after the copy; otherwise the journal is corrupted",
    )
}

fn missing_commit(last: Seq) -> Error {
    Error::corrupted(format!(
        "the journal is corrupted after commit {}: entries that were durable are missing",
        last.0
    ))
}
