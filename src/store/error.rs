//! What can go wrong with a store, in words for the person on call. Pure.
//!
//! Every error says what was being done ([`Action`]), why it failed and what to do next; the cause, where there is
//! one, is the source and not repeated. No secret ever reaches these texts.

use std::fmt;
use std::time::Duration;

use crate::model::Category;

use super::InvalidKey;
use super::location::InvalidLocation;

/// The underlying cause of an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a store does; the label of its metrics and the verb of its errors.
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
    /// The operation as a metric label.
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

/// What was being done, on what: the beginning of every message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What was being done.
    pub operation: Operation,
    /// The object or location, as a person would write it.
    pub target: String,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation.doing(), self.target)
    }
}

/// Why an act on a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object is not there.
    #[error("{action}: there is no such object")]
    NotFound {
        /// What was being done.
        action: Action,
    },
    /// A create found the object there already.
    #[error("{action}: an object of that name exists already")]
    AlreadyExists {
        /// What was being done.
        action: Action,
    },
    /// Somebody else has written the object meanwhile, or removed it.
    #[error("{action}: another process has written or removed it meanwhile")]
    Changed {
        /// What was being done.
        action: Action,
    },
    /// This process may write no more.
    #[error("{action}: not sent, as the lease of this server has ended and another may lead by now")]
    NotSent {
        /// What was being done.
        action: Action,
    },
    /// The credentials are missing, wrong, expired or not allowed to do this.
    #[error("{action}: {hint}")]
    Forbidden {
        /// What was being done.
        action: Action,
        /// Why, and what to do.
        hint: String,
        /// What the service said.
        source: Option<Cause>,
    },
    /// The bucket or folder is not there.
    #[error("{action}: {missing} does not exist; create it, or add createBucket=true to the location")]
    BucketMissing {
        /// What was being done.
        action: Action,
        /// The bucket or folder.
        missing: String,
    },
    /// No room is left.
    #[error("{action}: the store is full; free some space or raise its quota")]
    Full {
        /// What was being done.
        action: Action,
        /// What the service or system said.
        source: Cause,
    },
    /// The store cannot be written.
    #[error("{action}: the store is read-only; mount it writable or use another location")]
    ReadOnly {
        /// What was being done.
        action: Action,
        /// What the service or system said.
        source: Cause,
    },
    /// No connection to the service.
    #[error(
        "{action}: cannot reach {endpoint}; check the endpoint, the network and the certificate authority"
    )]
    Unreachable {
        /// What was being done.
        action: Action,
        /// Where the service should be.
        endpoint: String,
        /// Why there is no connection.
        source: Cause,
    },
    /// No answer in time.
    #[error("{action}: no answer within {}", humantime::format_duration(*.limit))]
    Timeout {
        /// What was being done.
        action: Action,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The service is overloaded or failing, also after repeated tries.
    #[error("{action}: the service is overloaded or failing; try again later")]
    Unavailable {
        /// What was being done.
        action: Action,
        /// What the service said.
        source: Cause,
    },
    /// The bucket is in another region.
    #[error("{action}: the bucket is not in region {used}; {remedy}")]
    WrongRegion {
        /// What was being done.
        action: Action,
        /// The region that was used.
        used: String,
        /// Which region to use, as far as the service said.
        remedy: String,
    },
    /// Fewer bytes came than were promised or asked for: with a source the connection broke, without one no more are there.
    #[error("{action}: the body ended after {received} of {expected} bytes")]
    Truncated {
        /// What was being done.
        action: Action,
        /// Bytes that came.
        received: u64,
        /// Bytes that should have come.
        expected: u64,
        /// Why the connection ended, when known.
        source: Option<Cause>,
    },
    /// An object is larger than its reader or store allows.
    #[error("{action}: the object is larger than {limit} bytes, the most that is accepted there")]
    TooLarge {
        /// What was being done.
        action: Action,
        /// The largest size, in bytes.
        limit: u64,
    },
    /// Something that is not an object (a folder, a symbolic link) lies at its path.
    #[error("{action}: {obstacle} is in the way; move it aside, or use another location")]
    Obstructed {
        /// What was being done.
        action: Action,
        /// What lies where the object or its folder should be.
        obstacle: String,
    },
    /// A text that cannot name an object.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// A URL that is not a location.
    #[error(transparent)]
    InvalidLocation(#[from] InvalidLocation),
    /// A setting of the location cannot be used.
    #[error("{action}: {problem}")]
    Setting {
        /// What was being done.
        action: Action,
        /// Which setting, and what to do.
        problem: String,
        /// What is wrong with it.
        source: Option<Cause>,
    },
    /// What the server was to hand out cannot be had of it.
    #[error("{action}: {why}")]
    NotHandedOut {
        /// What was being done.
        action: Action,
        /// Why, and what to do.
        why: String,
        /// What was answered.
        source: Option<Cause>,
    },
    /// Anything else.
    #[error("{action}: unexpected failure of the store")]
    Other {
        /// What was being done.
        action: Action,
        /// What the service or system said.
        source: Cause,
    },
}

impl StoreError {
    /// The category, for metrics and results.
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

    /// Whether the object is not there (the bucket being there).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether a create lost against an object that is there already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// Whether somebody else was faster to write or remove the object.
    pub fn is_changed(&self) -> bool {
        matches!(self, Self::Changed { .. })
    }

    /// Whether the same act may succeed when it is tried again later.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Unavailable { .. }
                | Self::Truncated { source: Some(_), .. }
        )
    }

    /// Whether the store as a whole cannot be used (as opposed to one object), which is exit code 6.
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
