//! The schema of the index, and a lead as a document of it. Nothing is stored but what is searched: a document leads to
//! a row.

use tantivy::TantivyDocument;
use tantivy::schema::{Field as IndexField, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Term, schema::SchemaBuilder};

use super::field::Slot;
use super::index_term::IndexTerm;
use super::lead_words::each_term;
use super::word_lines::{self, Lines};
use crate::lead::Lead;
use crate::row::Row;

/// Changes whenever the same leads would give other documents: an index made under another figure is rebuilt.
pub(super) const FINGERPRINT: u32 = 6;

const ROW: &str = "row";

#[derive(Clone)]
pub(super) struct IndexSchema {
    schema: Schema,
    row: IndexField,
    slots: [IndexField; Slot::ALL.len()],
}

impl IndexSchema {
    pub(super) fn new() -> Self {
        let mut builder = SchemaBuilder::new();
        // Without field norms, which `INDEXED` would bring.
        let row = builder.add_u64_field(ROW, NumericOptions::default().set_indexed().set_fast());
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(word_lines::NAME)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let options = TextOptions::default().set_indexing_options(indexing);
        let slots = Slot::ALL.map(|slot| builder.add_text_field(slot.name(), options.clone()));
        Self { schema: builder.build(), row, slots }
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

    /// The term by which a row's document is found and deleted.
    pub(super) fn row_term(&self, row: Row) -> Term {
        Term::from_field_u64(self.row, row.0.into())
    }

    pub(super) fn document(&self, row: Row, lead: &Lead) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_u64(self.row, row.0.into());
        let mut texts: [Lines; Slot::ALL.len()] = Default::default();
        each_term(lead, |slot, position, term| {
            let Some(lines) = texts.get_mut(slot as usize) else { return };
            lines.push(position, term);
            if let IndexTerm::Word { word, .. } | IndexTerm::Alone(word) = term
                && slot.has_beginnings()
            {
                IndexTerm::beginnings(word).for_each(|beginning| lines.push(position, beginning));
            }
        });
        for (slot, lines) in self.slots.iter().zip(&texts).filter(|(_, lines)| !lines.text().is_empty()) {
            document.add_text(*slot, lines.text());
        }
        document
    }
}
