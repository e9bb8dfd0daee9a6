//! Writes an overlay to the tables.

use roaring::RoaringBitmap;

use crate::error::{Error, ErrorKind, Result};
use crate::row::Row;
use crate::storage::key;
use crate::storage::state::overlay::Overlay;
use crate::storage::tables::column::{BLOCK_ROWS, DealValues};
use crate::storage::tables::key_blocks;
use crate::storage::tables::tree::Tree;
use crate::storage::tables::write::OpenTables;

impl OpenTables<'_> {
    /// Writes everything in `overlay`, in key order.
    pub(crate) fn write_overlay(&mut self, overlay: &Overlay) -> Result<()> {
        for (row, record) in overlay.leads() {
            self.set(Tree::Leads, &key::row_bytes(Row(*row)), record.as_deref())?;
        }
        for (id, row) in overlay.ids() {
            self.set(
                Tree::Ids,
                id,
                row.map(key::row_bytes).as_ref().map(<[u8; 4]>::as_slice),
            )?;
        }
        key_blocks::write(self.table_mut(Tree::Keys), overlay.keys())?;
        let mut bytes = Vec::new();
        for (chunk, rows) in overlay.chunks() {
            if rows.is_empty() {
                self.set(Tree::Bitmaps, chunk, None)?;
                continue;
            }
            let mut rows = RoaringBitmap::clone(rows);
            rows.optimize();
            bytes.clear();
            rows.serialize_into(&mut bytes).map_err(|error| {
                Error::new(ErrorKind::Io, "a bitmap could not be serialized").caused_by(error)
            })?;
            self.set(Tree::Bitmaps, chunk, Some(&bytes))?;
        }
        let mut block: Option<DealValues> = None;
        for (row, value) in overlay.deal_values() {
            if block
                .as_ref()
                .is_none_or(|block| row / BLOCK_ROWS != block.first_row() / BLOCK_ROWS)
            {
                self.write_deal_values(block.take())?;
                block = Some(self.deal_value_block(*row)?);
            }
            if let Some(block) = &mut block {
                block.set(*row, *value);
            }
        }
        self.write_deal_values(block)?;
        for (key, record) in overlay.log() {
            self.set(Tree::Log, key, record.as_deref())?;
        }
        for (id, record) in overlay.credentials() {
            self.set(Tree::Credentials, id, record.as_deref())?;
        }
        Ok(())
    }

    fn write_deal_values(&mut self, block: Option<DealValues>) -> Result<()> {
        let Some(block) = block else { return Ok(()) };
        let bytes = block.encode();
        let value = Some(bytes.as_slice()).filter(|bytes| !bytes.is_empty());
        self.set(
            Tree::Columns,
            &key::deal_value_block(block.first_row()),
            value,
        )
    }
}
