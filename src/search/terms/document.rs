//! The tantivy schema, and the conversion of a lead to a document. A document contains only the
//! lead's terms and its row; the lead itself is read from the tables.

use tantivy::TantivyDocument;
use tantivy::schema::{
    Field as IndexField, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{Term, schema::SchemaBuilder};

use crate::lead::Lead;
use crate::row::Row;
use crate::schema::{Catalogue, TermField};
use crate::search::terms::index_term::IndexTerm;
use crate::search::terms::lead_terms::each_term;
use crate::search::terms::pretokenized::{self, TokenText};

/// Version of the documents. It must change whenever the same lead would produce a different
/// document. Adding a field changes it automatically. An index with a different version is rebuilt.
pub(crate) const DOCUMENT_VERSION: u32 = 8 + 256 * TermField::ALL.len() as u32;

const ROW: &str = "row";

#[derive(Clone)]
pub(crate) struct IndexSchema {
    schema: Schema,
    row: IndexField,
    fields: Vec<IndexField>,
}

impl IndexSchema {
    pub(crate) fn new() -> Self {
        let mut builder = SchemaBuilder::new();
        // The `INDEXED` option would also enable field norms.
        let row = builder.add_u64_field(ROW, NumericOptions::default().set_indexed().set_fast());
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(pretokenized::NAME)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let options = TextOptions::default().set_indexing_options(indexing);
        let fields = TermField::ALL
            .iter()
            .map(|field| builder.add_text_field(field.as_str(), options.clone()))
            .collect();
        Self {
            schema: builder.build(),
            row,
            fields,
        }
    }

    pub(crate) fn schema(&self) -> Schema {
        self.schema.clone()
    }

    pub(crate) fn row_name(&self) -> &'static str {
        ROW
    }

    pub(crate) fn field(&self, field: TermField) -> IndexField {
        // The variants are numbered in the order of `ALL`, and each has a field.
        self.fields.get(field as usize).copied().unwrap_or(self.row)
    }

    /// Returns the fields that have terms.
    pub(crate) fn term_fields(&self) -> impl Iterator<Item = IndexField> + '_ {
        self.fields.iter().copied()
    }

    /// Returns the term by which the document of a row is found and deleted.
    pub(crate) fn row_term(&self, row: Row) -> Term {
        Term::from_field_u64(self.row, row.0.into())
    }

    pub(crate) fn document(&self, catalogue: &Catalogue, row: Row, lead: &Lead) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_u64(self.row, row.0.into());
        let mut texts: [TokenText; TermField::ALL.len()] = Default::default();
        each_term(catalogue, lead, |field, position, term| {
            // The texts are in the order of `ALL`, and so are the numbers of the variants.
            let Some(lines) = texts.get_mut(field as usize) else {
                return;
            };
            lines.push(position, term);
            if let Some(word) = term.word().filter(|_| field.has_prefixes()) {
                IndexTerm::prefixes(word).for_each(|beginning| lines.push(position, beginning));
            }
        });
        for (field, lines) in self
            .fields
            .iter()
            .zip(&texts)
            .filter(|(_, lines)| !lines.text().is_empty())
        {
            document.add_text(*field, lines.text());
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use tantivy::schema::document::Value as _;
    use tantivy::tokenizer::{TokenStream, Tokenizer};

    use super::*;
    use crate::LeadStore;
    use crate::lead::NewLead;
    use crate::search::terms::pretokenized::PretokenizedText;

    /// Pins the indexed terms and their positions. If they change, [`DOCUMENT_VERSION`] must
    /// change.
    #[test]
    fn document_terms_are_stable() {
        let store = LeadStore::in_memory().unwrap();
        let lead = NewLead::new("Zoë O'Brien")
            .phone("001234")
            .tags(["hot", "a b"])
            .custom_field("n", "Tech");
        let lead = store.create(lead).unwrap();
        let schema = IndexSchema::new();
        let document = schema.document(&Catalogue::builtin(), Row(7), &lead);
        let mut terms = Vec::new();
        for field in TermField::ALL {
            for value in document.get_all(schema.field(*field)) {
                let mut tokenizer = PretokenizedText::default();
                let mut stream = tokenizer.token_stream(value.as_str().unwrap());
                while stream.advance() {
                    terms.push(format!(
                        "{} {} {}",
                        field.as_str(),
                        stream.token().position,
                        stream.token().text
                    ));
                }
            }
        }
        let of = |field: TermField| {
            terms
                .iter()
                .filter_map(move |term| term.strip_prefix(field.as_str())?.strip_prefix(' '))
        };
        assert!(of(TermField::Name).eq([
            "0 \u{1}2",
            "0 zoe",
            "0 \u{2}2zo",
            "1 obrien",
            "1 \u{2}2ob",
            "1 \u{2}3obr"
        ]));
        assert!(of(TermField::Phone).eq([
            "0 \u{3}001",
            "1 \u{3}012",
            "2 \u{1}2",
            "2 \u{3}123",
            "3 \u{3}234"
        ]));
        assert!(of(TermField::Tags).eq(["0 \u{1}1hot", "0 \u{2}2ho", "2 \u{1}2", "2 a", "3 b"]));
        assert!(of(TermField::CustomFields).eq(["0 \u{1}1tech", "0 \u{2}2te", "0 \u{2}3tec"]));
        assert!(of(TermField::NamedCustomField).eq(["0 .n\0\u{2}tech"]));
        assert_eq!(terms.len(), 20);
        assert_eq!(document.get_first(schema.row).unwrap().as_u64(), Some(7));
    }
}
