//! Errors that end a whole backup. What goes wrong with an item or a kind is a finding instead.

use crate::api::InvalidSpec;
use crate::archive::ArchiveError;
use crate::bucket::BucketError;
use crate::cluster::ClusterError;
use crate::model::{BackupName, Category, causes};

/// The reason why a backup could not be made. Nothing of such a backup is visible in the bucket
/// but a claim with parts.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The specification is invalid; holds every fault.
    #[error("the backup's specification is wrong: {}", list(.0))]
    Specification(Vec<InvalidSpec>),
    /// A call on which the whole run rests failed.
    #[error("{doing}")]
    Cluster {
        /// The action that failed.
        doing: &'static str,
        /// The cause.
        #[source]
        source: ClusterError,
    },
    /// A write to the bucket failed, or the name is taken.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive refuses one item; the run goes on without it.
    #[error(transparent)]
    Unstorable(ArchiveError),
    /// A compression task panicked or was cancelled.
    #[error("cannot compress a frame of the tarball; this is a fault of Ark, or memory ran out")]
    Compress {
        /// The cause.
        #[source]
        source: tokio::task::JoinError,
    },
    /// The results or the log could not be compressed.
    #[error("cannot compress the results and the log of the backup")]
    Compressing(#[source] std::io::Error),
    /// The run was stopped from outside.
    #[error("the backup {name} was stopped before it was complete")]
    Stopped {
        /// The backup that was being made.
        name: BackupName,
    },
    /// The run noticed that it is to end; `halt::run_until` replaces this by the reason.
    #[error("the run was stopped")]
    Halted,
    /// The run ended, and the parts that it had written could not be removed.
    #[error(
        "{}; moreover, what was half-written could not be removed ({}): the backup shows as Unfinished in `ark bucket list` until the next attempt at this name removes it",
        causes(error),
        causes(left)
    )]
    Left {
        /// The error that ended the run.
        #[source]
        error: Box<BackupError>,
        /// The error of the removal.
        left: BucketError,
    },
    /// The document could not be written as JSON.
    #[error("cannot write the backup's document as JSON")]
    Document(#[source] serde_json::Error),
}

impl BackupError {
    /// Returns a function for `map_err`: the API server failed while `doing`.
    pub(super) fn cluster(doing: &'static str) -> impl FnOnce(ClusterError) -> Self {
        move |source| Self::Cluster { doing, source }
    }

    /// Returns the category of the failure.
    pub fn category(&self) -> Category {
        match self {
            Self::Specification(_) => Category::Invalid,
            Self::Cluster { source, .. } => source.category(),
            Self::Bucket(source) => source.category(),
            Self::Archive(source) | Self::Unstorable(source) => source.category(),
            Self::Left { error, .. } => error.category(),
            Self::Compress { .. }
            | Self::Compressing(_)
            | Self::Stopped { .. }
            | Self::Halted
            | Self::Document(_) => Category::Other,
        }
    }

    /// Returns the error that ended the run, without that of the clean-up.
    pub fn root(&self) -> &Self {
        match self {
            Self::Left { error, .. } => error.root(),
            error => error,
        }
    }
}

fn list(faults: &[InvalidSpec]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
