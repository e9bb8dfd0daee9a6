//! The error type of this crate and its kinds. It does not depend on the storage engine: each layer
//! converts its own failures to these kinds at the boundary where the context is known.

use std::error::Error as StdError;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::lead::{LeadId, LeadVersion, Violation};

/// The result type of this crate; its error type is [`Error`] by default.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`], for programs to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The lead or credential does not exist, the lead has expired from the trash, or there is no
    /// store to open.
    NotFound,
    /// The lead is in the trash. [`Error::expires_at`] returns the time until which it can be
    /// restored.
    InTrash,
    /// The lead is not in the trash, so it can be neither restored nor purged.
    NotInTrash,
    /// A lead with this id or external id already exists, possibly in the trash, or the directory
    /// already contains a store.
    AlreadyExists,
    /// The input violates at least one rule. [`Error::violations`] lists the violations.
    Invalid,
    /// The lead does not have the expected version. [`Error::current_version`] returns the version
    /// it has.
    Conflict,
    /// The store is already open, in this process or in another one.
    AlreadyOpen,
    /// The store was opened read-only.
    ReadOnly,
    /// The call was made on the store from inside a transaction and would wait for that transaction
    /// to end. Use the transaction instead.
    Nested,
    /// The closure of the transaction returned an error of its own, see [`Error::abort`], or
    /// another write in the same commit panicked. Nothing was written.
    Aborted,
    /// The operation needs exclusive access to something that is in use, for example a compaction
    /// while a snapshot is held.
    Busy,
    /// The store cannot answer yet, for example a search while the index is being rebuilt. Retry
    /// later.
    Unavailable,
    /// A file of the store is corrupted.
    Corrupted,
    /// The store was written in a format that this version does not support.
    UnsupportedFormat,
    /// The operating system reported an I/O error.
    Io,
    /// The store was closed.
    Closed,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::InTrash => "in the trash",
            Self::NotInTrash => "not in the trash",
            Self::AlreadyExists => "already exists",
            Self::Invalid => "invalid",
            Self::Conflict => "version conflict",
            Self::AlreadyOpen => "already open",
            Self::ReadOnly => "read only",
            Self::Nested => "nested write",
            Self::Aborted => "aborted",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Corrupted => "corrupted",
            Self::UnsupportedFormat => "unsupported format",
            Self::Io => "I/O error",
            Self::Closed => "closed",
        })
    }
}

/// The error type of this crate. It is one pointer wide.
///
/// Its `Display` output is a message for people. It names the operation, the lead or file
/// concerned, and what the caller can do, as far as these are known. Programs should match on
/// [`kind`](Self::kind).
pub struct Error(Box<ErrorInner>);

struct ErrorInner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    lead_id: Option<LeadId>,
    violations: Vec<Violation>,
    current_version: Option<LeadVersion>,
    expires_at: Option<DateTime<Utc>>,
    outcome_unknown: bool,
}

