//! What goes wrong, and what a caller can do about it. Knows no storage engine: each layer turns its own
//! failures into these kinds at the boundary where the context is known.

use std::error::Error as StdError;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::lead::{LeadId, Version, Violation};

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is; match on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such lead, or its time in the trash is over; or there is no store to open.
    NotFound,
    /// The lead is in the trash; [`Error::expires_at`] says until when it can be restored.
    InTrash,
    /// The lead is not in the trash, so it can be neither restored nor purged.
    NotInTrash,
    /// A lead with this id or external id exists (perhaps in the trash), or the directory holds a store already.
    AlreadyExists,
    /// The input breaks a rule; [`Error::violations`] names every one that it breaks.
    Invalid,
    /// The lead's version is not the expected one; [`Error::current_version`] tells which it is.
    Conflict,
    /// The store is open already, in this process or in another.
    AlreadyOpen,
    /// The store was opened for reading only.
    ReadOnly,
    /// A write on the store inside its own transaction: use the transaction.
    Nested,
    /// The transaction's closure gave up with an error of its own, see [`Error::abort`].
    Aborted,
    /// Something else holds what the operation needs for itself, such as a snapshot during a compaction.
    Busy,
    /// The store cannot answer now, but will later, such as search while its index is rebuilt.
    Unavailable,
    /// The store's file is damaged.
    Corrupted,
    /// The store was written in a format that this version does not know.
    UnsupportedFormat,
    /// The operating system refused to read or write.
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
            Self::Io => "input or output failed",
            Self::Closed => "closed",
        })
    }
}

/// The one error type of this crate. It is one pointer wide.
///
/// Its `Display` says what was being done, to which lead or file, and what the caller can do;
/// [`kind`](Self::kind) is for programs.
pub struct Error(Box<ErrorInner>);

struct ErrorInner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    lead_id: Option<LeadId>,
    violations: Vec<Violation>,
    current_version: Option<Version>,
    expires_at: Option<DateTime<Utc>>,
    outcome_unknown: bool,
}

impl Error {
    /// Carries an application's own error out of [`LeadStore::transaction`](crate::LeadStore::transaction),
    /// which then writes nothing. It comes back with the kind [`ErrorKind::Aborted`] and the error as its source.
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
            format!("the transaction was given up: {source}"),
        );
        error.0.source = Some(source);
        error
    }

    /// The kind, to match on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The lead that the failed call was about, if it was about one.
    pub fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }

    /// Every rule that the input breaks, the first 1,000 of them; empty unless the kind is [`ErrorKind::Invalid`].
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// The version that the lead has, if the kind is [`ErrorKind::Conflict`].
    pub fn current_version(&self) -> Option<Version> {
        self.0.current_version
    }

    /// Until when the lead can be restored, if the kind is [`ErrorKind::InTrash`].
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// Whether a commit failed half-way, so that only [`LeadStore::reopen`](crate::LeadStore::reopen) can tell
    /// if the write is in the store.
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

    /// Puts what was being done before the message: `"opening the store: …"`.
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
            format!("the input is not valid: {}", listed.join("; ")),
        );
        error.0.violations = violations;
        error
    }

    pub(crate) fn not_found(id: LeadId) -> Self {
        Self::about(id, ErrorKind::NotFound, format!("there is no lead {id}"))
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

    pub(crate) fn already_exists(id: LeadId, what: impl fmt::Display) -> Self {
        Self::about(
            id,
            ErrorKind::AlreadyExists,
            format!("{what} belongs to lead {id} already"),
        )
    }

    pub(crate) fn conflict(id: LeadId, expected: Version, current: Version) -> Self {
        let message = format!(
            "lead {id} is at version {current}, not {expected}: read it again and repeat the change"
        );
        let mut error = Self::about(id, ErrorKind::Conflict, message);
        error.0.current_version = Some(current);
        error
    }

    /// A lead that is not what the condition of a request demands.
    #[cfg(feature = "http")]
    pub(crate) fn precondition_failed(id: LeadId, version: Version) -> Self {
        let message = format!(
            "lead {} is at version {}: read it again and repeat the change",
            id, version
        );
        let mut error = Self::about(id, ErrorKind::Conflict, message);
        error.0.current_version = Some(version);
        error
    }

    /// The same error for another caller, without its source.
    pub(crate) fn repeated(&self) -> Self {
        let mut error = Self::new(self.0.kind, self.0.message.clone());
        error.0.outcome_unknown = self.0.outcome_unknown;
        error
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the store was closed; open it again")
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
