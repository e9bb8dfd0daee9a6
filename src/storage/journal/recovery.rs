//! What the journal has after the state that the tables have. A file ends where an entry is torn; that is told from
//! damage by what the entries after it say of those before them.

use std::collections::HashSet;

use redb::StorageBackend;

use super::super::header::{Header, Seq};
use super::entry::{Entry, MAGIC, Op};
use super::failure;
use crate::{Error, Result};

/// The bytes of both files.
pub(in crate::storage) struct Recovery {
    files: [Vec<u8>; 2],
}

/// What is to be done again, and where the journal goes on.
pub(in crate::storage) struct Recovered {
    pub(in crate::storage) commits: Vec<Commit>,
    pub(super) ends_in_second: bool,
    /// The use of the file that ends it, and its end; `None` if there is nothing to go on from.
    pub(super) goes_on_at: Option<(u64, u64)>,
    /// Entries of the other file, to be written to this one, so that the other can be begun anew.
    pub(super) carried: Vec<Vec<u8>>,
}

/// One commit that the tables have not.
pub(in crate::storage) struct Commit {
    pub(in crate::storage) header: Header,
    pub(in crate::storage) ops: Vec<Op>,
}

impl Recovery {
    pub(in crate::storage) fn read(files: &[Box<dyn StorageBackend>; 2]) -> Result<Self> {
        let [first, second] = files.each_ref().map(|file| -> std::io::Result<Vec<u8>> {
            let length = usize::try_from(file.len()?).map_err(std::io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read(0, &mut bytes)?;
            Ok(bytes)
        });
        let read = |bytes: std::io::Result<Vec<u8>>| bytes.map_err(|error| failure("reading", error));
        Ok(Self { files: [read(first)?, read(second)?] })
    }

    pub(in crate::storage) fn of(files: [Vec<u8>; 2]) -> Self {
        Self { files }
    }

    /// The commits after `state`.
    pub(in crate::storage) fn after(&self, state: &Header) -> Result<Recovered> {
        let [first, second] = self.files.each_ref().map(|bytes| Content::of(bytes));
        let mut entries: Vec<(&Entry<'_>, bool)> = Vec::new();
        entries.extend(first.entries.iter().map(|entry| (entry, false)));
        entries.extend(second.entries.iter().map(|entry| (entry, true)));
        entries.retain(|(entry, _)| entry.seq > state.seq);
        entries.sort_by_key(|(entry, _)| entry.seq);

        let mut recovered =
            Recovered { commits: Vec::new(), ends_in_second: false, goes_on_at: None, carried: Vec::new() };
        let (mut last, mut last_id) = (state.seq, state.commit_id);
        let mut reached: Vec<(&Entry<'_>, bool)> = Vec::new();
        let mut unreached = Vec::new();
        for (entry, in_second) in entries {
            // One that was carried over is in both files.
            if entry.seq <= last {
                continue;
            }
            if !unreached.is_empty() || Some(entry.seq.0) != last.0.checked_add(1) {
                unreached.push(entry);
                continue;
            }
            if entry.previous != last_id {
                return Err(another_history());
            }
            let (header, ops) = entry.decode()?;
            (last, last_id) = (header.seq, header.commit_id);
            recovered.commits.push(Commit { header, ops });
            reached.push((entry, in_second));
        }
        let beyond = first.beyond.iter().chain(&second.beyond);
        if unreached.into_iter().chain(beyond).any(|entry| entry.synced > last) {
            return Err(damaged(last));
        }
        if let Some((_, ends_in_second)) = reached.last().copied() {
            let end = if ends_in_second { &second } else { &first };
            let usage = end.usage.unwrap_or_default();
            recovered.ends_in_second = ends_in_second;
            recovered.goes_on_at = Some((usage, end.end as u64));
            let there: HashSet<Seq> = end.entries.iter().map(|entry| entry.seq).collect();
            let others = reached.iter().filter(|(entry, _)| !there.contains(&entry.seq));
            recovered.carried = others.map(|(entry, _)| entry.encode_for(usage)).collect::<Result<_>>()?;
        }
        Ok(recovered)
    }

    /// Writes back what was read, so that it is on disk even if a sync of it failed before.
    pub(in crate::storage) fn secure(&self, files: &[Box<dyn StorageBackend>; 2]) -> Result<()> {
        for (file, bytes) in files.iter().zip(&self.files) {
            let end = Content::of(bytes).end;
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
    fn of(bytes: &'a [u8]) -> Self {
        let mut content = Self { usage: None, entries: Vec::new(), end: 0, beyond: Vec::new() };
        while let Some(entry) = bytes.get(content.end..).and_then(Entry::parse) {
            if *content.usage.get_or_insert(entry.usage) != entry.usage {
                break;
            }
            content.end += entry.length();
            content.entries.push(entry);
        }
        content.look_beyond(bytes);
        content
    }

    /// What follows may be of an earlier use of the file. That does no harm: the tables have all of it.
    fn look_beyond(&mut self, bytes: &'a [u8]) {
        let mut at = self.end;
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= MAGIC.len()) {
            match Entry::parse(rest) {
                Some(entry) => {
                    at += entry.length();
                    self.beyond.push(entry);
                }
                None => {
                    let next = rest.windows(MAGIC.len()).skip(1).position(|window| window == MAGIC);
                    at += next.map_or(rest.len(), |position| position + 1);
                }
            }
        }
    }
}

fn another_history() -> Error {
    Error::corrupted(
        "the store's journal goes on from another state than that of leads.redb; if an older copy of that was put \
         back, remove leads.journal.0 and leads.journal.1, and with them what was written after the copy",
    )
}

fn damaged(last: Seq) -> Error {
    Error::corrupted(format!(
        "the store's journal is damaged after commit {}: entries are missing that were on disk",
        last.0
    ))
}
