//! The payload of an index commit: the state of the store that the index was built from.

use serde::{Deserialize, Serialize};

use crate::analyzer;
use crate::error::Result;
use crate::search::terms::document;
use crate::storage::StateRef;
use crate::storage::{Seq, StoreMeta};

/// Payload of an index commit: the id of the store, the last store commit that is indexed, and the
/// schema and analyzer versions that the index was built with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommitPayload {
    store_id: [u8; 16],
    seq: u64,
    commit_id: [u8; 16],
    schema: u32,
    analyzer: u64,
}

/// Compatibility of an index with a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Compatibility {
    /// The index holds a state that the store went through.
    Past,
    /// The index cannot be used, for this reason.
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

    /// Reports whether an index with this payload can be brought up to date. The index must have
    /// been built with the current schema and analyzer versions, from a state that this store went
    /// through. The change log must reach back to that state. The commit number alone does not
    /// identify the state: if a store is restored from an older copy, its new commits reuse the
    /// numbers of lost commits.
    pub(crate) fn compatibility(&self, state: StateRef<'_>) -> Result<Compatibility> {
        let meta = state.meta;
        if self.store_id != meta.store_id.0 {
            return Ok(Compatibility::Useless("it belongs to another store"));
        }
        if (self.schema, self.analyzer) != (document::DOCUMENT_VERSION, analyzer::fingerprint()) {
            return Ok(Compatibility::Useless(
                "it was built with another schema or analyzer version",
            ));
        }
        if self.seq > meta.seq.0 {
            log::error!(
                "the search index contains commit {}, but the store ends at commit {}: the store was restored from an \
                 older copy, or its disk lost acknowledged writes",
                self.seq,
                meta.seq.0
            );
            return Ok(Compatibility::Useless("it is ahead of the store"));
        }
        let same = if self.seq == 0 {
            // All histories start from the same empty store. The change log must reach back to that
            // state, so it must contain commit 1 if there are commits.
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
            Compatibility::Useless("the store's history has diverged from it")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{ChangeKind, Database, JournalSync, Location, LoggedChange, OpenMode};

    /// Makes a commit that allows the log to be trimmed up to `log_start`.
    fn commit(db: &mut Database, log_start: u64) {
        let base = db.begin().unwrap();
        let mut txn = base.write_txn();
        let (id, version) = (
            crate::LeadId::from_bytes([0; 16]),
            crate::LeadVersion::FIRST,
        );
        txn.log(LoggedChange {
            kind: ChangeKind::Created,
            row: crate::row::Row(0),
            id,
            version,
        })
        .unwrap();
        let finished = txn
            .prepare(
                crate::clock::TrustedTime::at(crate::clock::from_micros(0)),
                Seq(log_start),
            )
            .unwrap();
        db.commit(base, finished, JournalSync::Deferred).unwrap();
    }

    #[test]
    fn index_is_usable_if_the_log_continues_from_its_commit() {
        let mut db = Database::open(&Location::memory(), 1 << 20, OpenMode::OpenOrCreate).unwrap();
        let mut payloads = vec![CommitPayload::of(db.read().unwrap().meta())];
        for _ in 0..3 {
            commit(&mut db, 1);
            payloads.push(CommitPayload::of(db.read().unwrap().meta()));
        }
        let compatibility = |db: &Database, payload: &CommitPayload| {
            payload.compatibility(db.read().unwrap().state()).unwrap()
        };
        for payload in &payloads {
            let payload = CommitPayload::decode(&payload.encode().unwrap()).unwrap();
            assert_eq!(
                compatibility(&db, &payload),
                Compatibility::Past,
                "{payload:?}"
            );
        }
        let of = |change: fn(&mut CommitPayload)| {
            let mut payload = CommitPayload::of(db.read().unwrap().meta());
            change(&mut payload);
            compatibility(&db, &payload)
        };
        assert_eq!(
            of(|payload| payload.store_id = [7; 16]),
            Compatibility::Useless("it belongs to another store")
        );
        assert_eq!(
            of(|payload| payload.schema += 1),
            Compatibility::Useless("it was built with another schema or analyzer version")
        );
        assert_eq!(
            of(|payload| payload.analyzer += 1),
            Compatibility::Useless("it was built with another schema or analyzer version")
        );
        assert_eq!(
            of(|payload| payload.seq += 1),
            Compatibility::Useless("it is ahead of the store")
        );
        assert_eq!(
            of(|payload| payload.commit_id = [7; 16]),
            Compatibility::Useless("the store's history has diverged from it")
        );

        commit(&mut db, 2);
        let diverged = Compatibility::Useless("the store's history has diverged from it");
        assert_eq!(
            compatibility(&db, &payloads[0]),
            diverged,
            "the log no longer holds commit 1"
        );
        assert_eq!(compatibility(&db, &payloads[1]), diverged);
        assert_eq!(compatibility(&db, &payloads[2]), Compatibility::Past);
    }
}
