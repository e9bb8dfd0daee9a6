//! Whether the index has the leads that it should have.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::check::{Component, Report};
use crate::error::{Error, Result};
use crate::row::RowSet;
use crate::schema::StoreState;
use crate::schema::keys::BitmapId;
use crate::search::search_view::SearchView;

/// Adds to `report` what is wrong with the index of a view: each live lead is in it once, but for those that changed since,
/// and no other is. Its files are verified by their checksums when they are opened. While it is being made, nothing is.
pub(crate) fn check(state: StoreState<'_>, view: &SearchView, report: &mut Report) {
    let compared = catch_unwind(AssertUnwindSafe(|| compare(state, view, report)));
    let compared = compared.unwrap_or_else(|_| Err(Error::corrupted("reading it panicked")));
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
    let live = state.rows(&BitmapId::Live)?.minus(&recent);
    let (missing, foreign) = (live.minus(&indexed).len(), indexed.minus(&live).len());
    if missing + foreign + twice > 0 {
        let what =
            format_args!("it lacks {missing} leads, has {foreign} too many, and {twice} twice")
                .to_string();
        report.add(Component::SearchIndex, what);
    }
    Ok(())
}
