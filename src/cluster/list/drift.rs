//! Reasons why a list is not the cluster at the cut, in words. Pure.

use std::fmt;

/// The reason why a list is not the cluster at the cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// The revision of the cut was compacted before the list began: a second cut was taken, which
    /// serves the kinds that are listed later as well.
    Compacted {
        /// The revision of the second cut.
        revision: String,
    },
    /// The revision was compacted while the list ran: the rest is of a later revision.
    Expired,
    /// The server of this kind cannot list at a revision: the most recent revision was listed.
    Unsupported {
        /// The server's message.
        why: String,
    },
    /// The server answered with another revision than the requested one.
    OtherRevision {
        /// The revision of the answer; may be empty.
        revision: String,
    },
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compacted { revision } => write!(
                f,
                "the cut's revision was compacted before the list began; a second cut was taken at revision {revision}, \
                 at which the kinds that follow are listed as well"
            ),
            Self::Expired => f.write_str(
                "the revision was compacted while the list ran; the rest of the list is of a later revision",
            ),
            Self::Unsupported { why } => {
                write!(f, "its server cannot list at a revision ({why}); the most recent revision was listed")
            }
            Self::OtherRevision { revision } if revision.is_empty() => {
                f.write_str("its server has no revisions")
            }
            Self::OtherRevision { revision } => write!(f, "its server answered at revision {revision}"),
        }
    }
}
