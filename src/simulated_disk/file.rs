//! A file: its contents as reads see them, its durable contents, and the changes since the last
//! sync.

use std::io;

use fastrand::Rng;

use crate::simulated_disk::content::Content;

/// The unit that a disk writes atomically, in bytes.
const SECTOR: u64 = 512;

#[derive(Clone, Default)]
pub(crate) struct File {
    current: Content,
    durable: Content,
    /// The changes since the last sync, in order.
    unsynced: Vec<FileChange>,
    /// True if a sync has failed since the page cache was last dropped, so that reads may return
    /// data that no sync will write to the disk.
    may_differ_from_disk: bool,
}

#[derive(Clone)]
enum FileChange {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl FileChange {
    fn apply(&self, content: &mut Content) {
        match self {
            Self::Write(offset, data) => content.write(*offset, data),
            Self::Length(length) => content.set_len(*length),
        }
    }
}

/// The probabilities that an unsynced change is kept and that an unsynced write is torn. They are
/// drawn again at each power cut and failed sync, separately for each file and for the file names,
/// so that a file may keep all, most, some or none of its changes.
pub(crate) struct Odds {
    kept: f64,
    torn: f64,
}

impl Odds {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let kept = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0]).unwrap_or_default();
        let torn = rng.choice([0.0, 0.3, 1.0]).unwrap_or_default();
        Self { kept, torn }
    }

    pub(crate) fn keeps(&self, rng: &mut Rng) -> bool {
        rng.f64() < self.kept
    }
}

impl File {
    pub(crate) fn len(&self) -> u64 {
        self.current.len()
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.current.read(offset, out)
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        self.change(FileChange::Write(offset, data.to_vec()));
    }

    pub(crate) fn set_len(&mut self, length: u64) {
        self.change(FileChange::Length(length));
    }

    fn change(&mut self, change: FileChange) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Simulates a failed sync: a random part of the unsynced changes becomes durable, and the rest
    /// counts as synced, so that no later sync writes it.
    pub(crate) fn fail_sync(&mut self, rng: &mut Rng) {
        self.durable = self.durable_with_random_changes(rng);
        self.unsynced.clear();
        self.may_differ_from_disk = true;
    }

    pub(crate) fn after_power_cut(&self, rng: &mut Rng) -> Self {
        let content = self.durable_with_random_changes(rng);
        Self {
            current: content.clone(),
            durable: content,
            unsynced: Vec::new(),
            may_differ_from_disk: false,
        }
    }

    /// Returns the file as the next process reads it. After a failed sync, the kernel may have
    /// dropped pages that never reached the disk; the next process then reads the old data from
    /// the disk.
    pub(crate) fn after_process_kill(&self, rng: &mut Rng) -> Self {
        let mut file = self.clone();
        if self.may_differ_from_disk && rng.bool() {
            file.drop_page_cache();
        }
        file
    }

    pub(crate) fn drop_page_cache(&mut self) {
        self.current = self.durable.clone();
        self.unsynced
            .iter()
            .for_each(|change| change.apply(&mut self.current));
        self.may_differ_from_disk = false;
    }

    /// Returns the durable contents with a random subset of the unsynced changes, some of them
    /// torn.
    fn durable_with_random_changes(&self, rng: &mut Rng) -> Content {
        let odds = Odds::random(rng);
        let mut content = self.durable.clone();
        for change in &self.unsynced {
            match change {
                FileChange::Write(offset, data) if rng.f64() < odds.torn => {
                    tear(*offset, data, &mut content, rng)
                }
                change if odds.keeps(rng) => change.apply(&mut content),
                _ => {}
            }
        }
        content
    }
}

/// Writes some sectors of a torn write. May extend the file to the length that the complete write
/// would have given it.
fn tear(offset: u64, data: &[u8], content: &mut Content, rng: &mut Rng) {
    let end = offset + data.len() as u64;
    if end > content.len() && rng.bool() {
        content.set_len(end);
    }
    let (mut at, mut rest) = (offset, data);
    // A torn write keeps either an arbitrary subset of its sectors or only a prefix of them.
    let (by_sector, mut kept) = (rng.bool(), true);
    while !rest.is_empty() {
        let (sector, after) = rest.split_at(((SECTOR - at % SECTOR) as usize).min(rest.len()));
        kept = if by_sector {
            rng.bool()
        } else {
            kept && rng.u32(0..4) > 0
        };
        if kept {
            content.write(at, sector);
        }
        at += sector.len() as u64;
        rest = after;
    }
}
