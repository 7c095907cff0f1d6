//! What an answer means: whether status and a value in the body are those that are a success. Pure.

use reqwest::StatusCode;
use serde_json::Value;

use super::error::HttpFailure;
use super::masks::Masks;
use super::reply::HttpReply;
use super::told;
use crate::api::{HttpExpectation, HttpVerdict};

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonState {
    /// Success.
    Done,
    /// Failure.
    Failed,
    /// Neither, or there is no value.
    Open,
}

/// Returns whether a status is a success.
pub fn is_expected(expect: Option<&HttpExpectation>, status: StatusCode) -> bool {
    match expect.map(|expect| &*expect.status).unwrap_or_default() {
        [] => status.is_success(),
        some => some.contains(&status.as_u16()),
    }
}

/// Checks the answer to a request.
///
/// # Errors
/// If it is no success.
pub fn expected(
    expect: Option<&HttpExpectation>,
    what: &str,
    reply: &HttpReply,
    masks: &Masks,
) -> Result<(), HttpFailure> {
    if !is_expected(expect, reply.status) {
        let (said, status) = (told::excerpt(reply, masks), reply.status);
        let earlier = reply.earlier.as_ref();
        let earlier = earlier.map(|text| format!("; an earlier try may have been done: {text}"));
        let earlier = earlier.unwrap_or_default();
        return Err(HttpFailure::Status { what: what.to_owned(), status, said, earlier });
    }
    let Some(json) = expect.and_then(|expect| expect.json.as_ref()) else { return Ok(()) };
    let value = value_at(what, reply, &json.pointer)?;
    match state(json, value.as_deref()) {
        JsonState::Done => Ok(()),
        _ => Err(unwanted(what, &json.pointer, value, reply, masks)),
    }
}

/// Returns the failure that a value means.
pub fn unwanted(
    what: &str,
    pointer: &str,
    value: Option<String>,
    reply: &HttpReply,
    masks: &Masks,
) -> HttpFailure {
    let (what, pointer) = (what.to_owned(), pointer.to_owned());
    let value = told::shown(value.as_deref(), masks);
    HttpFailure::Unwanted { what, pointer, value, said: told::excerpt(reply, masks) }
}

/// Returns the value at a place in the body as text, or `None` if there is none.
///
/// # Errors
/// If the body is not JSON.
pub fn value_at(what: &str, reply: &HttpReply, pointer: &str) -> Result<Option<String>, HttpFailure> {
    let body: Value = serde_json::from_slice(&reply.body).map_err(|source| {
        let (what, pointer) = (what.to_owned(), pointer.to_owned());
        HttpFailure::NoJson { what, pointer, source }
    })?;
    Ok(body.pointer(pointer).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

/// Returns what a value means.
pub fn state(verdict: &HttpVerdict, value: Option<&str>) -> JsonState {
    let has = |values: &[String]| values.iter().any(|known| Some(&**known) == value);
    if has(&verdict.done) {
        JsonState::Done
    } else if has(&verdict.failed) {
        JsonState::Failed
    } else {
        JsonState::Open
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn reply(status: u16, body: &str) -> HttpReply {
        let status = StatusCode::from_u16(status).unwrap();
        HttpReply { status, body: body.to_owned().into(), took: Duration::ZERO, earlier: None }
    }

    #[test]
    fn a_value_is_found_by_its_pointer_and_compared_as_text() {
        let verdict: HttpVerdict =
            serde_json::from_value(json!({"pointer": "/a/0/b", "done": ["1", "true"], "failed": ["no"]}))
                .unwrap();
        for (body, state_of_it) in [
            (r#"{"a": [{"b": 1}]}"#, JsonState::Done),
            (r#"{"a": [{"b": true}]}"#, JsonState::Done),
            (r#"{"a": [{"b": "no"}]}"#, JsonState::Failed),
            (r#"{"a": [{"b": "soon"}]}"#, JsonState::Open),
            (r#"{"a": []}"#, JsonState::Open),
        ] {
            let value = value_at("GET", &reply(200, body), &verdict.pointer).unwrap();
            assert_eq!(state(&verdict, value.as_deref()), state_of_it, "{body}");
        }
        assert!(value_at("GET", &reply(200, r#"{"a": [{"b": 1"#), "/a").is_err(), "half of it");
    }

    #[test]
    fn status_and_value_must_both_be_a_success() {
        let expect = |given| -> HttpExpectation { serde_json::from_value(given).unwrap() };
        let acknowledged = json!({"pointer": "/acknowledged", "done": ["true"]});
        for (given, status, body, good) in [
            (json!({}), 201, "", true),
            (json!({}), 300, "", false),
            (json!({"status": [404]}), 404, "", true),
            (json!({"status": [404]}), 200, "", false),
            (json!({"json": acknowledged}), 200, r#"{"acknowledged": true}"#, true),
            (json!({"json": acknowledged}), 200, r#"{"acknowledged": false}"#, false),
            (json!({"json": acknowledged}), 200, "{}", false),
            (json!({"json": acknowledged}), 500, r#"{"acknowledged": true}"#, false),
        ] {
            let judged =
                expected(Some(&expect(given.clone())), "GET", &reply(status, body), &Masks::default());
            assert_eq!(judged.is_ok(), good, "{given} {status} {body}: {judged:?}");
        }
    }
}
