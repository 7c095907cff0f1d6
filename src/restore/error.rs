//! Why a whole restore ends. What goes wrong with an item or a kind is a finding, never one of these.

use crate::api::InvalidSpec;
use crate::bucket::BucketError;
use crate::cluster::ClusterError;
use crate::model::Category;
use crate::model::{RestoreName, causes};

/// A restore that could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The specification cannot be meant; every fault at once.
    #[error("the restore's specification is wrong: {}", list(.0))]
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
    /// The bucket did not yield the backup, or did not take the report.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A Schedule has no backup to restore from.
    #[error(
        "no completed backup of the schedule `{schedule}`{which} is in {location}; list what is there with `ark bucket list`{passed_over}"
    )]
    NoBackup {
        /// The Schedule.
        schedule: String,
        /// Before which time, of which cluster; or nothing.
        which: String,
        /// Where was looked.
        location: String,
        /// The first that could not be read, and why.
        passed_over: String,
    },
    /// A target namespace is not empty, and the restore asks for that.
    #[error(
        "nothing was restored, because requireEmpty is set and {count} of the items are there already: {}{}; remove them, map the namespace to another name, or leave requireEmpty out",
        .first.join(", "),
        if *count > .first.len() as u64 { ", …" } else { "" }
    )]
    NotEmpty {
        /// How many items collide.
        count: u64,
        /// The first of them.
        first: Vec<String>,
    },
    /// Somebody stopped the run.
    #[error("the restore {name} was stopped before it was complete")]
    Stopped {
        /// The restore that was being made.
        name: RestoreName,
    },
    /// It is to end, for a reason that its caller knows.
    #[error("the restore was ended before it was complete")]
    Halted,
    /// The run ended before its end, and what it had done by then stays and is recorded.
    #[error(
        "{}; {created} items had been created and {updated} updated, which stay: the bucket records it as {name} with phase Failed, and another restore goes on where this one stopped",
        causes(source)
    )]
    Unfinished {
        /// The restore.
        name: RestoreName,
        /// Items created by then.
        created: u64,
        /// Items updated by then.
        updated: u64,
        /// Why it ended.
        source: Box<RestoreError>,
    },
    /// As [`RestoreError::Unfinished`], of a run that the bucket does not record.
    #[error(
        "{}; {created} items had been created and {updated} updated, which stay: another restore goes on where this one stopped",
        causes(source)
    )]
    Unrecorded {
        /// Items created by then.
        created: u64,
        /// Items updated by then.
        updated: u64,
        /// Why it ended.
        source: Box<RestoreError>,
    },
    /// The report could not be compressed.
    #[error("compressing the report of the restore")]
    Compressing(#[source] std::io::Error),
    /// The run ended, and its claim could not be removed.
    #[error(
        "{}; moreover, its claim could not be removed ({}): the name shows as Unfinished in `ark bucket list` and can be used again after a day",
        causes(error),
        causes(left)
    )]
    Left {
        /// Why the run ended.
        error: Box<RestoreError>,
        /// Why the claim is left.
        left: BucketError,
    },
}

impl RestoreError {
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
            Self::NoBackup { .. } => Category::NotFound,
            Self::NotEmpty { .. } => Category::Conflict,
            Self::Unfinished { source, .. } | Self::Unrecorded { source, .. } => source.category(),
            Self::Left { error, .. } => error.category(),
            Self::Stopped { .. } | Self::Halted | Self::Compressing(_) => Category::Other,
        }
    }

    /// The error that ended the run, without what happened while cleaning up or recording it.
    pub fn root(&self) -> &Self {
        match self {
            Self::Left { error, .. } => error.root(),
            Self::Unfinished { source, .. } | Self::Unrecorded { source, .. } => source.root(),
            error => error,
        }
    }
}

fn list(faults: &[InvalidSpec]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why something cannot be had: the category, and the reason in words.
pub type Broken = (Category, String);
