//! Errors of stores, in words for the person on call. Pure.
//!
//! Every error says what was being done ([`Action`]), why it failed and what to do next; the
//! cause, where there is one, is the source and not repeated. No secret ever reaches these texts.

use std::fmt;
use std::time::Duration;

use crate::model::{Category, Cause};

use super::InvalidKey;
use super::location::InvalidLocation;

/// An operation of a store: the label of its metrics and the verb of its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Opening the location.
    Open,
    /// Writing a document in one piece.
    Put,
    /// Beginning a streamed object.
    UploadStart,
    /// Sending a piece of a streamed object.
    UploadWrite,
    /// Making a streamed object visible.
    UploadFinish,
    /// Giving a streamed object up.
    UploadAbort,
    /// Reading an object or a range of it.
    Get,
    /// Asking for an object's size and time.
    Head,
    /// Listing one page.
    List,
    /// Deleting objects.
    Delete,
    /// Signing a URL.
    Presign,
}

impl Operation {
    /// Returns the operation as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Put => "put",
            Self::UploadStart => "upload-start",
            Self::UploadWrite => "upload-write",
            Self::UploadFinish => "upload-finish",
            Self::UploadAbort => "upload-abort",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Presign => "presign",
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::Open => "opening",
            Self::Put | Self::UploadWrite => "writing",
            Self::UploadStart => "starting to write",
            Self::UploadFinish => "completing the write of",
            Self::UploadAbort => "giving up the write of",
            Self::Get => "reading",
            Self::Head => "looking up",
            Self::List => "listing",
            Self::Delete => "deleting",
            Self::Presign => "signing a URL for",
        }
    }
}

/// The operation and its target: the beginning of every message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The operation.
    pub operation: Operation,
    /// The object or location, as a person would write it.
    pub target: String,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation.doing(), self.target)
    }
}

/// The reason why an operation on a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object does not exist.
    #[error("{action}: there is no such object")]
    NotFound {
        /// The operation and its target.
        action: Action,
    },
    /// A create met an existing object.
    #[error("{action}: an object of that name exists already")]
    AlreadyExists {
        /// The operation and its target.
        action: Action,
    },
    /// Somebody else has written the object meanwhile, or removed it.
    #[error("{action}: another process has written or removed it meanwhile")]
    Changed {
        /// The operation and its target.
        action: Action,
    },
    /// This process may not write any more: its lease has ended.
    #[error("{action}: not sent, as the lease of this server has ended and another may lead by now")]
    NotSent {
        /// The operation and its target.
        action: Action,
    },
    /// The credentials are missing, wrong, expired or not allowed to do this.
    #[error("{action}: {hint}")]
    Forbidden {
        /// The operation and its target.
        action: Action,
        /// The reason, and what to do.
        hint: String,
        /// The answer of the service.
        source: Option<Cause>,
    },
    /// The bucket or folder does not exist.
    #[error("{action}: {missing} does not exist; create it, or add createBucket=true to the location")]
    BucketMissing {
        /// The operation and its target.
        action: Action,
        /// The bucket or folder.
        missing: String,
    },
    /// No room is left.
    #[error("{action}: the store is full; free some space or raise its quota")]
    Full {
        /// The operation and its target.
        action: Action,
        /// The error of the service or system.
        source: Cause,
    },
    /// The store cannot be written.
    #[error("{action}: the store is read-only; mount it writable or use another location")]
    ReadOnly {
        /// The operation and its target.
        action: Action,
        /// The error of the service or system.
        source: Cause,
    },
    /// No connection to the service.
    #[error(
        "{action}: cannot reach {endpoint}; check the endpoint, the network and the certificate authority"
    )]
    Unreachable {
        /// The operation and its target.
        action: Action,
        /// The address of the service.
        endpoint: String,
        /// The cause.
        source: Cause,
    },
    /// No answer in time.
    #[error("{action}: no answer within {}; check the service and the network", humantime::format_duration(*.limit))]
    Timeout {
        /// The operation and its target.
        action: Action,
        /// The deadline.
        limit: Duration,
    },
    /// The service is overloaded or failing, also after repeated tries.
    #[error("{action}: the service is overloaded or failing; try again later")]
    Unavailable {
        /// The operation and its target.
        action: Action,
        /// The answer of the service.
        source: Cause,
    },
    /// The bucket is in another region.
    #[error("{action}: the bucket is not in region {used}; {remedy}")]
    WrongRegion {
        /// The operation and its target.
        action: Action,
        /// The region for which requests were signed.
        used: String,
        /// The region to use, as far as the service said.
        remedy: String,
    },
    /// Fewer bytes came than were promised or asked for. With a source the connection broke;
    /// without one the object has no more.
    #[error("{action}: the body ended after {received} of {expected} bytes")]
    Truncated {
        /// The operation and its target.
        action: Action,
        /// Bytes that came.
        received: u64,
        /// Bytes that should have come.
        expected: u64,
        /// The cause, if the connection broke.
        source: Option<Cause>,
    },
    /// An object is larger than its reader or store allows.
    #[error("{action}: the object is larger than {limit} bytes, the most that is accepted there")]
    TooLarge {
        /// The operation and its target.
        action: Action,
        /// The largest size, in bytes.
        limit: u64,
    },
    /// Something that is not an object (a folder, a symbolic link) is at the object's path.
    #[error("{action}: {obstacle} is in the way; move it aside, or use another location")]
    Obstructed {
        /// The operation and its target.
        action: Action,
        /// The obstacle at the path of the object or its folder.
        obstacle: String,
    },
    /// A text is no object key.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// A text is no URL of a location.
    #[error(transparent)]
    InvalidLocation(#[from] InvalidLocation),
    /// A setting of the location cannot be used.
    #[error("{action}: {problem}")]
    Setting {
        /// The operation and its target.
        action: Action,
        /// The setting, and what to do.
        problem: String,
        /// The cause.
        source: Option<Cause>,
    },
    /// The server cannot provide what was to be downloaded from it.
    #[error("{action}: {why}")]
    NotHandedOut {
        /// The operation and its target.
        action: Action,
        /// The reason, and what to do.
        why: String,
        /// The answer, if there was one.
        source: Option<Cause>,
    },
    /// Anything else.
    #[error("{action}: unexpected failure of the store")]
    Other {
        /// The operation and its target.
        action: Action,
        /// The error of the service or system.
        source: Cause,
    },
}

