//! Decodes arbitrary bytes with the decoders of the storage layer, for fuzz targets. No input may
//! make a decoder panic or allocate memory out of proportion to the input. Every decoded lead,
//! metadata or log record must round-trip.

use crate::row::{RowBits, chunk_length};
use crate::storage::file::location::SharedMemory;
use crate::storage::file::table_file::TableFile;
use crate::storage::journal::Recovery;
use crate::storage::key;
use crate::storage::record::change_log;
use crate::storage::record::lead_record;
use crate::storage::record::meta::StoreMeta;
use crate::storage::tables::bitmap_chunk::decode_chunk;
use crate::storage::tables::block::BlockKeys;
use redb::StorageBackend as _;

/// Decodes `bytes` as each kind of data. Returns an error if a decoded lead, metadata or log record
/// does not round-trip.
pub(crate) fn read_in_every_way(bytes: &[u8]) -> Result<(), String> {
    if let Ok(stored) = lead_record::decode(bytes) {
        let again = lead_record::encode(&stored).map_err(|error| error.to_string())?;
        if lead_record::decode(&again).map_err(|error| error.to_string())? != stored {
            return Err(format!("{stored:?} does not round-trip"));
        }
    }
    if let Ok(meta) = StoreMeta::decode(bytes) {
        let again = meta.encode().map_err(|error| error.to_string())?;
        if StoreMeta::decode(&again).map_err(|error| error.to_string())? != meta {
            return Err(format!("{meta:?} does not round-trip"));
        }
    }
    if let Ok((commit, changes)) = change_log::decode(bytes) {
        let again = change_log::encode(commit, &changes).map_err(|error| error.to_string())?;
        if change_log::decode(&again).map_err(|error| error.to_string())? != (commit, changes) {
            return Err("a log record does not round-trip".to_owned());
        }
    }
    #[cfg(feature = "http")]
    let _ = crate::storage::record::credential::decode(bytes);
    if let Ok(mut keys) = BlockKeys::of(bytes) {
        while let Ok(Some(key)) = keys.next() {
            let _ = (
                key::split_row(key),
                key::split_chunk(key),
                key::chunk_number(key),
            );
        }
    }
    let _ = (
        decode_chunk(bytes),
        chunk_length(bytes),
        RowBits::default().count_of(bytes),
    );
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let recovery = Recovery::of([first.to_vec(), second.to_vec()]);
    if let Ok(recovered) = recovery.after(&StoreMeta::new()) {
        recovered.commits().for_each(drop);
    }
    let file = SharedMemory::default();
    let written = file
        .set_len(bytes.len() as u64)
        .and_then(|()| file.write(0, bytes));
    if written.is_ok()
        && let Ok(sealed) = TableFile::open(Box::new(file))
    {
        let mut out = vec![0; 4_096];
        let _ = (
            sealed.len(),
            sealed.read(0, &mut out),
            sealed.read(4_096, &mut out),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed corpus of the fuzz target contains lead, metadata and log records.
    #[test]
    fn fuzz_seeds_round_trip() {
        let Ok(seeds) =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/record"))
        else {
            return println!("SKIPPED: a packaged crate has no seeds");
        };
        let mut kinds = [0; 3];
        for seed in seeds {
            let seed = std::fs::read(seed.unwrap().path()).unwrap();
            read_in_every_way(&seed).unwrap();
            let is_kind = [
                lead_record::decode(&seed).is_ok(),
                StoreMeta::decode(&seed).is_ok(),
                change_log::decode(&seed).is_ok(),
            ];
            kinds
                .iter_mut()
                .zip(is_kind)
                .for_each(|(count, is_kind)| *count += u32::from(is_kind));
        }
        assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    }
}
