//! Why a request, or what it began, failed, in words for a person. No variant holds a value of a
//! Secret on purpose; [`super::masks::Masks`] hides what a server repeats.

use std::error::Error;
use std::io;

use reqwest::StatusCode;
use rustls::CertificateError;

use super::reach::ShunnedHost;
use crate::cluster::ClusterError;
use crate::model::{Category, Cause, RootCause, chain};

/// The reason why a request, or what it began, failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpFailure {
    /// A Secret could not be read.
    #[error("nothing was sent, since a Secret could not be read")]
    Cluster(#[from] ClusterError),
    /// A Secret is not there.
    #[error("nothing was sent: there is no Secret {secret}; create it, or name another one")]
    NoSecret { secret: String },
    /// A Secret has no text under the key.
    #[error(
        "nothing was sent: Secret {secret} has no text under the key `{key}`; put it there, or name another key"
    )]
    NoText { secret: String, key: String },
    /// Name or value of a header cannot be sent.
    #[error("nothing was sent: the header `{name}` holds characters that no header has; take them out")]
    Header { name: String },
    /// The request cannot be written.
    #[error("nothing was sent: the request cannot be written")]
    Unwritten(#[source] reqwest::Error),
    /// The client cannot be set up.
    #[error("nothing was sent: {0}")]
    Setting(String),
    /// The server does not ask such hosts.
    #[error("nothing was sent: {0}; ask by a Service, or by the address of another machine")]
    Shunned(String),
    /// No connection came about.
    #[error(
        "cannot connect for {what}; check that it runs and can be reached from where Ark runs (a Service: from within the cluster)"
    )]
    Unreachable { what: String, source: Cause },
    /// The server's certificate is not trusted.
    #[error("cannot trust the server of {what}: {why}")]
    Untrusted { what: String, why: String },
    /// The connection broke before there was an answer.
    #[error("the connection broke before {what} was answered: nobody knows whether it was done")]
    Broken { what: String, source: Cause },
    /// The body broke off.
    #[error("the answer to {what} ({status}) broke off after {received} bytes")]
    Truncated { what: String, status: StatusCode, received: usize, source: Cause },
    /// The body is too large.
    #[error("the answer to {what} ({status}) has more than {most} bytes, the most that is read of one")]
    Oversized { what: String, status: StatusCode, most: usize },
    /// The server sends elsewhere.
    #[error(
        "{what} was answered by a redirect to {to} ({status}), and no redirect is followed; name the address itself"
    )]
    Redirected { what: String, status: StatusCode, to: String },
    /// The status is none that was expected.
    #[error("{what} was answered by {status}{said}{earlier}")]
    Status { what: String, status: StatusCode, said: String, earlier: String },
    /// The body is not JSON.
    #[error("the answer to {what} is no JSON, in which `{pointer}` could be looked for")]
    NoJson { what: String, pointer: String, source: serde_json::Error },
    /// The value in the body means failure.
    #[error("{what}: `{pointer}` is {value}{said}")]
    Unwanted { what: String, pointer: String, value: String, said: String },
}

impl HttpFailure {
    /// Creates the failure of a request to which there is no answer.
    pub fn unanswered(what: &str, error: &reqwest::Error) -> Self {
        let what = what.to_owned();
        if let Some(shunned) = find::<ShunnedHost>(error) {
            return Self::Shunned(shunned.to_string());
        }
        if let Some(error) = find::<rustls::Error>(error) {
            return Self::Untrusted { what, why: in_words(error) };
        }
        let source = RootCause::of(error).into();
        match error.is_connect() {
            true => Self::Unreachable { what, source },
            false => Self::Broken { what, source },
        }
    }

    /// Returns the category, from the closed list.
    pub fn category(&self) -> Category {
        match self {
            Self::Cluster(error) => error.category(),
            Self::NoSecret { .. } | Self::NoText { .. } => Category::NotFound,
            Self::Header { .. } | Self::Unwritten(_) | Self::Setting(_) => Category::Invalid,
            Self::Shunned(_) | Self::Redirected { .. } => Category::Refused,
            Self::Unreachable { .. } | Self::Untrusted { .. } => Category::Unavailable,
            Self::Broken { .. } | Self::Truncated { .. } => Category::Unavailable,
            Self::Oversized { .. } => Category::TooLarge,
            Self::Status { status, .. } => match status.as_u16() {
                401 | 403 => Category::Forbidden,
                404 => Category::NotFound,
                409 => Category::Conflict,
                400 | 422 => Category::Invalid,
                429 | 500.. => Category::Unavailable,
                _ => Category::Other,
            },
            Self::NoJson { .. } | Self::Unwanted { .. } => Category::Other,
        }
    }
}

/// Returns the first cause of a kind, also where I/O errors wrap it: each names only the cause of
/// what it wraps, and one may wrap another.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|mut cause| {
        loop {
            if let Some(found) = cause.downcast_ref() {
                return Some(found);
            }
            cause = cause.downcast_ref::<io::Error>()?.get_ref()?;
        }
    })
}

fn in_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(fault) = error else {
        return format!("{error}; check that it speaks TLS at this port");
    };
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; renew it".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check the clocks".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its certificate is by no authority that is trusted here; name its authority (caCert, caCertFrom)"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; ask by that name".to_owned()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}
