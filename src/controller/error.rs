//! Errors of controllers: why a controller could not do its work this time.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::bucket::BucketError;
use crate::cluster::{ClusterError, category_of_status};
use crate::model::{Category, Cause};

/// Deadline of one request to the API server: longer than an answer takes under load. The client
/// itself has no deadline.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Error of a controller that could not do its work. The work is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The API server refused, or could not be reached.
    #[error("cannot {doing}")]
    Cluster {
        /// The action and its object.
        doing: String,
        /// The cause.
        #[source]
        source: ClusterError,
    },
    /// As [`ControllerError::Cluster`], through the client for custom resources.
    #[error("cannot {doing}")]
    Kube {
        /// The action and its object.
        doing: String,
        /// The cause.
        #[source]
        source: Unanswered,
    },
    /// The API server did not answer in time.
    #[error("cannot {doing}: the API server did not answer within {} s", DEADLINE.as_secs())]
    Silent {
        /// The action and its object.
        doing: String,
    },
    /// The API server did not answer in time to a request about the lease.
    #[error("cannot {doing}: the API server did not answer within {seconds} s")]
    Late {
        /// The action and its object.
        doing: String,
        /// The deadline, in seconds.
        seconds: u64,
    },
    /// Another server of the namespace holds the lease, or may soon; this server must not act.
    #[error("lost the lease `ark-server` and stopped acting; start again to stand by")]
    LeaseLost {
        /// The other holder, or why the lease could not be renewed.
        source: Cause,
    },
    /// Health, metrics and downloads cannot be served.
    #[error("cannot listen at {address}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The cluster does not know Ark's kinds.
    #[error(
        "the cluster lacks Ark's custom resource definitions ({missing}); install them: `ark crd | kubectl apply --server-side -f -`"
    )]
    NoDefinitions {
        /// Their plurals.
        missing: String,
    },
    /// The cluster has Ark's CRDs in the form of an older version.
    #[error(
        "the cluster's custom resource definitions are older than this server: its API server would drop {fields}; bring them to this version: `ark crd | kubectl apply --server-side --force-conflicts -f -`"
    )]
    OldDefinitions {
        /// The fields that the CRDs lack.
        fields: String,
    },
    /// The server's namespace does not exist.
    #[error(
        "there is no namespace `{namespace}`; install Ark there (`ark install --help` says how), or name another with --namespace"
    )]
    NoNamespace {
        /// Name of the namespace.
        namespace: String,
    },
    /// The bucket refused, or could not be reached.
    #[error("cannot {doing}")]
    Bucket {
        /// The action and its object.
        doing: String,
        /// The cause.
        #[source]
        source: BucketError,
    },
    /// The location cannot be used now.
    #[error("location `{name}` cannot be used: {why}")]
    Location {
        /// Name of the location.
        name: String,
        /// The reason, and what to do.
        why: String,
    },
}

impl ControllerError {
    /// Returns a function for `map_err` that wraps an error of the client; `doing` names action and
    /// object.
    pub fn kube(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Kube { doing, source: Unanswered(source) }
    }

    /// Returns a function for `map_err` that wraps an error of the bucket; `doing` names action and
    /// object.
    pub fn bucket(doing: impl Into<String>) -> impl FnOnce(BucketError) -> Self {
        let doing = doing.into();
        move |source| Self::Bucket { doing, source }
    }

    /// Returns a function for `map_err` that wraps an error of the cluster; `doing` names action
    /// and object.
    pub fn cluster(doing: impl Into<String>) -> impl FnOnce(ClusterError) -> Self {
        let doing = doing.into();
        move |source| Self::Cluster { doing, source }
    }

