//! The overlay: all changes committed since the last checkpoint, in memory, on top of the tables.
//! It has the latest value of everything that changed. The journal has the same changes on disk.
//!
//! The maps of an overlay are copy-on-write: copies share their nodes until one of them changes. A
//! copy costs next to nothing and does not change with the original, so every view of the store has
//! its own copy of the overlay.

use std::sync::Arc;

use imbl::OrdMap;
use roaring::RoaringBitmap;

use crate::error::Result;
use crate::row::Row;
use crate::storage::journal::RedoOp;
use crate::storage::shared_key::SharedKey as Key;
use crate::storage::tables::read::ReadTables;
use crate::storage::tables::read::stored_chunk;

/// The latest value of each changed key. Keys that are absent here are read from the tables.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    /// The record of each changed lead, `None` for a removed lead.
    leads: OrdMap<u32, Option<Arc<[u8]>>>,
    ids: OrdMap<Key, Option<Row>>,
    /// Each changed index key, with `false` for a removed one.
    keys: OrdMap<Key, bool>,
    /// The rows of each changed bitmap chunk, possibly empty.
    chunks: OrdMap<Key, Arc<RoaringBitmap>>,
    /// The changed deal values by row.
    deal_values: OrdMap<u32, Option<u64>>,
    log: OrdMap<Key, Option<Arc<[u8]>>>,
    /// The record of each changed credential, `None` for a removed credential.
    credentials: OrdMap<Key, Option<Arc<[u8]>>>,
    /// Approximate memory usage of the maps, in bytes.
    bytes: usize,
}

/// Approximate number of bytes that an entry takes in addition to its key and value: its slot in a
/// tree node, and the reference counts of its shared data.
const ENTRY_OVERHEAD: usize = 96;

impl Overlay {
    pub(crate) fn leads(&self) -> &OrdMap<u32, Option<Arc<[u8]>>> {
        &self.leads
    }

    pub(crate) fn ids(&self) -> &OrdMap<Key, Option<Row>> {
        &self.ids
    }

    pub(crate) fn keys(&self) -> &OrdMap<Key, bool> {
        &self.keys
    }

    pub(crate) fn chunks(&self) -> &OrdMap<Key, Arc<RoaringBitmap>> {
        &self.chunks
    }

    pub(crate) fn deal_values(&self) -> &OrdMap<u32, Option<u64>> {
        &self.deal_values
    }

    pub(crate) fn log(&self) -> &OrdMap<Key, Option<Arc<[u8]>>> {
        &self.log
    }

    pub(crate) fn credentials(&self) -> &OrdMap<Key, Option<Arc<[u8]>>> {
        &self.credentials
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        // Every commit adds a record to the change log.
        self.log.is_empty()
    }

    /// Applies a redo operation. `tables` are the tables under this overlay.
    pub(crate) fn apply(&mut self, op: &RedoOp, tables: &dyn ReadTables) -> Result<()> {
        if let RedoOp::Row {
            chunk,
            row,
            present,
        } = op
        {
            return self.set_row(chunk, *row, *present, tables);
        }
        self.set(op);
        Ok(())
    }

    /// Applies `ops`. Takes the changed bitmap chunks from `full`, an overlay to which `ops` have
    /// already been applied.
    pub(crate) fn merge_from(&mut self, ops: &[RedoOp], full: &Self) {
        for op in ops {
            if let RedoOp::Row { chunk, .. } = op {
                if let Some(rows) = full.chunks.get(chunk) {
                    self.set_chunk(chunk.clone(), Arc::clone(rows));
                }
            } else {
                self.set(op);
            }
        }
    }

    fn set(&mut self, op: &RedoOp) {
        let size = |value: &Option<Arc<[u8]>>| value.as_ref().map_or(0, |value| value.len());
        let (new, old) = match op {
            RedoOp::Lead(row, record) => {
                let old = self.leads.insert(*row, record.clone());
                (
                    ENTRY_OVERHEAD + size(record),
                    old.map(|old| ENTRY_OVERHEAD + size(&old)),
                )
            }
            RedoOp::Id(id, row) => {
                let old = self.ids.insert(id.clone(), row.map(Row));
                (
                    ENTRY_OVERHEAD + id.len(),
                    old.map(|_| ENTRY_OVERHEAD + id.len()),
                )
            }
            RedoOp::Key(key, present) => {
                let old = self.keys.insert(key.clone(), *present);
                (
                    ENTRY_OVERHEAD + key.len(),
                    old.map(|_| ENTRY_OVERHEAD + key.len()),
                )
            }
            RedoOp::DealValue(row, value) => {
                let old = self.deal_values.insert(*row, *value);
                (ENTRY_OVERHEAD, old.map(|_| ENTRY_OVERHEAD))
            }
            RedoOp::Log(key, record) => {
                let old = self.log.insert(key.clone(), record.clone());
                (
                    ENTRY_OVERHEAD + size(record),
                    old.map(|old| ENTRY_OVERHEAD + size(&old)),
                )
            }
            RedoOp::Credential(id, record) => {
                let old = self.credentials.insert(id.clone(), record.clone());
                (
                    ENTRY_OVERHEAD + size(record),
                    old.map(|old| ENTRY_OVERHEAD + size(&old)),
                )
            }
            RedoOp::Row { .. } => return,
        };
        self.bytes = (self.bytes + new).saturating_sub(old.unwrap_or(0));
    }

