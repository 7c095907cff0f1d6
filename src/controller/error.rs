//! Why a controller could not do its work, this time.

use crate::bucket::BucketError;
use crate::cluster::ClusterError;

/// Why a controller could not do its work; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The API server refused or could not be reached.
    #[error("cannot {doing}")]
    Cluster {
        /// What was being done, on what.
        doing: String,
        /// Why.
        #[source]
        source: ClusterError,
    },
    /// As [`ControllerError::Cluster`], through the client for custom resources.
    #[error("cannot {doing}")]
    Kube {
        /// What was being done, on what.
        doing: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// The bucket refused or could not be reached.
    #[error("cannot {doing}")]
    Bucket {
        /// What was being done, on what.
        doing: String,
        /// Why.
        #[source]
        source: BucketError,
    },
    /// The location cannot be used now.
    #[error("location `{name}` cannot be used: {why}")]
    Location {
        /// Its name.
        name: String,
        /// Why, and what to do.
        why: String,
    },
}

impl ControllerError {
    /// For `map_err`: what was being done when the client failed.
    pub fn kube(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Kube { doing, source }
    }

    /// For `map_err`: what was being done when the bucket failed.
    pub fn bucket(doing: impl Into<String>) -> impl FnOnce(BucketError) -> Self {
        let doing = doing.into();
        move |source| Self::Bucket { doing, source }
    }

    /// For `map_err`: what was being done when the cluster failed.
    pub fn cluster(doing: impl Into<String>) -> impl FnOnce(ClusterError) -> Self {
        let doing = doing.into();
        move |source| Self::Cluster { doing, source }
    }
}
