//! Reads an answer that is a failure, be it a Status or the text of a proxy. Pure.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::ApiFailure;
use super::trouble::Trouble;

/// Characters of an answer without a Status that go into the message.
const EXCERPT: usize = 200;
/// A header that an API server puts into each of its answers, and a proxy in front of it does not.
const OF_API_SERVERS: &str = "audit-id";

/// The longest message that is kept, in bytes. API servers repeat whole objects in theirs, and a
/// run keeps thousands of messages.
const MESSAGE_MOST: usize = 2 << 10;

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
    failure.trouble = Trouble::find(&failure, about_name, elsewhere);
    failure
}
