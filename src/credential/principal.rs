//! On whose behalf a request is made.

use std::collections::BTreeSet;

use crate::credential::scope::Scope;

/// On whose behalf a request is made: what it may do, and whose leads it sees.
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
    /// One with these scopes, who sees all leads.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self {
            scopes: scopes.into_iter().collect(),
            owner_id: None,
        }
    }

    /// Binds the principal to the leads of one owner; other leads do not exist for it. A blank owner
    /// id is rejected on authentication.
    pub fn bound_to(mut self, owner_id: impl Into<String>) -> Self {
        self.owner_id = Some(owner_id.into());
        self
    }

    /// Whether it has this scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The owner that it is bound to, if it is to one.
    pub fn owner_id(&self) -> Option<&str> {
        self.owner_id.as_deref()
    }
}
