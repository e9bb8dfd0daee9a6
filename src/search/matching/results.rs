//! What was found, in the order in which it is shown.

use crate::error::Result;
use crate::query::newest_of;
use crate::row::{Row, RowSet};
use crate::schema::StoreState;
use crate::search::matching::rank::RankClass;

/// The rows that were found, class by class.
#[derive(Debug, Default)]
pub(crate) struct RankedHits {
    /// By the class's index; no row is in two.
    classes: Vec<Vec<Row>>,
}

impl RankedHits {
    /// The rows of a class, for more to be added.
    pub(crate) fn class(&mut self, class: RankClass) -> &mut Vec<Row> {
        let index = class.index();
        if index >= self.classes.len() {
            self.classes.resize_with(index + 1, Vec::new);
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "the list was just made long enough"
        )]
        &mut self.classes[index]
    }

    pub(crate) fn total(&self) -> u64 {
        self.classes.iter().map(|rows| rows.len() as u64).sum()
    }

    /// All rows.
    pub(crate) fn rows(&self) -> RowSet {
        self.classes.iter().flatten().copied().collect()
    }

    /// `limit` rows after the first `offset`: class by class, and the newest first in each.
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
