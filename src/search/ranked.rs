//! What was found, in the order in which it is shown.

use super::rank::Class;
use crate::Result;
use crate::query::{Sort, SortKey, Start, page_of_rows};
use crate::row::{Row, RowSet};
use crate::storage::Reader;

/// The rows that were found, class by class.
#[derive(Debug, Default)]
pub(super) struct Ranked {
    /// By the class's index.
    classes: Vec<Vec<Row>>,
    total: u64,
}

impl Ranked {
    /// Adds a row that is not there yet.
    pub(super) fn add(&mut self, row: Row, class: Class) {
        let index = class.index();
        if index >= self.classes.len() {
            self.classes.resize_with(index + 1, Vec::new);
        }
        if let Some(rows) = self.classes.get_mut(index) {
            rows.push(row);
            self.total += 1;
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// All rows.
    pub(super) fn rows(&self) -> RowSet {
        self.classes.iter().flatten().copied().collect()
    }

    /// `limit` rows after the first `offset`: class by class, and the newest first in each.
    pub(super) fn page(&self, reader: &impl Reader, offset: u64, limit: usize) -> Result<Vec<Row>> {
        let newest_first = [Sort::desc(SortKey::CreatedAt)];
        let (mut skip, mut page) = (offset, Vec::new());
        for rows in &self.classes {
            let count = rows.len() as u64;
            if skip >= count {
                skip -= count;
                continue;
            }
            let rows: RowSet = rows.iter().copied().collect();
            page.extend(page_of_rows(reader, rows, &newest_first, Start::Offset(skip), limit - page.len())?);
            skip = 0;
            if page.len() == limit {
                break;
            }
        }
        Ok(page)
    }
}