impl Error {
    /// Wraps an application's own error to abort a
    /// [`LeadStore::transaction`](crate::LeadStore::transaction), which then writes nothing. The
    /// transaction returns this error, with the kind [`ErrorKind::Aborted`] and the application's
    /// error as its source.
    ///
    /// ```
    /// use leadstore::{Error, ErrorKind, LeadStore, NewLead};
    ///
    /// let store = LeadStore::in_memory()?;
    /// let refused = store.transaction(|t| {
    ///     t.create(NewLead::new("Jane Doe"))?;
    ///     Err::<(), _>(Error::abort("quota exceeded"))
    /// });
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::Aborted);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn abort(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        let mut error = Self::new(
            ErrorKind::Aborted,
            format!("the transaction was aborted: {source}"),
        );
        error.0.source = Some(source);
        error
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the id of the lead that the error is about, if any. For
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) it is the lead that has the id or external id.
    pub fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }

    /// Returns the violations of the input, at most the first 1,000. Empty unless the kind is
    /// [`ErrorKind::Invalid`].
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Returns the current version of the lead if the kind is [`ErrorKind::Conflict`].
    pub fn current_version(&self) -> Option<LeadVersion> {
        self.0.current_version
    }

    /// Returns the time until which the lead with the id [`lead_id`](Self::lead_id) can be
    /// restored. Returns `None` unless that lead is in the trash and the kind is
    /// [`ErrorKind::InTrash`] or [`ErrorKind::AlreadyExists`].
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// Returns true if a commit failed partway. The write may or may not be in the store, and only
    /// [`LeadStore::reopen`](crate::LeadStore::reopen) can determine which.
    pub fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorInner {
            kind,
            message: message.into(),
            source: None,
            lead_id: None,
            violations: Vec::new(),
            current_version: None,
            expires_at: None,
            outcome_unknown: false,
        }))
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_unknown_outcome(mut self) -> Self {
        self.0.outcome_unknown = true;
        self
    }

    /// Prepends the operation to the message: `"opening the store: …"`.
    pub(crate) fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    pub(crate) fn invalid(violations: Vec<Violation>) -> Self {
        let listed: Vec<String> = violations
            .iter()
            .map(|v| format!("{}: {}", v.field, v.message))
            .collect();
        let mut error = Self::new(
            ErrorKind::Invalid,
            format!("invalid input: {}", listed.join("; ")),
        );
        error.0.violations = violations;
        error
    }

    pub(crate) fn not_found(id: LeadId) -> Self {
        Self::about(id, ErrorKind::NotFound, format!("lead {id} does not exist"))
    }

    pub(crate) fn in_trash(id: LeadId, expires_at: DateTime<Utc>) -> Self {
        let message = format!("lead {id} is in the trash; it can be restored until {expires_at}");
        let mut error = Self::about(id, ErrorKind::InTrash, message);
        error.0.expires_at = Some(expires_at);
        error
    }

    pub(crate) fn not_in_trash(id: LeadId) -> Self {
        Self::about(
            id,
            ErrorKind::NotInTrash,
            format!("lead {id} is not in the trash"),
        )
    }

    /// Returns the error for an id or external id that already belongs to the lead `id`. In the
    /// message, `what` describes the id or external id. If that lead is in the trash, it can be
    /// restored until `expires_at`.
    pub(crate) fn already_exists(
        id: LeadId,
        what: impl fmt::Display,
        expires_at: Option<DateTime<Utc>>,
    ) -> Self {
        let hint = match expires_at {
            Some(_) => ", which is in the trash: restore or purge it",
            None => "",
        };
        let message = format!("{what} already belongs to lead {id}{hint}");
        let mut error = Self::about(id, ErrorKind::AlreadyExists, message);
        error.0.expires_at = expires_at;
        error
    }

    pub(crate) fn conflict(id: LeadId, expected: LeadVersion, current: LeadVersion) -> Self {
        let message = format!(
            "lead {id} is at version {current}, not {expected}: read it again and retry the change"
        );
        let mut error = Self::about(id, ErrorKind::Conflict, message);
        error.0.current_version = Some(current);
        error
    }

    /// Returns the conflict for a lead that fails the precondition of a request.
    #[cfg(feature = "http")]
    pub(crate) fn precondition_failed(id: LeadId, version: LeadVersion) -> Self {
        let message = format!(
            "lead {} is at version {}: read it again and retry the change",
            id, version
        );
        let mut error = Self::about(id, ErrorKind::Conflict, message);
        error.0.current_version = Some(version);
        error
    }

    /// Copies the error for another caller. Only the kind, the message and the unknown outcome are
    /// copied.
    pub(crate) fn repeated(&self) -> Self {
        let mut error = Self::new(self.0.kind, self.0.message.clone());
        error.0.outcome_unknown = self.0.outcome_unknown;
        error
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the store is closed; open it again")
    }

    pub(crate) fn corrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupted, message)
    }

    fn about(id: LeadId, kind: ErrorKind, message: String) -> Self {
        let mut error = Self::new(kind, message);
        error.0.lead_id = Some(id);
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorInner {
            kind,
            message,
            source,
            ..
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("message", message)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
