//! Postings of one segment of the index.

use roaring::RoaringBitmap;
use tantivy::columnar::Column;
use tantivy::postings::{Postings as _, SegmentPostings, TermInfo};
use tantivy::schema::{IndexRecordOption, Term};
use tantivy::{DocSet, InvertedIndexReader, SegmentReader, TERMINATED};

use super::fault;
use super::field::Scope;
use super::matcher::Postings;
use super::schema::IndexSchema;
use crate::Result;
use crate::row::{Row, RowSet};

pub(super) struct Segment<'a> {
    reader: &'a SegmentReader,
    schema: &'a IndexSchema,
    rows: Column<u64>,
}

impl<'a> Segment<'a> {
    pub(super) fn new(reader: &'a SegmentReader, schema: &'a IndexSchema) -> Result<Self> {
        let rows = reader.fast_fields().u64(schema.row_name()).map_err(fault)?;
        Ok(Self { reader, schema, rows })
    }

    /// Shows `visit` the postings of a word, or of every word that begins so.
    fn each_term(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
        option: IndexRecordOption,
        mut visit: impl FnMut(SegmentPostings),
    ) -> Result<()> {
        let field = self.schema.slot(scope.slot);
        let inverted = self.reader.inverted_index(field).map_err(fault)?;
        let word = format!("{}{word}", scope.prefix);
        let mut read = |inverted: &InvertedIndexReader, info: &TermInfo| -> Result<()> {
            visit(inverted.read_postings_from_terminfo(info, option).map_err(fault)?);
            Ok(())
        };
        if !prefix {
            if let Some(info) = inverted.get_term_info(&Term::from_field_text(field, &word)).map_err(fault)? {
                read(&inverted, &info)?;
            }
            return Ok(());
        }
        let mut range = inverted.terms().range();
        range = range.ge(word.as_bytes());
        let mut terms = range.into_stream().map_err(fault)?;
        while terms.advance() {
            if !terms.key().starts_with(word.as_bytes()) {
                break;
            }
            read(&inverted, terms.value())?;
        }
        Ok(())
    }
}

impl Postings for Segment<'_> {
    fn each_document(&self, scope: &Scope, word: &str, prefix: bool, mut visit: impl FnMut(u32)) -> Result<()> {
        self.each_term(scope, word, prefix, IndexRecordOption::Basic, |mut postings| {
            while postings.doc() != TERMINATED {
                visit(postings.doc());
                postings.advance();
            }
        })
    }

    fn each_position(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
        among: &RoaringBitmap,
        mut visit: impl FnMut(u32, &[u32]),
    ) -> Result<()> {
        let mut positions = Vec::new();
        self.each_term(scope, word, prefix, IndexRecordOption::WithFreqsAndPositions, |mut postings| {
            for document in among {
                if postings.doc() < document {
                    postings.seek(document);
                }
                if postings.doc() == TERMINATED {
                    break;
                }
                if postings.doc() == document {
                    postings.positions(&mut positions);
                    visit(document, &positions);
                }
            }
        })
    }

    fn rows_of(&self, documents: &RoaringBitmap) -> Result<RowSet> {
        let alive = self.reader.alive_bitset();
        let mut rows = RowSet::default();
        for document in documents {
            if alive.is_some_and(|alive| alive.is_deleted(document)) {
                continue;
            }
            let row = self.rows.first(document).and_then(|row| u32::try_from(row).ok());
            if let Some(row) = row {
                rows.insert(Row(row));
            }
        }
        Ok(rows)
    }
}