    /// Waits for a request through the client for custom resources, which has no deadline of its
    /// own, for 30 s at most.
    ///
    /// # Errors
    /// [`ControllerError::Silent`] after these 30 s, [`ControllerError::Kube`] if the request
    /// fails.
    pub async fn within<T>(
        doing: impl Into<String>,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Self> {
        match tokio::time::timeout(DEADLINE, request).await {
            Ok(answer) => answer.map_err(Self::kube(doing)),
            Err(_) => Err(Self::Silent { doing: doing.into() }),
        }
    }

    /// Returns the category of the failure; the error policy of controllers goes by it.
    pub fn category(&self) -> Category {
        match self {
            Self::Cluster { source, .. } => source.category(),
            Self::Bucket { source, .. } => source.category(),
            Self::Kube { source: Unanswered(kube::Error::Api(status)), .. } => {
                category_of_status(status.code, &status.reason, &status.message)
            }
            Self::Kube {
                source: Unanswered(kube::Error::Service(_) | kube::Error::HyperError(_)), ..
            } => Category::Unavailable,
            Self::Silent { .. } | Self::Late { .. } => Category::Timeout,
            Self::NoDefinitions { .. } | Self::NoNamespace { .. } => Category::NotFound,
            Self::Location { .. } => Category::NotReady,
            Self::Kube { .. }
            | Self::LeaseLost { .. }
            | Self::Listen { .. }
            | Self::OldDefinitions { .. } => Category::Other,
        }
    }

    /// Returns true if the API server answered that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.is_status(404)
    }

    /// Returns true if the API server answered that the object exists already or has changed since
    /// it was read.
    pub fn is_conflict(&self) -> bool {
        self.is_status(409)
    }

    /// Returns true if the API server will go on refusing until somebody changes rights, policies
    /// or limits: the answer is "forbidden" or "too large". (The API server reports etcd's own size
    /// limit with code 500.)
    pub fn is_refusal(&self) -> bool {
        let Self::Kube { source: Unanswered(kube::Error::Api(status)), .. } = self else { return false };
        matches!(status.code, 403 | 413) || (status.code == 500 && status.message.contains("too large"))
    }

    /// Returns true if the API server refused with this code.
    pub fn is_status(&self, code: u16) -> bool {
        matches!(self, Self::Kube { source: Unanswered(kube::Error::Api(status)), .. } if status.code == code)
    }

    /// Returns true if no API server answered, or one answered that it cannot serve now: it may be
    /// back in a moment.
    pub fn is_away(&self) -> bool {
        match self {
            // Its category tells neither a kind that is not served yet from one that is missing,
            // nor an untrusted address from one that does not answer.
            Self::Cluster { source, .. } => source.passes(),
            Self::Kube { .. } | Self::Silent { .. } | Self::Late { .. } => {
                matches!(self.category(), Category::Unavailable | Category::Timeout)
            }
            _ => false,
        }
    }
}

/// Cause of a failed call through the client for custom resources. The client's own text repeats
/// the cause, the second time in the form of its source code.
#[derive(Debug)]
pub struct Unanswered(kube::Error);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            kube::Error::Api(status) => write!(f, "{} ({} {})", status.message, status.code, status.reason),
            other => fmt::Display::fmt(other, f),
        }
    }
}

impl std::error::Error for Unanswered {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            kube::Error::Api(_) => None,
            other => other.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::causes;

    #[test]
    fn what_the_api_server_says_is_said_once() {
        let status =
            serde_json::json!({"code": 409, "reason": "Conflict", "message": "the object has been modified"});
        let refused = kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()));
        let error = ControllerError::kube("write x")(refused);
        assert_eq!(causes(&error), "cannot write x: the object has been modified (409 Conflict)");
        assert!(error.is_conflict() && !error.is_away());
        let broken = kube::Error::Service(std::io::Error::other("connection refused").into());
        let error = ControllerError::kube("write x")(broken);
        assert_eq!(causes(&error), "cannot write x: ServiceError: connection refused");
        assert!(error.is_away());
    }

    #[test]
    fn each_failure_has_the_category_of_what_is_behind_it() {
        let answered = |code: u16, message: &str| {
            let status = serde_json::json!({"code": code, "reason": "Some", "message": message});
            ControllerError::kube("write x")(kube::Error::Api(Box::new(
                serde_json::from_value(status).unwrap(),
            )))
        };
        for (error, category) in [
            (answered(409, "changed"), Category::Conflict),
            (answered(422, "spec.ttl: must be a duration"), Category::Invalid),
            (answered(403, "user cannot patch backups"), Category::Forbidden),
            (answered(400, "admission webhook \"a\" denied"), Category::Refused),
            (answered(500, "etcdserver: request is too large"), Category::TooLarge),
            (answered(503, "no"), Category::Unavailable),
            (ControllerError::Silent { doing: "write x".into() }, Category::Timeout),
            (ControllerError::NoNamespace { namespace: "ark".into() }, Category::NotFound),
            (ControllerError::Location { name: "default".into(), why: "no".into() }, Category::NotReady),
        ] {
            assert_eq!(error.category(), category, "{error}");
        }
    }
}
