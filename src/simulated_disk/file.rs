//! One file: what is read of it, what of that is on the disk for certain, and what was changed since.

use std::io;

use fastrand::Rng;

use crate::simulated_disk::content::Content;

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

#[derive(Clone, Default)]
pub(crate) struct File {
    current: Content,
    durable: Content,
    /// What was changed since the last sync, in order.
    unsynced: Vec<FileChange>,
    /// Whether a sync has failed, so that what is read may not be what the disk has.
    is_doubtful: bool,
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

/// By which odds unsynced changes are kept at one power cut: all, none, most, some.
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

    /// A sync that fails has written any part, and the rest counts as written from now on.
    pub(crate) fn fail_to_sync(&mut self, rng: &mut Rng) {
        self.durable = self.any_part(rng);
        self.unsynced.clear();
        self.is_doubtful = true;
    }

    pub(crate) fn after_power_cut(&self, rng: &mut Rng) -> Self {
        let content = self.any_part(rng);
        Self {
            current: content.clone(),
            durable: content,
            unsynced: Vec::new(),
            is_doubtful: false,
        }
    }

    /// What the next process reads, for which the kernel may have to go back to the disk.
    pub(crate) fn reread(&self, rng: &mut Rng) -> Self {
        let mut file = self.clone();
        if self.is_doubtful && rng.bool() {
            file.drop_page_cache();
        }
        file
    }

    pub(crate) fn drop_page_cache(&mut self) {
        self.current = self.durable.clone();
        self.unsynced
            .iter()
            .for_each(|change| change.apply(&mut self.current));
        self.is_doubtful = false;
    }

    /// What is durable, with any part of what was not synced.
    fn any_part(&self, rng: &mut Rng) -> Content {
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

/// Writes some sectors of a write, and may make the file as long as if it had been whole.
fn tear(offset: u64, data: &[u8], content: &mut Content, rng: &mut Rng) {
    let end = offset + data.len() as u64;
    if end > content.len() && rng.bool() {
        content.set_len(end);
    }
    let (mut at, mut rest) = (offset, data);
    // From one sector to the next, or from the first ones to none.
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
