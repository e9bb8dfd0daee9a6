//! Checks that everything derived from the leads is consistent with them.
//!
//! The check keeps the bitmaps in memory. For ids, deal values and each kind of index key, it
//! compares only counts and sums of hashes: if both agree, the sets are taken to be equal. If not,
//! ids and index keys are compared one by one in another pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};

use crate::check::{Component, Report};
use crate::error::Result;
use crate::row::{Row, RowSet};
use crate::schema::catalogue::Catalogue;
use crate::schema::derive::derive_index_entries;
use crate::schema::store_state::StoreState;
use crate::storage::{StoreMeta, StoredLead};

/// Checks the leads, everything that is derived from them, the change log and the credentials. The
/// overlay of `state` must be empty. Adds the problems to `report`, and calls `progress` with the
/// number of leads read so far. Returns an error only if reading fails.
pub(crate) fn check(
    state: StoreState<'_>,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let expected = Expected::read(state, report, progress)?;
    expected.compare_ids(state, report)?;
    expected.compare_keys(state, report)?;
    expected.compare_bitmaps(state, report)?;
    expected.compare_deal_values(state, report)?;
    check_log(state, report)?;
    #[cfg(feature = "http")]
    state.each_credential(|stored| {
        if let Err(error) = stored {
            report.add_data_loss(
                Component::Credentials,
                format_args!("a credential cannot be read: {error}"),
            );
        }
        Ok(())
    })?;
    Ok(())
}

/// Returns an error if any lead cannot be read. Everything derived can be rebuilt from the leads.
pub(crate) fn readable(state: StoreState<'_>) -> Result<()> {
    state.each_lead(|_, stored| stored.map(drop))
}

/// A set, represented by the number of its elements and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Fingerprint {
    count: u64,
    sum: u64,
}

