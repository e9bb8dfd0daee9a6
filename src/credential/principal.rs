//! The principal: the authenticated party of a request.

use std::collections::BTreeSet;

use crate::credential::scope::Scope;

/// The authenticated party of a request: its scopes, and the leads that it can see.
///
/// ```
/// use leadstore::http::{Principal, Scope};
///
/// let manager = Principal::new(Scope::ALL);
/// assert!(manager.allows(Scope::Delete) && manager.owner_id().is_none());
/// let ada = Principal::new([Scope::Read, Scope::Write]).bound_to("ada");
/// assert!(!ada.allows(Scope::Delete));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    scopes: BTreeSet<Scope>,
    owner_id: Option<String>,
}

impl Principal {
    /// Creates a principal with these scopes, which can see all leads.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self {
            scopes: scopes.into_iter().collect(),
            owner_id: None,
        }
    }

    /// Binds the principal to the leads of one owner; other leads do not exist for it. If the
    /// owner id is blank, the principal's requests are rejected with status 401.
    pub fn bound_to(mut self, owner_id: impl Into<String>) -> Self {
        self.owner_id = Some(owner_id.into());
        self
    }

    /// Returns true if the principal has this scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Returns the owner that the principal is bound to, if any.
    pub fn owner_id(&self) -> Option<&str> {
        self.owner_id.as_deref()
    }
}
