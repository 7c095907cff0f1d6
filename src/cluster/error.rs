//! What can go wrong between Ark and an API server, in words for a person, with a category for the results.
//!
//! An answer of the API server that is a failure is an [`ApiFailure`]; everything else never got that far.

use std::path::PathBuf;
use std::time::Duration;

use super::trouble::Trouble;
use crate::model::Category;

/// A failure between Ark and an API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Neither a kubeconfig nor a service account was found.
    #[error(
        "no cluster to talk to: there is no kubeconfig ({looked}) and this is not a pod with a service account; \
         name a kubeconfig with --kubeconfig or KUBECONFIG"
    )]
    NoKubeconfig {
        /// Where it was looked for.
        looked: String,
    },
    /// The kubeconfig cannot be read or understood.
    #[error("cannot use the kubeconfig {path}: {cause}", path = path.display())]
    Kubeconfig {
        /// The file, or the list of files of KUBECONFIG.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The context asked for, or the current one, is not in the kubeconfig.
    #[error("{}", unknown_context(context.as_deref(), known, path))]
    UnknownContext {
        /// The context; None when the kubeconfig has no current context and none was named.
        context: Option<String>,
        /// The contexts there are.
        known: Vec<String>,
        /// The file, or the list of files of KUBECONFIG.
        path: PathBuf,
    },
    /// The certificate, key or authentication of the kubeconfig cannot be used.
    #[error(
        "cannot prepare the connection to the API server at {server}: {cause}; check the user and the cluster of this context"
    )]
    Prepare {
        /// The server's URL.
        server: String,
        /// What is wrong.
        cause: String,
    },
    /// No connection, or it broke.
    #[error(
        "cannot reach the API server at {server} to {doing}: {cause}; check that the address is right, \
         that the server runs, and that the network and any firewall let this machine through"
    )]
    Unreachable {
        /// The server's URL.
        server: String,
        /// What was being done.
        doing: String,
        /// The cause, in the words of the operating system.
        cause: String,
    },
    /// The connection broke each time this was tried, while the server answered others.
    #[error(
        "the connection to the API server at {server} broke each time Ark tried to {doing}, though it answers other calls: {cause}; \
         check what is between this machine and the server"
    )]
    Broken {
        /// The server's URL.
        server: String,
        /// What was being done.
        doing: String,
        /// The cause, in the words of the operating system.
        cause: String,
    },
    /// Which cluster it is cannot be seen.
    #[error(
        "cannot tell which cluster this is: Ark knows clusters by the uid of the namespace kube-system, and may not get it; \
         ask for a role with the verb get on the namespace kube-system"
    )]
    Unidentified {
        /// What the API server says.
        source: Box<ClusterError>,
    },
    /// The server's certificate is not signed by the authority that the kubeconfig names.
    #[error(
        "cannot trust the API server at {server}: {cause}; check certificate-authority(-data) of this cluster in the kubeconfig, \
         and that the address is the cluster's"
    )]
    Untrusted {
        /// The server's URL.
        server: String,
        /// What TLS says.
        cause: String,
    },
    /// The credentials are expired or wrong (401), or a credential plugin failed.
    #[error(
        "the API server at {server} does not accept the credentials to {doing}: {cause}; they may be expired: \
         sign in again, or check the user of this context in the kubeconfig"
    )]
    Credentials {
        /// The server's URL.
        server: String,
        /// What was being done.
        doing: String,
        /// What the server or the plugin said.
        cause: String,
    },
    /// No whole answer within the deadline.
    #[error(
        "the API server at {server} took longer than {} to {doing}; check its load and its health",
        seconds(after)
    )]
    Timeout {
        /// The server's URL.
        server: String,
        /// What was being done.
        doing: String,
        /// The deadline.
        after: Duration,
    },
    /// The API server said no.
    #[error(transparent)]
    Api(#[from] Box<ApiFailure>),
    /// The answer is not what Kubernetes answers.
    #[error("cannot understand the API server's answer to {doing}: {cause}")]
    Answer {
        /// What was being done.
        doing: String,
        /// What is wrong with the answer.
        cause: String,
    },
    /// The answer is larger than Ark is ready to hold in memory.
    #[error("the API server's answer to {doing} is larger than {most} bytes")]
    Oversized {
        /// What was being done.
        doing: String,
        /// The limit in bytes.
        most: usize,
    },
    /// A list that never ends.
    #[error("cannot {doing}: {cause}; the list would never end")]
    Endless {
        /// What was being done.
        doing: String,
        /// What gave it away.
        cause: String,
    },
    /// Waited on, and never became ready.
    #[error("{what} did not become {state} within {}: {last}", seconds(waited))]
    NotReady {
        /// What was waited on: `namespace shop`.
        what: String,
        /// What it should have become: `Active`.
        state: &'static str,
        /// How long was waited.
        waited: Duration,
        /// What was seen last.
        last: String,
    },
}

