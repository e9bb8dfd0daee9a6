//! Unit tests of `table_file`.

use super::*;
use crate::error::Error;
use crate::storage::file::failing::FailingFile;
use crate::storage::file::location::SharedMemory;
use proptest::prelude::*;

/// Returns a file of four blocks filled with `byte`.
fn filled(byte: u8) -> (SharedMemory, TableFile) {
    let memory = SharedMemory::default();
    let file = TableFile::create(Box::new(memory.clone())).unwrap();
    file.set_len(4 * DATA as u64).unwrap();
    (0..4).for_each(|block| file.write(block * DATA as u64, &[byte; DATA]).unwrap());
    (memory, file)
}

/// Returns the offset of a block in the file, and the length of a seal.
fn place(file: &TableFile, block: u64) -> (u64, usize) {
    let seal = &file.blocks.seal;
    (block_offset(seal, block).unwrap(), seal.len())
}

fn read_file(file: &TableFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4 * DATA];
    file.read(0, &mut bytes).map(|()| bytes)
}

proptest! {
    #[test]
    fn reads_and_writes_match_those_of_a_plain_file(
        writes in prop::collection::vec((0..4 * DATA, 1..2 * DATA + 100, 1_u8.., 0_u8..4), 1..12),
        (from, length) in (0..4 * DATA, 1..2 * DATA + 100),
    ) {
        let (memory, mut file) = filled(0);
        let mut plain = vec![0; 4 * DATA];
        for (offset, length, byte, then) in writes {
            let length = length.min(plain.len() - offset);
            file.write(offset as u64, &vec![byte; length]).unwrap();
            plain[offset..offset + length].fill(byte);
            match then {
                0 => file.sync_data().unwrap(),
                1 => file = TableFile::open(Box::new(memory.clone())).unwrap(),
                _ => {}
            }
            prop_assert_eq!(file.len().unwrap(), plain.len() as u64);
            prop_assert_eq!(&read_file(&file).unwrap(), &plain);
        }
        let mut part = vec![0; length.min(plain.len() - from)];
        file.read(from as u64, &mut part).unwrap();
        prop_assert_eq!(&part, &plain[from..from + part.len()]);
    }
}

