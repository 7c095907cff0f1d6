//! An answer that is a failure: reads it, be it a Status or whatever a proxy says, and tells whose failure it is. Pure.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::ApiFailure;
use super::error::TOO_LARGE;

/// How much of an answer that is no Status goes into the message.
const EXCERPT: usize = 200;
/// An API server puts this header into each of its answers, a proxy in front of it does not.
const OF_API_SERVERS: &str = "audit-id";

/// How the API server tells that etcd, or its connection to it, failed; always as a 500.
const OF_THE_STORE: [&str; 9] = [
    "etcdserver:",
    "leader changed",
    "request timed out",
    "context deadline exceeded",
    "context canceled",
    "error reading from server",
    "transport is closing",
    "connection refused",
    "code = Unavailable",
];

/// How the API server tells that a webhook did not answer: its pods may be up in a minute.
const OF_WEBHOOKS: [&str; 2] = ["failed calling webhook", "conversion webhook for"];

/// How admission plug-ins say that something is not there yet which a controller is about to make.
const NOT_YET: [&str; 6] = [
    "status unknown for quota",
    "error looking up service account",
    "no API token found for service account",
    "not yet ready to handle request",
    "because it is being terminated",
    "no params found for policy binding",
];

/// No message is kept longer: API servers repeat whole objects in theirs, and a run keeps thousands.
const MESSAGE_MOST: usize = 2 << 10;

/// Cuts a message of somebody else's to a length that can be kept.
pub(super) fn shorten(message: &mut String) {
    if message.len() > MESSAGE_MOST {
        message.truncate(message.floor_char_boundary(MESSAGE_MOST));
        message.push('…');
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    reason: Option<String>,
    message: Option<String>,
    details: Option<Details>,
    metadata: Option<Metadata>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: Option<String>,
    causes: Option<Vec<Cause>>,
    retry_after_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    r#continue: Option<String>,
}

/// Reads what came instead of a success.
pub(super) fn read_failure(doing: String, code: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiFailure {
    let status: Option<Status> = serde_json::from_slice(body).ok();
    let elsewhere =
        status.is_none() && !headers.contains_key(OF_API_SERVERS) && matches!(code.as_u16(), 502..=504);
    let status = status.unwrap_or_default();
    let details = status.details.unwrap_or_default();
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut message = status.message.filter(|message| !message.is_empty()).unwrap_or_else(|| {
        let excerpt: String = String::from_utf8_lossy(body).trim().chars().take(EXCERPT).collect();
        if excerpt.is_empty() {
            code.canonical_reason().unwrap_or("no explanation").to_owned()
        } else {
            excerpt
        }
    });
    shorten(&mut message);
    ApiFailure {
        doing,
        code: code.as_u16(),
        reason: status.reason.unwrap_or_default(),
        message,
        causes: details.causes.unwrap_or_default().into_iter().filter_map(|cause| cause.reason).collect(),
        retried: false,
        about_name: details.name.is_some_and(|name| !name.is_empty()),
        elsewhere,
        continue_token: status
            .metadata
            .and_then(|metadata| metadata.r#continue)
            .filter(|token| !token.is_empty()),
        retry_after: asked.or(details.retry_after_seconds).map(Duration::from_secs),
    }
}

impl ApiFailure {
    /// A kind is not served, rather than an object not there: by this API server, or not yet.
    pub(super) fn is_of_kind(&self) -> bool {
        self.code == 404 && !self.about_name
    }

    /// The API server had trouble with its own store: another try soon meets a new leader.
    pub(super) fn is_of_the_store(&self) -> bool {
        let says = |texts: &[&str]| texts.iter().any(|text| self.message.contains(text));
        self.code == 500 && says(&OF_THE_STORE) && !says(&OF_WEBHOOKS) && !says(&TOO_LARGE)
    }

    /// A server's own clock, or that of something in front of it, ended the request.
    pub(super) fn is_timeout(&self) -> bool {
        (matches!(self.code, 408 | 504) || self.reason == "Timeout") && !self.is_ahead_of_server()
    }

    /// See [`super::ClusterError::passes`].
    pub(super) fn passes(&self) -> bool {
        let says = |texts: &[&str]| texts.iter().any(|text| self.message.contains(text));
        match self.code {
            _ if says(&TOO_LARGE) => false,
            _ if says(&OF_WEBHOOKS) => true,
            404 => !self.about_name || says(&["namespaces \""]),
            409 => self.reason != "AlreadyExists",
            408 | 429 | 500 | 502..=599 => true,
            _ => says(&NOT_YET) || self.causes.iter().any(|cause| cause == "NamespaceTerminating"),
        }
    }
}
