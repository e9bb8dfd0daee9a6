//! What a commit of the index says about the store that it was made from.

use serde::{Deserialize, Serialize};

use super::schema;
use crate::Result;
use crate::analyzer;
use crate::storage::{Header, Reader, Seq};

/// The payload of a commit: up to which commit of which store it goes, and made by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payload {
    store_id: [u8; 16],
    seq: u64,
    commit_id: [u8; 16],
    schema: u32,
    analyzer: u64,
}

/// What an index is worth to a store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It holds a state that the store went through.
    Past,
    /// It cannot be used, for this reason.
    Useless(&'static str),
}

impl Payload {
    pub(super) fn of(header: &Header) -> Self {
        Self {
            store_id: header.store_id.0,
            seq: header.seq.0,
            commit_id: header.commit_id.0,
            schema: schema::FINGERPRINT,
            analyzer: analyzer::fingerprint(),
        }
    }

    pub(super) fn seq(&self) -> Seq {
        Seq(self.seq)
    }

    pub(super) fn encode(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| super::fault(tantivy::TantivyError::InternalError(error.to_string())))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether the store went through the state that this describes. Its number alone does not tell: a store that was
    /// put back to an older copy and written on has the same numbers with another history.
    pub(super) fn standing(&self, reader: &impl Reader) -> Result<Standing> {
        let header = reader.header();
        if self.store_id != header.store_id.0 {
            return Ok(Standing::Useless("it belongs to another store"));
        }
        if (self.schema, self.analyzer) != (schema::FINGERPRINT, analyzer::fingerprint()) {
            return Ok(Standing::Useless("it was made by other rules"));
        }
        if self.seq > header.seq.0 {
            log::error!(
                "the search index has seen commit {} of a store that ends at commit {}: the store was put back to an \
                 older copy, or its disk lost writes that it had acknowledged",
                self.seq,
                header.seq.0
            );
            return Ok(Standing::Useless("it is ahead of the store"));
        }
        let same = if self.seq == 0 {
            // Before the first commit every history is the same; the log must go back that far, the whole of its first
            // commit included.
            header.log_start <= Seq(1) && (header.seq == Seq(0) || reader.logged_commit(Seq(1))?.is_some())
        } else {
            reader.logged_commit(Seq(self.seq))?.is_some_and(|commit| commit.0 == self.commit_id)
        };
        Ok(if same { Standing::Past } else { Standing::Useless("the store has another history") })
    }
}
