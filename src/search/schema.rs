//! The schema of the index, and a lead as a document of it. Nothing is stored but what is searched: a document leads to
//! a row.

use tantivy::TantivyDocument;
use tantivy::schema::{FAST, Field as IndexField, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Term, schema::SchemaBuilder};

use super::field::Slot;
use super::lead_words::placed_words;
use super::word_lines::{self, SEPARATOR};
use crate::lead::Lead;
use crate::row::Row;

/// Changes whenever the same leads would give other documents: an index made under another figure is rebuilt.
pub(super) const FINGERPRINT: u32 = 3;

const ROW: &str = "row";

#[derive(Clone)]
pub(super) struct IndexSchema {
    schema: Schema,
    row: IndexField,
    slots: [IndexField; Slot::ALL.len()],
    /// The beginnings of the words of all slots, without positions.
    beginnings: IndexField,
}

impl IndexSchema {
    pub(super) fn new() -> Self {
        let mut builder = SchemaBuilder::new();
        let row = builder.add_u64_field(ROW, INDEXED | FAST);
        let options = |option: IndexRecordOption| {
            let indexing = TextFieldIndexing::default()
                .set_tokenizer(word_lines::NAME)
                .set_fieldnorms(false)
                .set_index_option(option);
            TextOptions::default().set_indexing_options(indexing)
        };
        let with_positions = options(IndexRecordOption::WithFreqsAndPositions);
        let slots = Slot::ALL.map(|slot| builder.add_text_field(slot.name(), with_positions.clone()));
        let beginnings = builder.add_text_field("beginnings", options(IndexRecordOption::Basic));
        Self { schema: builder.build(), row, slots, beginnings }
    }

    pub(super) fn schema(&self) -> Schema {
        self.schema.clone()
    }

    pub(super) fn row_name(&self) -> &'static str {
        ROW
    }

    pub(super) fn slot(&self, slot: Slot) -> IndexField {
        // The slots are numbered in the order of `ALL`, for each of which there is a field.
        self.slots.get(slot as usize).copied().unwrap_or(self.row)
    }

    pub(super) fn beginnings(&self) -> IndexField {
        self.beginnings
    }

    /// The term by which a row's document is found and deleted.
    pub(super) fn row_term(&self, row: Row) -> Term {
        Term::from_field_u64(self.row, row.0.into())
    }

    pub(super) fn document(&self, row: Row, lead: &Lead) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_u64(self.row, row.0.into());
        let words = placed_words(lead);
        let mut lines = String::new();
        for of_slot in words.chunk_by(|a, b| a.slot == b.slot) {
            let Some(first) = of_slot.first() else { continue };
            lines.clear();
            let mut position = 0;
            for word in of_slot {
                while position < word.position {
                    lines.push(SEPARATOR);
                    position += 1;
                }
                lines.push_str(&word.text);
            }
            document.add_text(self.slot(first.slot), &lines);
        }
        lines.clear();
        for word in words.iter().filter(|word| word.slot.has_beginnings()) {
            word.push_beginnings(&mut lines);
        }
        document.add_text(self.beginnings, &lines);
        document
    }
}
