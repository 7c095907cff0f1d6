//! Errors between Ark and an API server, in words for a person, each with a category for the
//! results.
//!
//! A failure that the API server answered with is an [`ApiFailure`]; all other errors never got
//! that far.

use std::path::PathBuf;
use std::time::Duration;

use super::trouble::Trouble;
use crate::model::{Category, Cause, causes};

/// A failure between Ark and an API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Neither a kubeconfig nor a service account was found.
    #[error(
        "no cluster to talk to: there is no kubeconfig ({looked}) and this is not a pod with a service account; \
         name a kubeconfig with --kubeconfig or KUBECONFIG"
    )]
    NoKubeconfig {
        /// The places that were searched.
        looked: String,
    },
    /// The kubeconfig cannot be read or understood.
    #[error("cannot use the kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file, or the list of files of KUBECONFIG.
        path: PathBuf,
        /// The fault.
        source: Cause,
    },
    /// The context asked for, or the current one, is not in the kubeconfig.
    #[error("{}", unknown_context(context.as_deref(), known, path))]
    UnknownContext {
        /// The context; `None` if the kubeconfig has no current context and none was named.
        context: Option<String>,
        /// The contexts of the kubeconfig.
        known: Vec<String>,
        /// The file, or the list of files of KUBECONFIG.
        path: PathBuf,
    },
    /// The certificate, key or authentication of the kubeconfig cannot be used.
    #[error(
        "cannot prepare the connection to the API server at {server}; check the user and the cluster of this context"
    )]
    Prepare {
        /// The server's URL.
        server: String,
        /// The fault.
        source: Cause,
    },
    /// The connection failed or broke.
    #[error(
        "cannot reach the API server at {server} to {doing}; check that the address is right, \
         that the server runs, and that the network and any firewall let this machine through"
    )]
    Unreachable {
        /// The server's URL.
        server: String,
        /// The action that failed.
        doing: String,
        /// The cause, in the words of the operating system.
        source: Cause,
    },
    /// The connection broke at each try, while the server answered other calls.
    #[error(
        "the connection to the API server at {server} broke each time Ark tried to {doing}, though it answers other calls; \
         check what is between this machine and the server"
    )]
    Broken {
        /// The server's URL.
        server: String,
        /// The action that failed.
        doing: String,
        /// The cause, in the words of the operating system.
        source: Cause,
    },
    /// The identity of the cluster may not be read.
    #[error(
        "cannot tell which cluster this is: Ark knows clusters by the uid of the namespace kube-system, which it may not get; \
         ask for a role with the verb get on the namespace kube-system"
    )]
    Unidentified {
        /// The answer of the API server.
        source: Box<ClusterError>,
    },
    /// The server's certificate is not signed by the authority that the kubeconfig names.
    #[error(
        "cannot trust the API server at {server}; check certificate-authority(-data) of this cluster in the kubeconfig, \
         and that the address is the cluster's"
    )]
    Untrusted {
        /// The server's URL.
        server: String,
        /// The error of TLS.
        source: Cause,
    },
    /// The credentials are expired or wrong (401), or a credential plugin failed.
    #[error(
        "the API server at {server} does not accept the credentials to {doing}; they may be expired: \
         sign in again, or check the user of this context in the kubeconfig"
    )]
    Credentials {
        /// The server's URL.
        server: String,
        /// The action that failed.
        doing: String,
        /// The text of the server or the plugin.
        source: Cause,
    },
    /// No complete answer came within the deadline.
    #[error(
        "the API server at {server} took longer than {} to {doing}; check its load and its health",
        seconds(after)
    )]
    Timeout {
        /// The server's URL.
        server: String,
        /// The action that failed.
        doing: String,
        /// The deadline.
        after: Duration,
    },
    /// The API server answered with a failure.
    #[error(transparent)]
    Api(#[from] Box<ApiFailure>),
    /// The answer cannot be parsed.
    #[error("cannot understand the API server's answer to {doing}")]
    Answer {
        /// The action that failed.
        doing: String,
        /// The fault of the answer.
        source: Cause,
    },
    /// The answer is larger than Ark is ready to hold in memory.
    #[error(
        "the API server's answer to {doing} is larger than {most} bytes, the most that Ark holds in memory"
    )]
    Oversized {
        /// The action that failed.
        doing: String,
        /// The limit in bytes.
        most: usize,
    },
    /// A list would never end.
    #[error("cannot {doing}: {why}; the list would never end")]
    Endless {
        /// The action that failed.
        doing: String,
        /// The sign that the list would never end.
        why: String,
    },
    /// A wait reached its bound.
    #[error("{what} did not become {state} within {}: {last}", seconds(waited))]
    NotReady {
        /// The object that was waited for: `namespace shop`.
        what: String,
        /// The state that the object should have reached: `Active`.
        state: &'static str,
        /// The length of the wait.
        waited: Duration,
        /// The state that was seen last.
        last: String,
    },
}