#[test]
fn block_moved_to_another_position_fails_its_checksum() {
    let memory = SharedMemory::default();
    let file = TableFile::create(Box::new(memory.clone())).unwrap();
    file.set_len(4 * DATA as u64).unwrap();
    (0..4).for_each(|n| file.write(n * DATA as u64, &[n as u8; DATA]).unwrap());
    let ((second, _), (third, _)) = (place(&file, 2), place(&file, 3));
    let mut block = vec![0; file.blocks.seal.block_len()];
    memory.read(second, &mut block).unwrap();
    memory.write(third, &block).unwrap();
    let file = TableFile::open(Box::new(memory)).unwrap();
    let mut data = [0; DATA];
    file.read(2 * DATA as u64, &mut data).unwrap();
    assert_eq!(data, [2; DATA]);
    let error = file.read(3 * DATA as u64, &mut data).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn closing_makes_both_copies_of_block_0_identical() {
    let (memory, file) = filled(1);
    file.sync_data().unwrap();
    assert!(!file.was_closed());
    file.close().unwrap();
    assert!(file.was_closed());
    let copy = |number: usize| {
        let mut bytes = vec![0; COPY];
        memory
            .read((PREFACE + number * COPY) as u64, &mut bytes)
            .unwrap();
        bytes
    };
    assert_eq!(copy(0), copy(1));
    let (_, seal) = place(&file, 1);
    assert!(
        copy(0)[seal + 8..seal + 8 + DATA]
            .iter()
            .all(|byte| *byte == 1)
    );
    // Either copy is sufficient, and a corrupted copy is not used.
    for (number, position) in [(0, 100), (1, 100), (0, 5), (1, 5)] {
        let at = (PREFACE + number * COPY + position) as u64;
        let byte = copy(number)[position];
        memory.write(at, &[byte ^ 1]).unwrap();
        let file = TableFile::open(Box::new(memory.clone())).unwrap();
        assert_eq!(read_file(&file).unwrap(), [1; 4 * DATA]);
        assert!(!file.was_closed());
        memory.write(at, &[byte]).unwrap();
    }
    assert!(
        TableFile::open(Box::new(memory.clone()))
            .unwrap()
            .was_closed()
    );
    // While the newest copy is unsynced, writes go to it, so the other copy survives.
    let file = TableFile::open(Box::new(memory.clone())).unwrap();
    let closed = copy(0);
    (2..6).for_each(|byte| file.write(0, &[byte; DATA]).unwrap());
    assert!((0..2).any(|number| copy(number) == closed));
    file.sync_data().unwrap();
    file.write(0, &[9; DATA]).unwrap();
    assert!((0..2).all(|number| copy(number) != closed));
}

#[test]
fn invalid_files_and_lengths_are_rejected_with_a_reason() {
    let (memory, file) = filled(1);
    for length in [0, DATA as u64 + 1] {
        assert_eq!(
            file.set_len(length).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
    memory.write(place(&file, 2).0 + 50, &[7]).unwrap();
    assert!(
        read_file(&file)
            .unwrap_err()
            .to_string()
            .contains("checksum mismatch in block 2")
    );
    assert!(
        file.corruption()
            .get()
            .is_some_and(|what| what.contains("block 2"))
    );
    assert!(file.with_own_corruption_slot().corruption().get().is_none());
    let reason = |length: u64| {
        memory.set_len(length).unwrap();
        let error = TableFile::open(Box::new(memory.clone())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        error.to_string()
    };
    assert!(reason(FIRST_BLOCK as u64 - 1).contains("too short"));
    assert!(reason(0).contains("too short"));
    assert!(reason(FIRST_BLOCK as u64 + 100).contains("bad magic number"));
}

#[test]
fn ignored_blocks_get_new_checksums_before_other_writes() {
    let read = |file: &TableFile, block: u64| {
        let mut data = vec![0; DATA];
        file.read(block * DATA as u64, &mut data).map(|()| data)
    };
    for (failing, is_sealed) in [(0, false), (1, true), (2, true)] {
        let memory = SharedMemory::default();
        let file = TableFile::create(Box::new(memory.clone())).unwrap();
        file.set_len(4 * DATA as u64).unwrap();
        (0..4).for_each(|block| file.write(block * DATA as u64, &[1; DATA]).unwrap());
        let (second, seal) = place(&file, 2);
        memory.write(second + seal as u64, &[7]).unwrap();
        // Operation 0 writes the checksum, 1 syncs it, and 2 writes the data of block 1.
        let file = TableFile::open(Box::new(FailingFile::at(failing, memory.clone()))).unwrap();
        assert!(read(&file, 2).is_err());
        let done: Result<()> = file.ignoring_seals(|| {
            assert!(read(&file, 2).unwrap().starts_with(&[7, 1]));
            assert!(file.write(DATA as u64, &[2; DATA]).is_err());
            Err(Error::closed())
        });
        assert!(done.is_err());
        let file = TableFile::open(Box::new(memory)).unwrap();
        assert_eq!(
            read(&file, 2).is_ok(),
            is_sealed,
            "operation {failing} failed"
        );
        assert!(
            read(&file, 1).unwrap().starts_with(&[1]),
            "nothing was written"
        );
    }
}

#[test]
fn work_with_a_limit_fails_at_its_first_sync_beyond_it() {
    let (_memory, file) = filled(1);
    let syncs = |count: usize| (0..count).try_for_each(|_| file.sync_data());
    file.limiting_syncs(3, || syncs(3)).unwrap();
    let error = file.limiting_syncs(3, || syncs(4)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    syncs(4).unwrap();
}
