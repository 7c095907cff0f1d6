//! Reasons for which a whole restore ends. A problem with one item or kind is a finding, never one
//! of these.

use crate::api::InvalidSpec;
use crate::bucket::BucketError;
use crate::cluster::ClusterError;
use crate::model::Category;
use crate::model::{RestoreName, causes};

/// A restore that could not be begun, or not be brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The specification is wrong; holds every fault at once.
    #[error("the restore's specification is wrong: {}", list(.0))]
    Specification(Vec<InvalidSpec>),
    /// The API server failed on something that the whole run rests on.
    #[error("{doing}")]
    Cluster {
        /// The work at hand, as a participle: `creating items`.
        doing: &'static str,
        /// The error of the call.
        #[source]
        source: ClusterError,
    },
    /// The bucket failed: the backup could not be read, or the record could not be written.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The Schedule has no backup that can be restored.
    #[error(
        "no completed backup of the schedule `{schedule}`{which} is in {location}; list what is there with `ark bucket list`{passed_over}"
    )]
    NoBackup {
        /// The name of the Schedule.
        schedule: String,
        /// The restriction that was asked for (before which time, of which cluster); empty if
        /// there is none.
        which: String,
        /// The location that was searched.
        location: String,
        /// The first backups that could not be read, and why.
        passed_over: String,
    },
    /// Items of the plan are in the target namespaces already, and the specification sets
    /// `requireEmpty`.
    #[error(
        "nothing was restored, because requireEmpty is set and {count} of the items are there already: {}{}; remove them, map the namespace to another name, or leave requireEmpty out",
        .first.join(", "),
        if *count > .first.len() as u64 { ", …" } else { "" }
    )]
    NotEmpty {
        /// The number of items that are there already.
        count: u64,
        /// The first of them, for the message.
        first: Vec<String>,
    },
    /// The caller's `stop` ended the run.
    #[error("the restore {name} was stopped before it was complete")]
    Stopped {
        /// The name of the restore.
        name: RestoreName,
    },
    /// The run was told to end, for a reason that its caller knows; never leaves `restore`.
    #[error("the restore was ended before it was complete")]
    Halted,
    /// The run ended early after it had changed the cluster; what it did stays, and is recorded as
    /// Failed.
    #[error(
        "{}; {created} items had been created and {updated} updated, which stay: the bucket records it as {name} with phase Failed, and another restore goes on where this one stopped",
        causes(source)
    )]
    Unfinished {
        /// The name of the restore.
        name: RestoreName,
        /// Items that had been created by then.
        created: u64,
        /// Items that had been updated by then.
        updated: u64,
        /// The reason for which the run ended.
        source: Box<RestoreError>,
    },
    /// Like [`RestoreError::Unfinished`], for a run that the bucket does not record.
    #[error(
        "{}; {created} items had been created and {updated} updated, which stay: another restore goes on where this one stopped",
        causes(source)
    )]
    Unrecorded {
        /// Items that had been created by then.
        created: u64,
        /// Items that had been updated by then.
        updated: u64,
        /// The reason for which the run ended.
        source: Box<RestoreError>,
    },
    /// A part of the record could not be compressed.
    #[error("cannot compress the report of the restore")]
    Compressing(#[source] std::io::Error),
    /// The run ended, and its claim could not be removed afterwards.
    #[error(
        "{}; moreover, its claim could not be removed ({}): the name shows as Unfinished in `ark bucket list` and can be used again after a day",
        causes(error),
        causes(left)
    )]
    Left {
        /// The reason for which the run ended.
        #[source]
        error: Box<RestoreError>,
        /// The reason for which the claim is still there.
        left: BucketError,
    },
}

impl RestoreError {
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
            Self::NoBackup { .. } => Category::NotFound,
            Self::NotEmpty { .. } => Category::Conflict,
            Self::Unfinished { source, .. } | Self::Unrecorded { source, .. } => source.category(),
            Self::Left { error, .. } => error.category(),
            Self::Stopped { .. } | Self::Halted | Self::Compressing(_) => Category::Other,
        }
    }

    /// Returns the error that ended the run, without what went wrong while it was recorded or
    /// cleaned up.
    pub fn root(&self) -> &Self {
        match self {
            Self::Left { error, .. } => error.root(),
            Self::Unfinished { source, .. } | Self::Unrecorded { source, .. } => source.root(),
            error => error,
        }
    }
}

/// Returns an error that concerns one object, to become a finding.
///
/// # Errors
/// When the error is about the connection, which ends the run.
pub fn unless_connection(doing: &'static str, error: ClusterError) -> Result<ClusterError, RestoreError> {
    if error.is_about_the_connection() {
        return Err(RestoreError::Cluster { doing, source: error });
    }
    Ok(error)
}

fn list(faults: &[InvalidSpec]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The reason why something cannot be had: its category, and the sentence.
pub type Broken = (Category, String);
