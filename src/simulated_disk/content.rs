//! The contents of a file, in blocks that clones share until one of them writes to a block.

use std::io;
use std::sync::Arc;

const BLOCK: usize = 4096;

#[derive(Clone, Default)]
pub(crate) struct Content {
    blocks: Vec<Arc<[u8; BLOCK]>>,
    length: u64,
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut index, mut start) = locate(offset);
        let mut rest = out;
        while !rest.is_empty() {
            let block = self
                .blocks
                .get(index)
                .and_then(|block| block.get(start..))
                .unwrap_or_default();
            let (part, after) = rest.split_at_mut(block.len().min(rest.len()));
            part.copy_from_slice(block.get(..part.len()).unwrap_or_default());
            rest = after;
            (index, start) = (index + 1, 0);
        }
        Ok(())
    }

    /// Writes `data`, and extends the file if necessary.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let end = offset + data.len() as u64;
        if end > self.length {
            self.set_len(end);
        }
        let (mut index, mut start) = locate(offset);
        let mut rest = data;
        while let Some(block) = self.blocks.get_mut(index).filter(|_| !rest.is_empty()) {
            let (part, after) = rest.split_at((BLOCK - start).min(rest.len()));
            if let Some(target) = Arc::make_mut(block).get_mut(start..start + part.len()) {
                target.copy_from_slice(part);
            }
            rest = after;
            (index, start) = (index + 1, 0);
        }
    }

    pub(crate) fn set_len(&mut self, length: u64) {
        let (index, start) = locate(length);
        if length < self.length
            && let Some(block) = self.blocks.get_mut(index)
            && let Some(tail) = Arc::make_mut(block).get_mut(start..)
        {
            // Truncated data must not reappear when the file grows again.
            tail.fill(0);
        }
        let zeros = Arc::new([0; BLOCK]);
        self.blocks.resize(index + usize::from(start > 0), zeros);
        self.length = length;
    }
}

/// Returns the index of the block that contains a byte, and the byte's offset in the block.
fn locate(offset: u64) -> (usize, usize) {
    let block = BLOCK as u64;
    ((offset / block) as usize, (offset % block) as usize)
}
