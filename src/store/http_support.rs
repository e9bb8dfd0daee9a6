//! Calls that only the HTTP API needs.

use std::sync::Arc;

use crate::clock::from_micros;
use crate::error::Result;
use crate::lead::{LeadPatch, NewLead};
use crate::schema::Catalogue;
use crate::store::lead_store::LeadStore;

impl LeadStore {
    /// Returns the id of the store: random bytes drawn when it was created.
    pub(crate) fn store_id(&self) -> Result<[u8; 16]> {
        self.read(|state| Ok(state.meta.store_id.0))
    }

    /// Returns the catalogue of fields.
    pub(crate) fn catalogue(&self) -> Result<Arc<Catalogue>> {
        self.with_engine(|engine| Ok(Arc::clone(&engine.rules.catalogue)))
    }

    /// Validates a new lead. Returns all violations in one error. Does not check whether the lead's
    /// ids are taken.
    pub(crate) fn check_new(&self, lead: NewLead) -> Result<()> {
        self.with_engine(|engine| {
            lead.into_lead(from_micros(0), &engine.rules.statuses)
                .map(drop)
        })
    }

    /// Validates a patch independently of the lead that it is for. Returns all violations in one
    /// error.
    pub(crate) fn check_patch(&self, patch: LeadPatch) -> Result<()> {
        self.with_engine(|engine| {
            let any = NewLead::new("any").into_lead(from_micros(0), &engine.rules.statuses)?;
            patch.apply_to(&any, &engine.rules.statuses).map(drop)
        })
    }
}