/// A failure that the API server answered with.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {doing}: {message} ({code}{})", if reason.is_empty() { String::new() } else { format!(" {reason}") })]
pub struct ApiFailure {
    /// What was being done: `create configmaps shop/settings`.
    pub doing: String,
    /// The HTTP status code.
    pub code: u16,
    /// The reason of the Status: `AlreadyExists`; empty when the answer was no Status.
    pub reason: String,
    /// The message of the Status, or the beginning of the body.
    pub message: String,
    /// The reasons of the Status' causes: `NamespaceTerminating`.
    pub causes: Vec<String>,
    /// An earlier try of the same call got no answer, or none that says that nothing was done: a conflict may be with oneself.
    pub retried: bool,
    /// What is behind it.
    pub(super) trouble: Trouble,
    /// Where an expired list may go on, at another revision.
    pub(super) continue_token: Option<String>,
    /// What the server asks to wait before another try.
    pub(super) retry_after: Option<Duration>,
}

impl ApiFailure {
    /// Returns the category of the failure.
    pub fn category(&self) -> Category {
        category_of_status(self.code, &self.reason, &self.message)
    }

    /// A server's own clock, or that of something in front of it, ended the request.
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
        // Admission plug-ins (quota, pod security) answer 403 as well; only the authorizer says what
        // a user cannot do.
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

/// How etcd, its client and the API server say that an object is too large, whatever the status code.
pub(super) const TOO_LARGE: [&str; 3] = [
    "etcdserver: request is too large",
    "trying to send message larger than max",
    "Request entity too large",
];

/// How webhooks and policies say no, whatever the status code.
const REFUSED: [&str; 4] =
    ["admission webhook", "failed calling webhook", "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"];

impl ClusterError {
    /// Why, from the closed list.
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

    /// Whether every other call will fail as well: the server is gone, or does not accept who is calling.
    pub fn concerns_every_call(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Untrusted { .. } | Self::Credentials { .. })
    }

    /// It took too long, by whichever clock.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. }) || self.api().is_some_and(ApiFailure::is_timeout)
    }

    /// What went wrong, without what to do about it.
    pub(super) fn in_short(&self) -> String {
        match self {
            Self::Unreachable { cause, .. } => cause.clone(),
            Self::Timeout { after, .. } => format!("no answer within {}", seconds(after)),
            Self::Api(failure) => format!("{} ({})", failure.message, failure.code),
            error => error.to_string(),
        }
    }

    /// The API server's failure, if it is one.
    pub fn api(&self) -> Option<&ApiFailure> {
        match self {
            Self::Api(failure) => Some(failure),
            _ => None,
        }
    }

    /// The object, or its kind, is not there.
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(|failure| failure.code == 404)
    }

    /// An object of that name is there already.
    pub fn is_already_exists(&self) -> bool {
        self.api().is_some_and(|failure| failure.code == 409 && failure.reason == "AlreadyExists")
    }

    /// It is there already, and an earlier try of this very call may have made it: compare before reporting.
    pub fn may_be_own(&self) -> bool {
        self.is_already_exists() && self.api().is_some_and(|failure| failure.retried)
    }

    /// Somebody else changed the object in between, or another manager owns a field.
    pub fn is_conflict(&self) -> bool {
        self.api().is_some_and(|failure| failure.code == 409 && failure.reason != "AlreadyExists")
    }

    /// A quota does not allow more.
    pub fn is_over_quota(&self) -> bool {
        self.api().is_some_and(|failure| failure.code == 403 && failure.message.contains("exceeded quota"))
    }

    /// The namespace is being deleted and takes nothing new.
    pub fn is_namespace_terminating(&self) -> bool {
        self.api().is_some_and(|failure| failure.causes.iter().any(|cause| cause == "NamespaceTerminating"))
    }

    /// What is behind it.
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Self::Api(failure) => failure.trouble,
            Self::Unreachable { .. } | Self::Timeout { .. } => Trouble::Away,
            Self::Broken { .. } => Trouble::Broken,
            Self::Credentials { .. } => Trouble::Credentials,
            _ => Trouble::Other,
        }
    }

    /// What failed may well succeed minutes later, without anybody doing anything about it: a webhook that is not up yet, a kind
    /// that one API server does not know yet, a quota that is being counted, a server with too much to do.
    pub fn passes(&self) -> bool {
        self.trouble().passes()
    }

    /// A create was refused, with a reason, for what may be nothing but the very object, which is there already: a port that it
    /// holds, a default that it is, a quota that it counts in, a rule that is younger than it. A look is worth it.
    pub fn may_be_there(&self) -> bool {
        self.api().is_some_and(|failure| failure.trouble.is_refusal() && !failure.reason.is_empty())
    }

    /// Nothing at all can be done with this cluster: no address, no connection, no trust or no credentials.
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
