//! Verifies the files of the search index, and compares it with the live leads of the store.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::check::{Component, Report};
use crate::error::{Error, Result};
use crate::row::RowSet;
use crate::schema::StoreState;
use crate::schema::keys::BitmapId;
use crate::search::search_view::SearchView;

/// Verifies the files of a view's index, compares the index with the live rows of the store, and
/// adds the corrupted files and the numbers of mismatches to `report`. Each live lead must be in
/// the index exactly once, and no other row may be in it. Rows that changed since the last index
/// commit are skipped. A view without an index is not checked.
pub(crate) fn check(state: StoreState<'_>, view: &SearchView, report: &mut Report) {
    let corrupted = view.verify_files();
    if !corrupted.is_empty() {
        for (name, error) in corrupted {
            report.add(Component::SearchIndex, format_args!("{name}: {error}"));
        }
        return;
    }
    let compared = catch_unwind(AssertUnwindSafe(|| compare(state, view, report)));
    let compared =
        compared.unwrap_or_else(|_| Err(Error::corrupted("reading the search index panicked")));
    if let Err(error) = compared {
        report.add(Component::SearchIndex, error);
    }
}

fn compare(state: StoreState<'_>, view: &SearchView, report: &mut Report) -> Result<()> {
    if !view.has_index() {
        return Ok(());
    }
    let mut recent = RowSet::default();
    for layer in view.recent().newest_first() {
        recent.add_all(layer.rows());
    }
    let (mut indexed, mut twice) = (RowSet::default(), 0_u64);
    for segment in view.segments()? {
        for row in segment.live_rows()?.filter(|row| !recent.contains(*row)) {
            twice += u64::from(indexed.contains(row));
            indexed.insert(row);
        }
    }
    let live = state.rows(&BitmapId::All)?.minus(&recent);
    let (missing, foreign) = (live.minus(&indexed).len(), indexed.minus(&live).len());
    if missing + foreign + twice > 0 {
        let what =
            format_args!("{missing} leads missing, {foreign} unexpected, {twice} duplicated")
                .to_string();
        report.add(Component::SearchIndex, what);
    }
    Ok(())
}
