//! A copy-on-write view of the store file at one point in time, which can be opened next to the
//! live store. Writes to it stay in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard};

use redb::StorageBackend;

use crate::storage::file::table_file::TableFile;
use crate::sync::lock;

const BLOCK: usize = 4_096;

/// A copy-on-write copy of another file. In memory, it holds only block 0 and the blocks written to
/// it. The parts that it reads from the other file must not change, and they do not: redb never
/// overwrites a page that a reader can see. redb does overwrite its header, so block 0 is copied
/// when the `CowFile` is created.
#[derive(Debug)]
pub(crate) struct CowFile {
    file: TableFile,
    own: Mutex<CowState>,
}

/// The copy's own length and blocks, which it does not read from the other file.
#[derive(Clone, Debug)]
struct CowState {
    length: u64,
    /// Only bytes before this offset are read from the other file.
    shared: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl CowFile {
    pub(crate) fn of(file: &TableFile) -> io::Result<Self> {
        let length = file.len()?;
        let mut meta = vec![0; BLOCK];
        file.read(0, &mut meta)?;
        let own = CowState {
            length,
            shared: length,
            blocks: BTreeMap::from([(0, meta)]),
        };
        Ok(Self {
            file: file.with_own_corruption_slot(),
            own: Mutex::new(own),
        })
    }

    /// Returns another copy, which starts with the current content of this one.
    pub(crate) fn fork(&self) -> Self {
        Self {
            file: self.file.with_own_corruption_slot(),
            own: Mutex::new(self.own().clone()),
        }
    }

    fn own(&self) -> MutexGuard<'_, CowState> {
        lock(&self.own)
    }

    fn block(&self, own: &CowState, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = own.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; BLOCK];
        if number * (BLOCK as u64) < own.shared {
            self.file.read(number * BLOCK as u64, &mut block)?;
        }
        Ok(block)
    }
}

impl StorageBackend for CowFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.own().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let own = self.own();
        let (mut rest, mut offset) = (out, offset);
        while !rest.is_empty() {
            let block = self.block(&own, offset / BLOCK as u64)?;
            let data = block
                .get((offset % BLOCK as u64) as usize..)
                .unwrap_or_default();
            let (target, after) = rest.split_at_mut(rest.len().min(data.len()));
            target.copy_from_slice(data.get(..target.len()).unwrap_or_default());
            offset += target.len() as u64;
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut own = self.own();
        own.length = len;
        own.shared = own.shared.min(len);
        own.blocks.split_off(&len.div_ceil(BLOCK as u64));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut own = self.own();
        let (mut rest, mut offset) = (data, offset);
        while !rest.is_empty() {
            let (number, skip) = (offset / BLOCK as u64, (offset % BLOCK as u64) as usize);
            let (new, after) = rest.split_at(rest.len().min(BLOCK - skip));
            let mut block = if new.len() == BLOCK {
                vec![0; BLOCK]
            } else {
                self.block(&own, number)?
            };
            block
                .get_mut(skip..skip + new.len())
                .unwrap_or_default()
                .copy_from_slice(new);
            own.blocks.insert(number, block);
            offset += new.len() as u64;
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::file::location::SharedMemory;

    #[test]
    fn cow_file_is_isolated_from_the_original() {
        let file = TableFile::create(Box::new(SharedMemory::default())).unwrap();
        file.set_len(4 * BLOCK as u64).unwrap();
        for number in 0..4_u8 {
            file.write(u64::from(number) * BLOCK as u64, &[number + 1; BLOCK])
                .unwrap();
        }
        let shadow = CowFile::of(&file).unwrap();
        let read = |file: &dyn StorageBackend, offset: u64, length: usize| {
            let mut out = vec![9; length];
            file.read(offset, &mut out).unwrap();
            out
        };
        shadow.write(BLOCK as u64 - 2, &[7; 4]).unwrap();
        assert_eq!(read(&shadow, BLOCK as u64 - 3, 6), [1, 7, 7, 7, 7, 2]);
        assert_eq!(read(&file, BLOCK as u64 - 3, 6), [1, 1, 1, 2, 2, 2]);
        file.write(0, &[8; 16]).unwrap();
        assert_eq!(
            read(&shadow, 0, 4),
            [1; 4],
            "the header is the one at creation"
        );
        // After truncation and growth, the range reads as zeros.
        shadow.set_len(2 * BLOCK as u64).unwrap();
        shadow.set_len(4 * BLOCK as u64).unwrap();
        assert_eq!(
            (shadow.len().unwrap(), read(&shadow, 2 * BLOCK as u64, 3)),
            (4 * BLOCK as u64, vec![0; 3])
        );
        assert_eq!(read(&file, 2 * BLOCK as u64, 3), [3; 3]);
    }
}
