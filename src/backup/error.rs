//! Why a whole backup ends. What goes wrong with an item or a kind is a finding, never one of these.

use crate::api::InvalidSpec;
use crate::archive::ArchiveError;
use crate::bucket::BucketError;
use crate::cluster::ClusterError;
use crate::model::{BackupName, Category, causes};

/// A backup that could not be made; nothing of it is visible in the bucket but a partial.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The specification cannot be meant; every fault at once.
    #[error("the backup's specification is wrong: {}", list(.0))]
    Specification(Vec<InvalidSpec>),
    /// The API server did not answer what the whole run rests on.
    #[error("{doing}")]
    Cluster {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: ClusterError,
    },
    /// The bucket did not take what was written.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The archive could not be made.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive does not take an item; the run goes on without it.
    #[error(transparent)]
    Unstorable(ArchiveError),
    /// A compressing thread ended early.
    #[error("compressing a frame of the tarball was cut short")]
    Compress {
        /// Why.
        #[source]
        source: tokio::task::JoinError,
    },
    /// Results or log could not be compressed.
    #[error("compressing the results and the log of the backup")]
    Compressing(#[source] std::io::Error),
    /// Somebody stopped the run.
    #[error("the backup {name} was stopped before it was complete")]
    Stopped {
        /// The backup that was being made.
        name: BackupName,
    },
    /// The run found itself stopped; whoever stopped it says why.
    #[error("the run was stopped")]
    Halted,
    /// The run ended, and what it had written could not be removed.
    #[error(
        "{}; moreover, what was half-written could not be removed ({}): it shows as Unfinished in `ark bucket list` and goes with the next attempt at this name",
        causes(error),
        causes(left)
    )]
    Left {
        /// Why the run ended.
        error: Box<BackupError>,
        /// Why the parts are left.
        left: BucketError,
    },
    /// A document could not be written as JSON.
    #[error("writing the backup's document as JSON")]
    Document(#[source] serde_json::Error),
}

impl BackupError {
    /// For `map_err`: the API server failed while `doing`.
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

    /// The error that ended the run, without what happened while cleaning up.
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
