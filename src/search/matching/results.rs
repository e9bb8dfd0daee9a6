//! The rows that matched a search, in the order of the hits.

use crate::error::Result;
use crate::query::newest_of;
use crate::row::{Row, RowSet};
use crate::schema::StoreState;
use crate::search::matching::rank::RankClass;

/// Matching rows, grouped by rank class.
#[derive(Debug, Default)]
pub(crate) struct RankedHits {
    /// Indexed by [`RankClass::index`]. No row is in two classes.
    classes: Vec<Vec<Row>>,
}

impl RankedHits {
    /// Returns the rows of a class, so that the caller can append to them.
    pub(crate) fn class(&mut self, class: RankClass) -> &mut Vec<Row> {
        let index = class.index();
        if index >= self.classes.len() {
            self.classes.resize_with(index + 1, Vec::new);
        }
        #[expect(clippy::indexing_slicing, reason = "resized above")]
        &mut self.classes[index]
    }

    pub(crate) fn total(&self) -> u64 {
        self.classes.iter().map(|rows| rows.len() as u64).sum()
    }

    /// Returns all rows as a set.
    pub(crate) fn rows(&self) -> RowSet {
        self.classes.iter().flatten().copied().collect()
    }

    /// Skips `offset` rows and returns up to `limit` of the rows that follow. Rows are ordered by
    /// class and, within a class, newest first.
    pub(crate) fn page(self, state: StoreState<'_>, offset: u64, limit: usize) -> Result<Vec<Row>> {
        let (mut skip, mut page) = (offset, Vec::new());
        for rows in self.classes {
            let count = rows.len() as u64;
            if skip >= count {
                skip -= count;
                continue;
            }
            page.append(&mut newest_of(state, rows, skip, limit - page.len())?);
            skip = 0;
            if page.len() == limit {
                break;
            }
        }
        Ok(page)
    }
}
