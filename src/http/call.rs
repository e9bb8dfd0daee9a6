//! A call of an operation: the inputs, and the leads that the principal can see.

use std::borrow::Cow;

use http::HeaderMap;

use crate::credential::Principal;
use crate::error::{Error, Result};
use crate::http::request::json::{Json, Kind, LONE_SURROGATE, Members};
use crate::http::request::params::Params;
use crate::http::response::api_error::{ApiError, ApiErrorCode};
use crate::lead::{Lead, LeadId, TrashedLead, Violation, ViolationCode, Violations};
use crate::store::{LeadStore, Snapshot, Transaction};

/// A call of an operation by a principal that has the scope for it.
pub(crate) struct Call<'r> {
    pub(crate) store: &'r LeadStore,
    pub(crate) principal: Principal,
    /// The percent-decoded id in the path.
    pub(crate) id: Cow<'r, str>,
    pub(crate) query: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r [u8],
}

impl Call<'_> {
    /// Returns the owner that the principal is bound to, if any.
    pub(crate) fn owner_id(&self) -> Option<&str> {
        self.principal.owner_id()
    }

    /// Returns which leads the principal sees. The value is owned, because the closure of a write
    /// cannot borrow from the call.
    pub(crate) fn visibility(&self) -> Visibility {
        Visibility {
            owner_id: self.owner_id().map(str::to_owned),
        }
    }

    /// Parses the id in the path. A malformed id is `not_found`, like an unknown one.
    pub(crate) fn lead_id(&self) -> Result<LeadId, ApiError> {
        self.id.parse().map_err(|_| ApiError::not_found("lead"))
    }

    /// Returns a violation for each parameter in the query string. Called for operations that take
    /// no parameters.
    pub(crate) fn reject_query_params(&self) -> Result<Violations, ApiError> {
        Ok(Params::of_query(self.query)?.into_violations())
    }

    /// Parses the body, which must be a JSON object, into its members.
    pub(crate) fn members(&self) -> Result<Members<'_>, ApiError> {
        let json = Json::parse(self.body).map_err(|error| {
            ApiError::new(
                ApiErrorCode::MalformedRequest,
                format!("the body is not JSON in UTF-8: {error}"),
            )
        })?;
        let invalid = |code, message| Error::invalid(vec![Violation::new("body", code, message)]);
        if json.kind() != Kind::Object {
            return Err(invalid(ViolationCode::InvalidType, "must be an object").into());
        }
        Ok(json
            .members()
            .ok_or_else(|| invalid(ViolationCode::InvalidCharacter, LONE_SURROGATE))?)
    }
}

/// The leads that a principal sees: all of them, or one owner's.
#[derive(Clone, Debug)]
pub(crate) struct Visibility {
    owner_id: Option<String>,
}

impl Visibility {
    pub(crate) fn can_see(&self, lead: &Lead) -> bool {
        self.owner_id.is_none() || self.owner_id == lead.owner_id
    }

    /// Returns the live lead with this id. Another owner's lead gives the same error as an unknown
    /// id.
    pub(crate) fn live(&self, leads: &impl Leads, id: LeadId) -> Result<Lead> {
        match leads.get(id)? {
            Some(lead) if self.can_see(&lead) => Ok(lead),
            Some(_) => Err(Error::not_found(id)),
            None => match leads.get_trashed(id)? {
                Some(trashed) if self.can_see(&trashed.lead) => {
                    Err(Error::in_trash(id, trashed.expires_at))
                }
                _ => Err(Error::not_found(id)),
            },
        }
    }

    /// Returns the lead with this id in the trash. Another owner's lead gives the same error as an
    /// unknown id.
    pub(crate) fn trashed(&self, leads: &impl Leads, id: LeadId) -> Result<TrashedLead> {
        match leads.get_trashed(id)? {
            Some(trashed) if self.can_see(&trashed.lead) => Ok(trashed),
            Some(_) => Err(Error::not_found(id)),
            None => match leads.get(id)? {
                Some(lead) if self.can_see(&lead) => Err(Error::not_in_trash(id)),
                _ => Err(Error::not_found(id)),
            },
        }
    }
}

/// A state of the store in which leads are looked up.
pub(crate) trait Leads {
    fn get(&self, id: LeadId) -> Result<Option<Lead>>;
    fn get_trashed(&self, id: LeadId) -> Result<Option<TrashedLead>>;
}

impl Leads for Snapshot {
    fn get(&self, id: LeadId) -> Result<Option<Lead>> {
        self.get(id)
    }

    fn get_trashed(&self, id: LeadId) -> Result<Option<TrashedLead>> {
        self.get_trashed(id)
    }
}

impl Leads for Transaction<'_> {
    fn get(&self, id: LeadId) -> Result<Option<Lead>> {
        self.get(id)
    }

    fn get_trashed(&self, id: LeadId) -> Result<Option<TrashedLead>> {
        self.get_trashed(id)
    }
}