/// A failure that the API server answered with.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {doing}: {message} ({code}{})", if reason.is_empty() { String::new() } else { format!(" {reason}") })]
pub struct ApiFailure {
    /// The action that failed: `create configmaps shop/settings`.
    pub doing: String,
    /// The HTTP status code.
    pub code: u16,
    /// The reason of the Status: `AlreadyExists`; empty if the answer was no Status.
    pub reason: String,
    /// The message of the Status, or the beginning of the body.
    pub message: String,
    /// The reasons of the Status' causes: `NamespaceTerminating`.
    pub causes: Vec<String>,
    /// Whether an earlier try of the same call may have had an effect, so that a conflict may be
    /// with the call's own object.
    pub retried: bool,
    /// The trouble behind the failure.
    pub(super) trouble: Trouble,
    /// The continue token of a later revision, if an expired list got one.
    pub(super) continue_token: Option<String>,
    /// The pause that the server asks for before another try.
    pub(super) retry_after: Option<Duration>,
}

impl ApiFailure {
    /// Returns the category of the failure.
    pub fn category(&self) -> Category {
        category_of_status(self.code, &self.reason, &self.message)
    }

    /// Returns true if the server's own deadline, or that of something in front of it, ended the
    /// request.
    fn is_timeout(&self) -> bool {
        (matches!(self.code, 408 | 504) || self.reason == "Timeout") && self.trouble != Trouble::Ahead
    }
}

/// Returns the category of a failure that an API server answered with: HTTP status code, reason and
/// message of its Status (an empty reason if the answer was no Status).
pub fn category_of_status(code: u16, reason: &str, message: &str) -> Category {
    let says = |text: &str| message.contains(text);
    if code == 413 || TOO_LARGE.iter().any(|text| says(text)) {
        return Category::TooLarge;
    }
    if REFUSED.iter().any(|text| says(text)) {
        return Category::Refused;
    }
    match code {
        401 => Category::Forbidden,
        // Admission plug-ins (quota, pod security) answer 403 as well; only the authorizer says
        // what a user cannot do.
        403 if says(" cannot ") || says("grant RBAC permissions") || reason.is_empty() => Category::Forbidden,
        403 => Category::Refused,
        404 => Category::NotFound,
        408 | 504 => Category::Timeout,
        409 => Category::Conflict,
        410 => Category::OutsideCut,
        400 | 422 => Category::Invalid,
        429 | 500..=599 => Category::Unavailable,
        _ => Category::Other,
    }
}

/// Texts by which etcd, its client and the API server say that an object is too large, whatever
/// the status code.
pub(super) const TOO_LARGE: [&str; 3] = [
    "etcdserver: request is too large",
    "trying to send message larger than max",
    "Request entity too large",
];

/// Texts by which webhooks and policies refuse, whatever the status code.
const REFUSED: [&str; 4] =
    ["admission webhook", "failed calling webhook", "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"];

impl ClusterError {
    /// Returns the category, from the closed list.
    pub fn category(&self) -> Category {
        match self {
            Self::Api(failure) => failure.category(),
            Self::Credentials { .. } | Self::Unidentified { .. } => Category::Forbidden,
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Untrusted { .. } => Category::Unavailable,
            Self::Timeout { .. } => Category::Timeout,
            Self::Oversized { .. } => Category::TooLarge,
            Self::NotReady { .. } => Category::NotReady,
            Self::NoKubeconfig { .. }
            | Self::Kubeconfig { .. }
            | Self::UnknownContext { .. }
            | Self::Prepare { .. }
            | Self::Answer { .. }
            | Self::Endless { .. } => Category::Other,
        }
    }

