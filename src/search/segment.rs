//! Postings of one segment of the index.

use std::sync::Arc;

use roaring::RoaringBitmap;
use tantivy::columnar::Column;
use tantivy::postings::{Postings as _, TermInfo};
use tantivy::schema::{IndexRecordOption, Term};
use tantivy::{DocSet, InvertedIndexReader, SegmentReader, TERMINATED};

use super::fault;
use super::field::{Scope, beginnings};
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
        mut visit: impl FnMut(&InvertedIndexReader, &TermInfo) -> Result<()>,
    ) -> Result<()> {
        let field = self.schema.slot(scope.slot);
        let inverted = self.reader.inverted_index(field).map_err(fault)?;
        let word = format!("{}{word}", scope.prefix);
        if !prefix {
            if let Some(info) = inverted.get_term_info(&Term::from_field_text(field, &word)).map_err(fault)? {
                visit(&inverted, &info)?;
            }
            return Ok(());
        }
        let mut terms = inverted.terms().range().ge(word.as_bytes()).into_stream().map_err(fault)?;
        while terms.advance() {
            if !terms.key().starts_with(word.as_bytes()) {
                break;
            }
            visit(&inverted, terms.value())?;
        }
        Ok(())
    }

    /// The postings of what stands for a word where positions do not matter, or for a short beginning of one. `None`
    /// for a long beginning, which has no postings of its own.
    fn single_term(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
    ) -> Result<Option<(Arc<InvertedIndexReader>, Option<TermInfo>)>> {
        let (field, text) = if prefix {
            if !scope.slot.has_beginnings() {
                return Ok(None);
            }
            match beginnings(word).find(|beginning| *beginning == word) {
                Some(beginning) => (self.schema.beginnings(), scope.beginning(beginning)),
                None => return Ok(None),
            }
        } else {
            (self.schema.slot(scope.slot), format!("{}{word}", scope.prefix))
        };
        let inverted = self.reader.inverted_index(field).map_err(fault)?;
        let info = inverted.get_term_info(&Term::from_field_text(field, &text)).map_err(fault)?;
        Ok(Some((inverted, info)))
    }
}

/// Seeking in postings pays where so many fewer documents are looked for.
const SEEK_PAYS: u64 = 8;

/// The documents of one term, in order; only those `among` others, if that is given.
fn documents_of(
    inverted: &InvertedIndexReader,
    info: &TermInfo,
    among: Option<&RoaringBitmap>,
) -> Result<RoaringBitmap> {
    let mut postings = inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic).map_err(fault)?;
    let mut documents = RoaringBitmap::new();
    match among {
        Some(among) if among.len() * SEEK_PAYS < u64::from(info.doc_freq) => {
            for document in among {
                if postings.doc() < document {
                    postings.seek(document);
                }
                if postings.doc() == document {
                    push(&mut documents, document)?;
                }
            }
        }
        _ => {
            while postings.doc() != TERMINATED {
                push(&mut documents, postings.doc())?;
                postings.advance();
            }
            if let Some(among) = among {
                documents &= among;
            }
        }
    }
    Ok(documents)
}

fn push(documents: &mut RoaringBitmap, document: u32) -> Result<()> {
    let out_of_order = |_| fault(tantivy::TantivyError::InternalError("postings are out of order".to_owned()));
    documents.try_push(document).map_err(out_of_order)
}

impl Postings for Segment<'_> {
    fn frequency(&self, scope: &Scope, word: &str, prefix: bool) -> Result<u64> {
        Ok(match self.single_term(scope, word, prefix)? {
            Some((_, info)) => info.map_or(0, |info| info.doc_freq.into()),
            // A long beginning is rare, but takes long to find.
            None => u64::from(self.reader.max_doc()),
        })
    }

    fn documents(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
        among: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap> {
        if let Some((inverted, info)) = self.single_term(scope, word, prefix)? {
            return info.map_or(Ok(RoaringBitmap::new()), |info| documents_of(&inverted, &info, among));
        }
        let mut documents = RoaringBitmap::new();
        self.each_term(scope, word, prefix, |inverted, info| {
            documents |= documents_of(inverted, info, among)?;
            Ok(())
        })?;
        Ok(documents)
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
        self.each_term(scope, word, prefix, |inverted, info| {
            let option = IndexRecordOption::WithFreqsAndPositions;
            let mut postings = inverted.read_postings_from_terminfo(info, option).map_err(fault)?;
            for document in among {
                if postings.doc() < document {
                    postings.seek(document);
                }
                if postings.doc() == document {
                    postings.positions(&mut positions);
                    visit(document, &positions);
                }
            }
            Ok(())
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
