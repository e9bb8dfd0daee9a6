//! Postings of one segment of the tantivy index.

use std::sync::{Arc, OnceLock};

use tantivy::columnar::Column;
use tantivy::postings::{Postings as _, TermInfo};
use tantivy::schema::{IndexRecordOption, Term};
use tantivy::{DocSet as _, InvertedIndexReader, SegmentReader};

use crate::error::Result;
use crate::row::Row;
use crate::schema::TermField;
use crate::search::matching::doc_set::DocSet;
use crate::search::matching::postings::{FuzzyMatch, Postings};
use crate::search::query::fuzzy::FuzzyWord;
use crate::search::tantivy_error::tantivy_error;
use crate::search::terms::document::IndexSchema;
use crate::search::terms::field::FieldScope;
use crate::search::terms::index_term::IndexTerm;

pub(crate) struct Segment<'a> {
    reader: &'a SegmentReader,
    schema: &'a IndexSchema,
    row_column: &'a RowColumn,
}

/// A segment's column with the row of each document. It is cached, because opening it takes as long
/// as a search.
pub(crate) type RowColumn = OnceLock<Column<u64>>;

/// A term and the inverted index that contains it.
pub(crate) struct SegmentTerm {
    inverted: Arc<InvertedIndexReader>,
    info: TermInfo,
}

/// Maximum number of letters of the prefixes that have posting lists of their own.
const PREFIX_LETTERS_MAX: usize = 3;
/// Above this ratio of postings to candidates, seeking beats scanning the posting list.
const SEEK_RATIO: usize = 8;
/// Number of rows that are read from the column at once.
const ROW_BATCH: usize = 512;

impl<'a> Segment<'a> {
    pub(crate) fn new(
        reader: &'a SegmentReader,
        schema: &'a IndexSchema,
        row_column: &'a RowColumn,
    ) -> Self {
        Self {
            reader,
            schema,
            row_column,
        }
    }

    fn rows(&self) -> Result<&'a Column<u64>> {
        if let Some(rows) = self.row_column.get() {
            return Ok(rows);
        }
        let opened = self
            .reader
            .fast_fields()
            .u64(self.schema.row_name())
            .map_err(tantivy_error)?;
        Ok(self.row_column.get_or_init(|| opened))
    }

    /// Returns the rows of all documents that are not deleted.
    pub(crate) fn live_rows(&self) -> Result<impl Iterator<Item = Row> + '_> {
        let column = self.rows()?;
        let rows = self
            .reader
            .doc_ids_alive()
            .filter_map(|document| column.first(document));
        Ok(rows.filter_map(|row| u32::try_from(row).ok().map(Row)))
    }

    fn inverted(&self, field: TermField) -> Result<Arc<InvertedIndexReader>> {
        self.reader
            .inverted_index(self.schema.field(field))
            .map_err(tantivy_error)
    }

    /// Returns all terms of a field that start with a prefix.
    fn scan_prefix(&self, field: TermField, prefix: &str) -> Result<Vec<SegmentTerm>> {
        let inverted = self.inverted(field)?;
        let mut found = Vec::new();
        let mut terms = inverted
            .terms()
            .range()
            .ge(prefix.as_bytes())
            .into_stream()
            .map_err(tantivy_error)?;
        while terms.advance() && terms.key().starts_with(prefix.as_bytes()) {
            found.push(SegmentTerm {
                inverted: Arc::clone(&inverted),
                info: terms.value().clone(),
            });
        }
        Ok(found)
    }
}

