//! What matching reads: terms and the documents that have them. The index and the leads that are not in it yet are both
//! read this way, so that a lead is found and ranked alike wherever it is.

use crate::error::Result;
use crate::row::Row;
use crate::schema::TermField;
use crate::search::matching::doc_set::DocSet;
use crate::search::query::fuzzy::{EditDistance, FuzzyWord};
use crate::search::terms::field::FieldScope;

/// One segment of the index, or the leads since. Documents are numbered from 0, as the source likes.
pub(crate) trait Postings {
    /// Where the postings of a term are.
    type Term;

    /// A number above those of all documents.
    fn end(&self) -> u32;

    /// The term of a slot that has this very text.
    fn term(&self, field: TermField, text: &str) -> Result<Option<Self::Term>>;

    /// Terms that together have the words of a scope that begin so, and maybe are no longer than that.
    fn terms_with_prefix(&self, scope: &FieldScope, prefix: &str) -> Result<Vec<Self::Term>>;

    /// The words of a scope that a mistyped one, or with `prefixes` the beginning of one, may be meant for.
    fn fuzzy_terms(
        &self,
        scope: &FieldScope,
        fuzzy: &FuzzyWord,
        prefixes: bool,
    ) -> Result<Vec<FuzzyMatch<Self::Term>>>;

    /// How many documents have a term.
    fn frequency(&self, term: &Self::Term) -> u32;

    /// Shows `visit` the documents that have a term in ascending order, some at once.
    fn each_document(&self, term: &Self::Term, visit: impl FnMut(&[u32])) -> Result<()>;

    /// Shows `visit` the documents in `among` that have a term, in ascending order.
    fn each_among(&self, term: &Self::Term, among: &DocSet, visit: impl FnMut(u32)) -> Result<()>;

    /// Shows `visit` the positions of a term in each of the documents in `among`, which ascends, that have it.
    fn each_position(
        &self,
        term: &Self::Term,
        among: &[u32],
        visit: impl FnMut(u32, &[u32]),
    ) -> Result<()>;

    /// Shows `visit` each place in `documents` with the row of that document, unless it is deleted.
    fn each_row(&self, documents: &[u32], visit: impl FnMut(usize, Row)) -> Result<()>;
}

/// A word that a mistyped one may be meant for.
pub(crate) struct FuzzyMatch<T> {
    pub(crate) term: T,
    /// Whether the term is of values that are that word.
    pub(crate) is_exact: bool,
    pub(crate) distance: EditDistance,
}