impl StoreError {
    /// Returns the category, for metrics and results.
    pub fn category(&self) -> Category {
        match self {
            Self::NotFound { .. } | Self::BucketMissing { .. } => Category::NotFound,
            Self::AlreadyExists { .. } | Self::Changed { .. } | Self::NotSent { .. } => Category::Conflict,
            Self::Forbidden { .. } | Self::ReadOnly { .. } => Category::Forbidden,
            Self::Timeout { .. } => Category::Timeout,
            Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::NotHandedOut { .. }
            | Self::Truncated { source: Some(_), .. } => Category::Unavailable,
            Self::Truncated { source: None, .. } => Category::Corrupt,
            Self::TooLarge { .. } => Category::TooLarge,
            Self::InvalidKey(_) | Self::InvalidLocation(_) | Self::Setting { .. } => Category::Invalid,
            Self::Full { .. } | Self::WrongRegion { .. } | Self::Obstructed { .. } | Self::Other { .. } => {
                Category::Other
            }
        }
    }

    /// Returns true if the object does not exist (and the bucket does).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Returns true if a create met an existing object.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// Returns true if somebody else was faster to write or remove the object.
    pub fn is_changed(&self) -> bool {
        matches!(self, Self::Changed { .. })
    }

    /// Returns true if the same operation may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Unavailable { .. }
                | Self::Truncated { source: Some(_), .. }
        )
    }

    /// Returns true if the store as a whole cannot be used (as opposed to one object), which is
    /// exit code 6.
    pub fn is_store_unusable(&self) -> bool {
        matches!(
            self,
            Self::BucketMissing { .. }
                | Self::Forbidden { .. }
                | Self::Full { .. }
                | Self::NotHandedOut { .. }
                | Self::ReadOnly { .. }
                | Self::Setting { .. }
                | Self::Timeout { .. }
                | Self::Truncated { source: Some(_), .. }
                | Self::Unavailable { .. }
                | Self::Unreachable { .. }
                | Self::WrongRegion { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_act_the_object_and_the_remedy() {
        let action = Action { operation: Operation::Get, target: "s3://bucket/prefix/key".into() };
        let error = StoreError::BucketMissing { action, missing: "bucket `bucket`".into() };
        assert_eq!(
            error.to_string(),
            "reading s3://bucket/prefix/key: bucket `bucket` does not exist; create it, or add createBucket=true to the location"
        );
        assert_eq!(error.category(), Category::NotFound);
        assert!(!error.is_not_found() && !error.is_retryable() && error.is_store_unusable());
    }

    #[test]
    fn a_broken_connection_is_no_damage_and_a_short_object_is() {
        let short = |source| {
            let action = Action { operation: Operation::Get, target: "key".into() };
            StoreError::Truncated { action, received: 1, expected: 2, source }
        };
        let (broken, cut) = (short(Some("reset".into())), short(None));
        assert_eq!((broken.category(), broken.is_retryable()), (Category::Unavailable, true));
        assert_eq!((cut.category(), cut.is_retryable()), (Category::Corrupt, false));
    }
}
