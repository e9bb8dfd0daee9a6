//! The schema of the index, and a lead as a document of it. Nothing is stored but what is searched: a document leads to
//! a row.

use tantivy::TantivyDocument;
use tantivy::schema::{FAST, Field as IndexField, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{Term, schema::SchemaBuilder};

use super::field::Slot;
use super::lead_words::{PlacedWord, placed_words};
use crate::lead::Lead;
use crate::row::Row;

/// Changes whenever the same leads would give other documents: an index made under another figure is rebuilt.
pub(super) const FINGERPRINT: u32 = 2;

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
            let indexing =
                TextFieldIndexing::default().set_tokenizer("raw").set_fieldnorms(false).set_index_option(option);
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
        for of_slot in words.chunk_by(|a, b| a.slot == b.slot) {
            let Some(first) = of_slot.first() else { continue };
            let token = |word: &PlacedWord| Token {
                position: word.position as usize,
                text: word.text.clone(),
                ..Token::default()
            };
            let tokens = of_slot.iter().map(token).collect();
            let text = PreTokenizedString { text: String::new(), tokens };
            document.add_pre_tokenized_text(self.slot(first.slot), text);
        }
        let mut beginnings: Vec<String> = words.iter().flat_map(PlacedWord::beginnings).collect();
        beginnings.sort_unstable();
        beginnings.dedup();
        let tokens = beginnings.into_iter().map(|text| Token { text, position: 0, ..Token::default() }).collect();
        document.add_pre_tokenized_text(self.beginnings, PreTokenizedString { text: String::new(), tokens });
        document
    }
}
