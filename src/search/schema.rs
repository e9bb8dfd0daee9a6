//! The schema of the index, and a lead as a document of it. Nothing is stored but what is searched: a document leads to
//! a row.

use tantivy::TantivyDocument;
use tantivy::schema::{Field as IndexField, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Term, schema::SchemaBuilder};

use super::field::Slot;
use super::lead_words::{ValueWords, slot_words};
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
        let slots = slot_words(lead);
        for of_slot in slots.chunk_by(|a, b| a.slot == b.slot) {
            let Some(first) = of_slot.first() else { continue };
            let mut lines = Lines::default();
            for words in of_slot {
                for (position, term) in words.values.iter().flat_map(|value| value.terms(words)) {
                    lines.push(position, &term);
                }
            }
            // Slots with beginnings have one list of words.
            if first.slot.has_beginnings() {
                for (position, word) in first.values.iter().flat_map(ValueWords::placed) {
                    for beginning in beginnings(word) {
                        lines.push(position, &beginning_term(beginning.chars().count(), beginning));
                    }
                }
            }
            document.add_text(self.slot(first.slot), lines.text());
        }
        document
    }
}

/// The beginnings of a word that have postings of their own: its first two letters, and three if it has more. Reading the
/// postings of each word that begins so takes long where the beginning is short. A single letter is looked for as all
/// pairs that begin with it.
fn beginnings(word: &str) -> impl Iterator<Item = &str> {
    let mut ends = word.char_indices().map(|(index, letter)| index + letter.len_utf8());
    let (_, second, third, fourth) = (ends.next(), ends.next(), ends.next(), ends.next());
    let third = third.filter(|_| fourth.is_some());
    second.into_iter().chain(third).filter_map(|end| word.get(..end))
}

/// How a beginning of so many letters stands among the words of a slot; or how those begin that begin so.
pub(super) fn beginning_term(letters: usize, beginning: &str) -> String {
    // No word begins so.
    format!("\u{2}{letters}{beginning}")
}