impl Fingerprint {
    fn add(&mut self, element: impl Hash) {
        let mut hasher = DefaultHasher::new();
        element.hash(&mut hasher);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// The expected contents of the indexes, derived from the leads.
#[derive(Default)]
struct Expected {
    ids: Fingerprint,
    /// The fingerprints of the keys, by tag. Keys of one kind have the same tag, which is their
    /// first byte.
    keys: BTreeMap<u8, Fingerprint>,
    bitmaps: BTreeMap<Vec<u8>, RowSet>,
    deal_values: Fingerprint,
}

impl Expected {
    fn read(
        state: StoreState<'_>,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let (mut expected, mut seen, mut newest) = (Self::default(), 0, DateTime::<Utc>::MIN_UTC);
        state.each_lead(|row, stored| {
            seen += 1;
            progress(seen);
            match stored {
                Ok(stored) => {
                    report.count(stored.trash.is_some());
                    check_lead(state.meta, row, &stored, newest, report);
                    newest = newest.max(stored.lead.created_at);
                    expected.add(state.catalogue, row, &stored);
                }
                Err(error) => report.add_data_loss(
                    Component::Leads,
                    format_args!("the lead in row {} cannot be read: {error}", row.0),
                ),
            }
            Ok(())
        })?;
        Ok(expected)
    }

    fn add(&mut self, catalogue: &Catalogue, row: Row, stored: &StoredLead) {
        let entries = derive_index_entries(catalogue, row, stored);
        for id in &entries.ids {
            self.ids.add((id, row));
        }
        for key in &entries.keys {
            self.keys.entry(tag(key)).or_default().add(key);
        }
        for bitmap in entries.bitmaps {
            self.bitmaps.entry(bitmap).or_default().insert(row);
        }
        if let Some(value) = entries.deal_value {
            self.deal_values.add((row, value));
        }
    }

    fn compare_ids(&self, state: StoreState<'_>, report: &mut Report) -> Result<()> {
        let (mut found, mut all_readable) = (Fingerprint::default(), true);
        state.each_stored_id(|id, row| match row {
            Ok(row) => found.add((id, row)),
            Err(_) => all_readable = false,
        })?;
        if found == self.ids && all_readable {
            return Ok(());
        }
        let mut expected = BTreeSet::new();
        let mut rows = RowSet::default();
        each_readable_lead(state, |row, stored| {
            rows.insert(row);
            expected.extend(
                derive_index_entries(state.catalogue, row, stored)
                    .ids
                    .into_iter()
                    .map(|id| (id, row)),
            );
        })?;
        state.each_stored_id(|id, row| match row {
            Ok(row) if expected.remove(&(id.to_vec(), row)) => {}
            // The id belonged to a lead that was lost.
            Ok(row) if !rows.contains(row) => {
                report.add(
                    Component::Leads,
                    format_args!("{} refers to row {}, which has no lead", Hex(id), row.0),
                );
            }
            Ok(row) => report.add(
                Component::Ids,
                format_args!(
                    "{} refers to row {}, whose lead does not have this id",
                    Hex(id),
                    row.0
                ),
            ),
            Err(error) => report.add(
                Component::Ids,
                format_args!("{} cannot be read: {error}", Hex(id)),
            ),
        })?;
        for (id, row) in expected {
            report.add(
                Component::Ids,
                format_args!("{} of row {} is missing", Hex(&id), row.0),
            );
        }
        Ok(())
    }

    fn compare_keys(&self, state: StoreState<'_>, report: &mut Report) -> Result<()> {
        let mut found: BTreeMap<u8, Fingerprint> = BTreeMap::new();
        state.each_key(|key| found.entry(tag(key)).or_default().add(key))?;
        let tags: BTreeSet<u8> = self.keys.keys().chain(found.keys()).copied().collect();
        for tag in tags
            .into_iter()
            .filter(|tag| self.keys.get(tag) != found.get(tag))
        {
            let mut expected = BTreeSet::new();
            each_readable_lead(state, |row, stored| {
                expected.extend(
                    derive_index_entries(state.catalogue, row, stored)
                        .keys
                        .into_iter()
                        .filter(|key| self::tag(key) == tag),
                );
            })?;
            state.each_key(|key| {
                if self::tag(key) == tag && !expected.remove(key) {
                    report.add(
                        Component::SortIndexes,
                        format_args!("{} belongs to no lead", Hex(key)),
                    );
                }
            })?;
            for key in expected {
                report.add(
                    Component::SortIndexes,
                    format_args!("{} is missing", Hex(&key)),
                );
            }
        }
        Ok(())
    }

    fn compare_bitmaps(&self, state: StoreState<'_>, report: &mut Report) -> Result<()> {
        let mut found: BTreeMap<Vec<u8>, RowSet> = BTreeMap::new();
        state.each_stored_chunk(|bitmap, number, rows| match rows {
            Ok(rows) => found.entry(bitmap.to_vec()).or_default().add_all(&rows),
            Err(error) => {
                report.add(
                    Component::Bitmaps,
                    format_args!("chunk {number} of {} cannot be read: {error}", Hex(bitmap)),
                );
            }
        })?;
        let nothing = RowSet::default();
        let bitmaps: BTreeSet<&Vec<u8>> = self.bitmaps.keys().chain(found.keys()).collect();
        for bitmap in bitmaps {
            let expected = self.bitmaps.get(bitmap).unwrap_or(&nothing);
            let found = found.get(bitmap).unwrap_or(&nothing);
            let (missing, foreign) = (expected.minus(found).len(), found.minus(expected).len());
            if missing + foreign > 0 {
                let what = format_args!(
                    "{} has {missing} missing and {foreign} extra rows",
                    Hex(bitmap)
                )
                .to_string();
                report.add(Component::Bitmaps, what);
            }
        }
        Ok(())
    }

    fn compare_deal_values(&self, state: StoreState<'_>, report: &mut Report) -> Result<()> {
        let mut found = Fingerprint::default();
        state.each_deal_value_block(|values| {
            for (row, value) in (values.first_row()..).zip(values.iter()) {
                if let Some(value) = value {
                    found.add((Row(row), value));
                }
            }
        })?;
        if found != self.deal_values {
            let (found, expected) = (found.count, self.deal_values.count);
            report.add(
                Component::DealValues,
                format_args!("the {found} values in the column do not match the {expected} deal values of the leads"),
            );
        }
        Ok(())
    }
}

fn each_readable_lead(
    state: StoreState<'_>,
    mut visit: impl FnMut(Row, &StoredLead),
) -> Result<()> {
    state.each_lead(|row, stored| {
        // An unreadable lead has already been reported.
        if let Ok(stored) = stored {
            visit(row, &stored);
        }
        Ok(())
    })
}

/// Checks the invariants of a lead. `newest` is the latest `created_at` in earlier rows.
fn check_lead(
    meta: &StoreMeta,
    row: Row,
    stored: &StoredLead,
    newest: DateTime<Utc>,
    report: &mut Report,
) {
    let lead = &stored.lead;
    let mut wrong = |what: &str| {
        report.add(
            Component::Leads,
            format_args!("{} in row {}: {what}", lead.id, row.0),
        )
    };
    if row.0 >= meta.next_row {
        wrong("its row was never allocated");
    }
    if lead.created_at > meta.newest_created_at {
        wrong("its created_at is after the latest created_at in the store's metadata");
    }
    if lead.created_at < newest && !stored.out_of_order {
        wrong(
            "its created_at is before that of an earlier row, but it is not marked as out of order",
        );
    }
    if lead.updated_at < lead.created_at {
        wrong("its updated_at is before its created_at");
    }
}

fn check_log(state: StoreState<'_>, report: &mut Report) -> Result<()> {
    let meta = state.meta;
    let mut last = None;
    state.each_log_record(|seq, record| {
        let Some(seq) = seq else {
            return report.add(Component::ChangeLog, "a record has an invalid key");
        };
        match record {
            Ok((commit, changes)) => {
                last = Some((seq, commit));
                if changes.iter().any(|change| change.row.0 >= meta.next_row) {
                    report.add(
                        Component::ChangeLog,
                        format_args!("commit {} changed a row that was never allocated", seq.0),
                    );
                }
            }
            Err(error) => report.add(
                Component::ChangeLog,
                format_args!("the record of commit {} cannot be read: {error}", seq.0),
            ),
        }
        if seq < meta.log_start || seq > meta.seq {
            report.add(
                Component::ChangeLog,
                format_args!(
                    "commit {} is outside the range that the log should contain",
                    seq.0
                ),
            );
        }
    })?;
    // A store that was never written to has no log record.
    if meta.seq.0 > 0 && last != Some((meta.seq, meta.commit_id)) {
        report.add(
            Component::ChangeLog,
            format_args!(
                "the last readable record is not that of the last commit, {}",
                meta.seq.0
            ),
        );
    }
    Ok(())
}

/// Returns the tag of a key: the first byte, which identifies the kind of key.
fn tag(key: &[u8]) -> u8 {
    key.first().copied().unwrap_or_default()
}

/// A key whose first 64 bytes are displayed in hexadecimal. `storage::tables` documents the layout.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key ")?;
        self.0
            .iter()
            .take(64)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
