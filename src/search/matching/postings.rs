//! The interface between matching and its sources: terms, and the documents that contain them. The
//! index and the leads that are not indexed yet both implement it, so a lead matches and ranks the
//! same in either.

use crate::error::Result;
use crate::row::Row;
use crate::schema::TermField;
use crate::search::matching::doc_set::DocSet;
use crate::search::query::fuzzy::{EditDistance, FuzzyWord};
use crate::search::terms::field::FieldScope;

/// A source of postings: a segment of the index, or a memory segment of leads that are not indexed
/// yet. Each source chooses its own document numbers.
pub(crate) trait Postings {
    /// Handle to a term's posting list.
    type Term;

    /// Returns the exclusive upper bound of the document numbers.
    fn end(&self) -> u32;

    /// Returns the term of a field with exactly this text.
    fn term(&self, field: TermField, text: &str) -> Result<Option<Self::Term>>;

    /// Returns terms whose posting lists together cover the words of a scope that start with a
    /// prefix. Words that equal the prefix may be missing.
    fn terms_with_prefix(&self, scope: &FieldScope, prefix: &str) -> Result<Vec<Self::Term>>;

    /// Returns the words of a scope that are within the edit distance that a query word tolerates.
    /// If `prefixes` is true, also returns each word that has a prefix within that distance. If it
    /// is false, such words may be returned too; their [`EditDistance::whole`] is `None`.
    fn fuzzy_terms(
        &self,
        scope: &FieldScope,
        fuzzy: &FuzzyWord,
        prefixes: bool,
    ) -> Result<Vec<FuzzyMatch<Self::Term>>>;

    /// Returns the number of documents that contain a term.
    fn frequency(&self, term: &Self::Term) -> u32;

    /// Calls `visit` with batches of the documents that contain a term, in ascending order.
    fn each_document(&self, term: &Self::Term, visit: impl FnMut(&[u32])) -> Result<()>;

    /// Calls `visit` for each document in `among` that contains a term, in ascending order.
    fn each_among(&self, term: &Self::Term, among: &DocSet, visit: impl FnMut(u32)) -> Result<()>;

    /// Calls `visit` with the positions of a term in each document in `among` that contains it.
    /// `among` must be in ascending order.
    fn each_position(
        &self,
        term: &Self::Term,
        among: &[u32],
        visit: impl FnMut(u32, &[u32]),
    ) -> Result<()>;

    /// Calls `visit` for each of `documents` that is not deleted, with its index in `documents` and
    /// its row.
    fn each_row(&self, documents: &[u32], visit: impl FnMut(usize, Row)) -> Result<()>;
}

/// A stored word that is within the edit distance that a query word tolerates.
pub(crate) struct FuzzyMatch<T> {
    pub(crate) term: T,
    /// True if the term stands for values that consist of this word alone.
    pub(crate) is_exact: bool,
    pub(crate) distance: EditDistance,
}