impl Postings for Segment<'_> {
    type Term = SegmentTerm;

    fn end(&self) -> u32 {
        self.reader.max_doc()
    }

    fn term(&self, field: TermField, text: &str) -> Result<Option<SegmentTerm>> {
        let inverted = self.inverted(field)?;
        let info = inverted
            .get_term_info(&Term::from_field_text(self.schema.field(field), text))
            .map_err(tantivy_error)?;
        Ok(info.map(|info| SegmentTerm { inverted, info }))
    }

    fn terms_with_prefix(&self, scope: &FieldScope, prefix: &str) -> Result<Vec<SegmentTerm>> {
        let letters = prefix.chars().count();
        if letters > PREFIX_LETTERS_MAX || !scope.field.has_prefixes() {
            let found = scope
                .terms(prefix)
                .map(|(term, _)| self.scan_prefix(scope.field, &term));
            return Ok(found
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect());
        }
        let term = IndexTerm::Prefix(prefix).to_string();
        // A single letter is looked up as all two-letter prefixes that start with it. A word of one
        // or three letters that equals `prefix` is not found here, but the caller looks it up as a
        // word.
        if letters == 1 {
            return self.scan_prefix(scope.field, &term);
        }
        Ok(self.term(scope.field, &term)?.into_iter().collect())
    }

    fn fuzzy_terms(
        &self,
        scope: &FieldScope,
        fuzzy: &FuzzyWord,
        prefixes: bool,
    ) -> Result<Vec<FuzzyMatch<SegmentTerm>>> {
        let Some(first_letter) = fuzzy.first_letter() else {
            return Ok(Vec::new());
        };
        let inverted = self.inverted(scope.field)?;
        let mut found = Vec::new();
        for (from, is_exact) in scope.terms(first_letter.encode_utf8(&mut [0; 4])) {
            let before = from
                .get(..from.len() - first_letter.len_utf8())
                .unwrap_or("");
            let automaton = fuzzy.automaton(before, prefixes).map_err(tantivy_error)?;
            let mut terms = inverted
                .terms()
                .search(&automaton)
                .ge(from.as_bytes())
                .into_stream()
                .map_err(tantivy_error)?;
            while terms.advance() && terms.key().starts_with(from.as_bytes()) {
                let word = terms
                    .key()
                    .get(before.len()..)
                    .and_then(|word| std::str::from_utf8(word).ok());
                if let Some(distance) = word.and_then(|word| fuzzy.distance(word)) {
                    let term = SegmentTerm {
                        inverted: Arc::clone(&inverted),
                        info: terms.value().clone(),
                    };
                    found.push(FuzzyMatch {
                        term,
                        is_exact,
                        distance,
                    });
                }
            }
        }
        Ok(found)
    }

    fn frequency(&self, term: &SegmentTerm) -> u32 {
        term.info.doc_freq
    }

    fn each_document(&self, term: &SegmentTerm, mut visit: impl FnMut(&[u32])) -> Result<()> {
        let basic = IndexRecordOption::Basic;
        let mut postings = term
            .inverted
            .read_block_postings_from_terminfo(&term.info, basic)
            .map_err(tantivy_error)?;
        while !postings.docs().is_empty() {
            visit(postings.docs());
            postings.advance();
        }
        Ok(())
    }

    fn each_among(
        &self,
        term: &SegmentTerm,
        among: &DocSet,
        mut visit: impl FnMut(u32),
    ) -> Result<()> {
        if among.len().saturating_mul(SEEK_RATIO) >= term.info.doc_freq as usize {
            return self.each_document(term, |documents| among.common(documents, &mut visit));
        }
        let basic = IndexRecordOption::Basic;
        let mut postings = term
            .inverted
            .read_postings_from_terminfo(&term.info, basic)
            .map_err(tantivy_error)?;
        for document in among.as_slice() {
            if postings.doc() < *document {
                postings.seek(*document);
            }
            if postings.doc() == *document {
                visit(*document);
            }
        }
        Ok(())
    }

    fn each_position(
        &self,
        term: &SegmentTerm,
        among: &[u32],
        mut visit: impl FnMut(u32, &[u32]),
    ) -> Result<()> {
        let option = IndexRecordOption::WithFreqsAndPositions;
        let mut postings = term
            .inverted
            .read_postings_from_terminfo(&term.info, option)
            .map_err(tantivy_error)?;
        let mut positions = Vec::new();
        for document in among {
            if postings.doc() < *document {
                postings.seek(*document);
            }
            if postings.doc() == *document {
                postings.positions(&mut positions);
                visit(*document, &positions);
            }
        }
        Ok(())
    }

    fn each_row(&self, documents: &[u32], mut visit: impl FnMut(usize, Row)) -> Result<()> {
        let (column, alive) = (self.rows()?, self.reader.alive_bitset());
        let mut rows = [None; ROW_BATCH];
        for (index, documents) in documents.chunks(ROW_BATCH).enumerate() {
            let Some(rows) = rows.get_mut(..documents.len()) else {
                continue;
            };
            column.first_vals(documents, rows);
            for (offset, (document, row)) in documents.iter().zip(rows).enumerate() {
                if let Some(row) = row.and_then(|row| u32::try_from(row).ok())
                    && alive.is_none_or(|alive| alive.is_alive(*document))
                {
                    visit(index * ROW_BATCH + offset, Row(row));
                }
            }
        }
        Ok(())
    }
}