    fn set_row(
        &mut self,
        chunk: &Key,
        row: u32,
        present: bool,
        tables: &dyn ReadTables,
    ) -> Result<()> {
        let Some(rows) = self.chunks.get_mut(chunk) else {
            let mut rows = stored_chunk(tables, chunk)?;
            put(&mut rows, row, present);
            self.set_chunk(chunk.clone(), Arc::new(rows));
            return Ok(());
        };
        let rows = Arc::make_mut(rows);
        let before = rows.serialized_size();
        put(rows, row, present);
        self.bytes = (self.bytes + rows.serialized_size()).saturating_sub(before);
        Ok(())
    }

    fn set_chunk(&mut self, chunk: Key, rows: Arc<RoaringBitmap>) {
        let size = |key: usize, rows: &RoaringBitmap| ENTRY_OVERHEAD + key + rows.serialized_size();
        let (key, new) = (chunk.len(), size(chunk.len(), &rows));
        let old = self
            .chunks
            .insert(chunk, rows)
            .map_or(0, |rows| size(key, &rows));
        self.bytes = (self.bytes + new).saturating_sub(old);
    }
}

fn put(rows: &mut RoaringBitmap, row: u32, present: bool) {
    if present {
        rows.insert(row);
    } else {
        rows.remove(row);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::database::Database;
    use crate::storage::database::open::OpenMode;
    use crate::storage::file::location::Location;

    /// Returns the memory usage of all entries, recomputed from scratch.
    fn recounted(overlay: &Overlay) -> usize {
        let size = |value: &Option<Arc<[u8]>>| value.as_ref().map_or(0, |value| value.len());
        let sizes = [
            overlay
                .leads
                .values()
                .map(|record| ENTRY_OVERHEAD + size(record))
                .sum::<usize>(),
            overlay.ids.keys().map(|id| ENTRY_OVERHEAD + id.len()).sum(),
            overlay
                .keys
                .keys()
                .map(|key| ENTRY_OVERHEAD + key.len())
                .sum(),
            overlay
                .chunks
                .iter()
                .map(|(key, rows)| ENTRY_OVERHEAD + key.len() + rows.serialized_size())
                .sum(),
            overlay.deal_values.len() * ENTRY_OVERHEAD,
            overlay
                .log
                .values()
                .map(|record| ENTRY_OVERHEAD + size(record))
                .sum(),
            overlay
                .credentials
                .values()
                .map(|record| ENTRY_OVERHEAD + size(record))
                .sum(),
        ];
        sizes.iter().sum()
    }

    fn any_op() -> impl Strategy<Value = RedoOp> {
        let key = || "[ab]{1,3}".prop_map(|key: String| Key::from(key.as_bytes()));
        let record = || {
            prop::option::of(prop::collection::vec(0_u8..2, 0..40))
                .prop_map(|record| record.map(Arc::from))
        };
        prop_oneof![
            (0..3_u32, record()).prop_map(|(row, record)| RedoOp::Lead(row, record)),
            (key(), prop::option::of(0..3_u32)).prop_map(|(id, row)| RedoOp::Id(id, row)),
            (key(), any::<bool>()).prop_map(|(key, present)| RedoOp::Key(key, present)),
            (0..3_u32, prop::option::of(0..3_u64))
                .prop_map(|(row, value)| RedoOp::DealValue(row, value)),
            (key(), record()).prop_map(|(key, record)| RedoOp::Log(key, record)),
            (key(), record()).prop_map(|(id, record)| RedoOp::Credential(id, record)),
            (key(), 0..5_u32, any::<bool>()).prop_map(|(chunk, row, present)| RedoOp::Row {
                chunk,
                row,
                present
            }),
        ]
    }

    proptest! {
        /// Also checks the delta that `merge_from` builds, which is all that a checkpoint leaves in
        /// the overlay.
        #[test]
        fn memory_usage_matches_a_recount(
            before in prop::collection::vec(any_op(), 0..30),
            since in prop::collection::vec(any_op(), 0..30),
        ) {
            let db = Database::open(&Location::memory(), 1 << 20, OpenMode::OpenOrCreate).unwrap();
            let tables = db.read().unwrap().tables;
            let mut overlay = Overlay::default();
            for op in before.iter().chain(&since) {
                overlay.apply(op, &*tables).unwrap();
                prop_assert_eq!(overlay.bytes(), recounted(&overlay), "after {:?}", op);
            }
            let mut rest = Overlay::default();
            rest.merge_from(&since, &overlay);
            prop_assert_eq!(rest.bytes(), recounted(&rest));
            for op in &since {
                let is_same = match op {
                    RedoOp::Lead(row, _) => rest.leads.get(row) == overlay.leads.get(row),
                    RedoOp::Id(id, _) => rest.ids.get(id) == overlay.ids.get(id),
                    RedoOp::Key(key, _) => rest.keys.get(key) == overlay.keys.get(key),
                    RedoOp::Row { chunk, .. } => rest.chunks.get(chunk) == overlay.chunks.get(chunk),
                    RedoOp::DealValue(row, _) => rest.deal_values.get(row) == overlay.deal_values.get(row),
                    RedoOp::Log(key, _) => rest.log.get(key) == overlay.log.get(key),
                    RedoOp::Credential(id, _) => rest.credentials.get(id) == overlay.credentials.get(id),
                };
                prop_assert!(is_same, "after {:?}", op);
            }
        }
    }
}
