//! Reads an answer that is a failure, be it a Status or the text of a proxy, and finds the trouble
//! behind it. Pure.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::error::{ApiFailure, TOO_LARGE};
use super::trouble::Trouble;

/// Characters of an answer without a Status that go into the message.
const EXCERPT: usize = 200;
/// A header that an API server puts into each of its answers, and a proxy in front of it does not.
const OF_API_SERVERS: &str = "audit-id";

/// The longest message that is kept, in bytes. API servers repeat whole objects in theirs, and a
/// run keeps thousands of messages.
const MESSAGE_MOST: usize = 2 << 10;

/// Texts by which the API server tells that etcd, or the connection to it, failed; the code is 500
/// then.
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

/// Texts by which the API server tells that a webhook did not answer.
const OF_WEBHOOKS: [&str; 2] = ["failed calling webhook", "conversion webhook for"];

/// Texts of admission plug-ins that miss something which a controller is about to create.
const NOT_YET: [&str; 6] = [
    "status unknown for quota",
    "error looking up service account",
    "no API token found for service account",
    "not yet ready to handle request",
    "because it is being terminated",
    "no params found for policy binding",
];

/// Shortens a message that comes from elsewhere to a length that can be kept.
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

/// Reads the failure out of an answer.
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
    let mut failure = ApiFailure {
        doing,
        code: code.as_u16(),
        reason: status.reason.unwrap_or_default(),
        message,
        causes: details.causes.unwrap_or_default().into_iter().filter_map(|cause| cause.reason).collect(),
        retried: false,
        trouble: Trouble::default(),
        continue_token: status
            .metadata
            .and_then(|metadata| metadata.r#continue)
            .filter(|token| !token.is_empty()),
        retry_after: asked.or(details.retry_after_seconds).map(Duration::from_secs),
    };
    let about_name = details.name.is_some_and(|name| !name.is_empty());
    failure.trouble = find_trouble(&failure, about_name, elsewhere);
    failure
}

/// Returns the trouble behind a failure. `about_name` says whether the answer names an object
/// rather than a kind, `elsewhere` whether something in front of the API server answered.
fn find_trouble(failure: &ApiFailure, about_name: bool, elsewhere: bool) -> Trouble {
    let says = |texts: &[&str]| texts.iter().any(|text| failure.message.contains(text));
    let because = |reason: &str| failure.causes.iter().any(|cause| cause == reason);
    if because("ResourceVersionTooLarge") || says(&["future revision"]) {
        return Trouble::Ahead;
    }
    if elsewhere {
        return Trouble::Away;
    }
    match failure.code {
        401 => Trouble::Credentials,
        413 => Trouble::TooLarge,
        _ if says(&TOO_LARGE) => Trouble::TooLarge,
        404 if !about_name => Trouble::Kind,
        404 if says(&["namespaces \""]) => Trouble::Namespace,
        404 => Trouble::Missing,
        409 if failure.reason == "AlreadyExists" => Trouble::Exists,
        409 => Trouble::Race,
        408 | 429 | 502..=504 => Trouble::Load,
        500 if failure.retry_after.is_some() => Trouble::Store,
        _ if says(&OF_WEBHOOKS) => Trouble::Webhook,
        500 if says(&OF_THE_STORE) => Trouble::Store,
        500 => Trouble::Inside,
        505..=599 => Trouble::Strange,
        _ if says(&NOT_YET) || because("NamespaceTerminating") => Trouble::NotYet,
        400 | 403 | 422 => Trouble::Refused,
        _ => Trouble::Other,
    }
}