    /// Returns true if every other call will fail as well: the server cannot be reached, or does
    /// not accept the caller.
    pub fn concerns_every_call(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Untrusted { .. } | Self::Credentials { .. })
    }

    /// Returns true if the call took too long, by Ark's clock or the server's.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. }) || self.api().is_some_and(ApiFailure::is_timeout)
    }

    /// Returns the fault without advice.
    pub(super) fn in_short(&self) -> String {
        match self {
            Self::Unreachable { source, .. } => source.to_string(),
            Self::Timeout { after, .. } => format!("no answer within {}", seconds(after)),
            Self::Api(failure) => format!("{} ({})", failure.message, failure.code),
            error => causes(error),
        }
    }

    /// Returns the API server's failure, or `None` if the error is another one.
    pub fn api(&self) -> Option<&ApiFailure> {
        match self {
            Self::Api(failure) => Some(failure),
            _ => None,
        }
    }

    /// Returns true if the object, or its kind, does not exist.
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(|failure| failure.code == 404)
    }

    /// Returns true if an object of that name exists already.
    pub fn is_already_exists(&self) -> bool {
        self.api().is_some_and(|failure| failure.code == 409 && failure.reason == "AlreadyExists")
    }

    /// Returns true if the object exists already and an earlier try of this very call may have
    /// created it: compare before reporting.
    pub fn may_be_own(&self) -> bool {
        self.is_already_exists() && self.api().is_some_and(|failure| failure.retried)
    }

    /// Returns true if somebody else changed the object in between, or another manager owns a
    /// field.
    pub fn is_conflict(&self) -> bool {
        self.api().is_some_and(|failure| failure.code == 409 && failure.reason != "AlreadyExists")
    }

    /// Returns true if admission refuses the object for the sake of others, among which it may
    /// still count one that is gone: of a quota, or of the PriorityClasses, only one of which may
    /// be the default.
    pub fn may_count_deleted(&self) -> bool {
        let counts = |message: &str| {
            message.contains("exceeded quota") || message.contains("is already marked as default")
        };
        self.api().is_some_and(|failure| failure.code == 403 && counts(&failure.message))
    }

    /// Returns true if the namespace is being deleted and takes nothing new.
    pub fn is_namespace_terminating(&self) -> bool {
        self.api().is_some_and(|failure| failure.causes.iter().any(|cause| cause == "NamespaceTerminating"))
    }

    /// Returns the trouble behind the error.
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Self::Api(failure) => failure.trouble,
            Self::Unreachable { .. } | Self::Timeout { .. } => Trouble::Away,
            Self::Broken { .. } => Trouble::Broken,
            Self::Credentials { .. } => Trouble::Credentials,
            _ => Trouble::Other,
        }
    }

    /// Returns true if the call may succeed minutes later without anybody acting: a webhook that
    /// is not up yet, a kind that one API server does not serve yet, a quota that is being
    /// counted, an overloaded server.
    pub fn passes(&self) -> bool {
        self.trouble().passes()
    }

    /// Returns true if a create was refused for a reason that may come from the very object, which
    /// exists already: a port that it holds, a default that it is, a quota that it counts in, a
    /// rule that is younger. A GET is worth it then.
    pub fn may_be_there(&self) -> bool {
        self.api().is_some_and(|failure| failure.trouble.is_refusal() && !failure.reason.is_empty())
    }

    /// Returns true if nothing can be done with this cluster: no address, connection, trust or
    /// credentials.
    pub fn is_about_the_connection(&self) -> bool {
        matches!(
            self,
            Self::NoKubeconfig { .. }
                | Self::Kubeconfig { .. }
                | Self::UnknownContext { .. }
                | Self::Prepare { .. }
                | Self::Unidentified { .. }
                | Self::Unreachable { .. }
                | Self::Untrusted { .. }
                | Self::Credentials { .. }
        )
    }
}

fn unknown_context(context: Option<&str>, known: &[String], path: &std::path::Path) -> String {
    let path = path.display();
    let there =
        if known.is_empty() { "it has none".to_owned() } else { format!("it has: {}", known.join(", ")) };
    match context {
        Some(context) => format!("the kubeconfig {path} has no usable context `{context}`; {there}"),
        None => format!("the kubeconfig {path} has no current context; name one with --context; {there}"),
    }
}

fn seconds(duration: &Duration) -> String {
    // A timer that wakes a moment late makes no second more.
    format!("{} s", (duration.as_secs_f64() - 0.01).ceil().max(0.0))
}
