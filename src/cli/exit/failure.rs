//! Outcomes and failures of a command, and their exit codes.

use std::error::Error;
use std::process::ExitCode;

use crate::backup::BackupError;
use crate::bucket::BucketError;
use crate::cluster::ClusterError;
use crate::model::causes;
use crate::restore::RestoreError;
use crate::store::{InvalidLocation, StoreError};

/// The end of a command that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Everything is done: exit code 0.
    Complete,
    /// Done with failed items: exit code 3.
    Partial,
}

impl Done {
    /// Returns `Partial` if something failed, else `Complete`.
    pub fn unless(failed: bool) -> Self {
        if failed { Self::Partial } else { Self::Complete }
    }

    /// Returns the exit code: 0 or 3.
    pub fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Complete => 0,
            Self::Partial => 3,
        })
    }
}

/// The class of a failure, by what a script may want to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Failed,
    Usage,
    NotFound,
    Cluster,
    Bucket,
}

/// The failure of a command: one sentence, and the class that gives its exit code.
#[derive(Debug)]
pub struct Failure {
    class: Class,
    message: String,
}

impl Failure {
    /// A failure outside the other classes: exit code 1. `doing` opens the sentence; the causes
    /// follow.
    pub fn failed(doing: &str, cause: &dyn Error) -> Self {
        Self { class: Class::Failed, message: format!("{doing}: {}", causes(cause)) }
    }

    /// A failure without a cause, told by a message alone: exit code 1.
    pub fn because(message: impl Into<String>) -> Self {
        Self { class: Class::Failed, message: message.into() }
    }

    /// A command line that cannot be meant: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { class: Class::Usage, message: message.into() }
    }

    /// An object that was named and is not there: exit code 4.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { class: Class::NotFound, message: message.into() }
    }

    /// Returns whether the cluster cannot be reached, which may pass.
    pub fn is_of_cluster(&self) -> bool {
        self.class == Class::Cluster
    }

    /// Returns the sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the exit code: 1, 2, 4, 5 or 6.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self.class {
            Class::Failed => 1,
            Class::Usage => 2,
            Class::NotFound => 4,
            Class::Cluster => 5,
            Class::Bucket => 6,
        })
    }
}

fn of_cluster(error: &ClusterError) -> Class {
    match error {
        ClusterError::NoKubeconfig { .. }
        | ClusterError::Kubeconfig { .. }
        | ClusterError::UnknownContext { .. }
        | ClusterError::Prepare { .. }
        | ClusterError::Unreachable { .. }
        | ClusterError::Untrusted { .. }
        | ClusterError::Credentials { .. }
        | ClusterError::Timeout { .. } => Class::Cluster,
        _ => Class::Failed,
    }
}

fn of_bucket(error: &BucketError) -> Class {
    match error {
        error if error.is_not_found() => Class::NotFound,
        error if error.is_unreachable() => Class::Bucket,
        _ => Class::Failed,
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self { class: of_cluster(&error), message: causes(&error) }
    }
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        Self { class: of_bucket(&error), message: causes(&error) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        BucketError::from(error).into()
    }
}

impl From<InvalidLocation> for Failure {
    fn from(error: InvalidLocation) -> Self {
        Self::usage(causes(&error))
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let class = match error.root() {
            BackupError::Specification(_) => Class::Usage,
            BackupError::Cluster { source, .. } => of_cluster(source),
            BackupError::Bucket(source) => of_bucket(source),
            _ => Class::Failed,
        };
        Self { class, message: causes(&error) }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let class = match error.root() {
            RestoreError::Specification(_) => Class::Usage,
            RestoreError::NoBackup { .. } => Class::NotFound,
            RestoreError::Cluster { source, .. } => of_cluster(source),
            RestoreError::Bucket(source) => of_bucket(source),
            _ => Class::Failed,
        };
        Self { class, message: causes(&error) }
    }
}
