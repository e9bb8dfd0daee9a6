//! What a commit of the index says about the store that it was made from.

use serde::{Deserialize, Serialize};

use crate::analyzer;
use crate::error::Result;
use crate::search::terms::document;
use crate::storage::StateRef;
use crate::storage::{Seq, StoreMeta};

/// The payload of a commit: up to which commit of which store it goes, and made by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommitPayload {
    store_id: [u8; 16],
    seq: u64,
    commit_id: [u8; 16],
    schema: u32,
    analyzer: u64,
}

/// What an index is worth to a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Compatibility {
    /// It holds a state that the store went through.
    Past,
    /// It cannot be used, for this reason.
    Useless(&'static str),
}

impl CommitPayload {
    pub(crate) fn of(meta: &StoreMeta) -> Self {
        Self {
            store_id: meta.store_id.0,
            seq: meta.seq.0,
            commit_id: meta.commit_id.0,
            schema: document::DOCUMENT_VERSION,
            analyzer: analyzer::fingerprint(),
        }
    }

    pub(crate) fn seq(&self) -> Seq {
        Seq(self.seq)
    }

    pub(crate) fn encode(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            crate::search::tantivy_error::tantivy_error(tantivy::TantivyError::InternalError(
                error.to_string(),
            ))
        })
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether the store went through the state that this describes. Its number alone does not tell: a store that was
    /// put back to an older copy and written on has the same numbers with another history.
    pub(crate) fn standing(&self, state: StateRef<'_>) -> Result<Compatibility> {
        let meta = state.meta;
        if self.store_id != meta.store_id.0 {
            return Ok(Compatibility::Useless("it belongs to another store"));
        }
        if (self.schema, self.analyzer) != (document::DOCUMENT_VERSION, analyzer::fingerprint()) {
            return Ok(Compatibility::Useless("it was made by other rules"));
        }
        if self.seq > meta.seq.0 {
            log::error!(
                "the search index has seen commit {} of a store that ends at commit {}: the store was put back to an \
                 older copy, or its disk lost writes that it had acknowledged",
                self.seq,
                meta.seq.0
            );
            return Ok(Compatibility::Useless("it is ahead of the store"));
        }
        let same = if self.seq == 0 {
            // Before the first commit every history is the same; the log must go back that far, the whole of its first
            // commit included.
            meta.log_start <= Seq(1)
                && (meta.seq == Seq(0) || state.logged_commit(Seq(1))?.is_some())
        } else {
            state
                .logged_commit(Seq(self.seq))?
                .is_some_and(|commit| commit.0 == self.commit_id)
        };
        Ok(if same {
            Compatibility::Past
        } else {
            Compatibility::Useless("the store has another history")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{ChangeKind, Database, JournalSync, Location, LoggedChange, OpenMode};

    /// Makes a commit, with which the log begins no sooner than `log_start`.
    fn commit(db: &mut Database, log_start: u64) {
        let base = db.begin().unwrap();
        let mut txn = base.write_txn();
        let (id, version) = (crate::LeadId::from_bytes([0; 16]), crate::Version::FIRST);
        txn.log(LoggedChange {
            kind: ChangeKind::Created,
            row: crate::row::Row(0),
            id,
            version,
        })
        .unwrap();
        let finished = txn.prepare(None, Seq(log_start)).unwrap();
        db.commit(base, finished, JournalSync::Deferred).unwrap();
    }

    #[test]
    fn an_index_is_of_use_if_the_log_goes_on_from_where_it_ends() {
        let mut db = Database::open(&Location::memory(), 1 << 20, OpenMode::OpenOrCreate).unwrap();
        let mut payloads = vec![CommitPayload::of(db.read().unwrap().meta())];
        for _ in 0..3 {
            commit(&mut db, 1);
            payloads.push(CommitPayload::of(db.read().unwrap().meta()));
        }
        let standing = |db: &Database, payload: &CommitPayload| {
            payload.standing(db.read().unwrap().state()).unwrap()
        };
        for payload in &payloads {
            let payload = CommitPayload::decode(&payload.encode().unwrap()).unwrap();
            assert_eq!(standing(&db, &payload), Compatibility::Past, "{payload:?}");
        }
        let of = |change: fn(&mut CommitPayload)| {
            let mut payload = CommitPayload::of(db.read().unwrap().meta());
            change(&mut payload);
            standing(&db, &payload)
        };
        assert_eq!(
            of(|payload| payload.store_id = [7; 16]),
            Compatibility::Useless("it belongs to another store")
        );
        assert_eq!(
            of(|payload| payload.schema += 1),
            Compatibility::Useless("it was made by other rules")
        );
        assert_eq!(
            of(|payload| payload.analyzer += 1),
            Compatibility::Useless("it was made by other rules")
        );
        assert_eq!(
            of(|payload| payload.seq += 1),
            Compatibility::Useless("it is ahead of the store")
        );
        assert_eq!(
            of(|payload| payload.commit_id = [7; 16]),
            Compatibility::Useless("the store has another history")
        );

        commit(&mut db, 2);
        let another_history = Compatibility::Useless("the store has another history");
        assert_eq!(
            standing(&db, &payloads[0]),
            another_history,
            "its first commit is not in the log any more"
        );
        assert_eq!(standing(&db, &payloads[1]), another_history);
        assert_eq!(standing(&db, &payloads[2]), Compatibility::Past);
    }
}
