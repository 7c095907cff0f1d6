//! What is wrong with a request, each mistake with its field. Pure.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};
use url::Url;

use super::shape::{
    BasicAuth, HttpAction, HttpExpectation, HttpHeader, HttpPoll, HttpService, HttpVerdict, SecretValue,
};
use crate::api::{Duration, InvalidSpec};

/// What stands for the name of the backup.
const BACKUP: &str = "{backup}";
/// Headers whose values are secret.
const SECRET_HEADERS: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
/// Headers that the client itself writes.
const OWN_HEADERS: [HeaderName; 4] = [HOST, CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING];

impl HttpAction {
    pub(in crate::api::hooks) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self {
            service,
            url,
            method: _,
            path,
            headers,
            body,
            body_from,
            basic_auth,
            bearer_token,
            ca_cert,
            ca_cert_from,
            expect,
            poll,
        } = self;
        let mut wrong = Vec::new();
        let mut say = |member: &str, why: String| wrong.push(InvalidSpec::new(join(field, member), why));
        match (service, url) {
            (Some(service), None) => service.check(&mut say),
            (None, Some(url)) => objection_to_url(url).into_iter().for_each(|why| say("url", why)),
            _ => say("", "exactly one of service and url says whom to ask".to_owned()),
        }
        objection_to_path(path).into_iter().for_each(|why| say("path", why));
        for (at, header) in headers.iter().enumerate() {
            header.check(&format!("headers[{at}]"), &mut say);
        }
        for (one, other, both) in [
            ("body", "bodyFrom", body.is_some() && body_from.is_some()),
            ("basicAuth", "bearerToken", basic_auth.is_some() && bearer_token.is_some()),
            ("caCert", "caCertFrom", ca_cert.is_some() && ca_cert_from.is_some()),
        ] {
            if both {
                say(one, format!("excludes {other}"));
            }
        }
        for (member, secret) in
            [("bodyFrom", body_from), ("bearerToken", bearer_token), ("caCertFrom", ca_cert_from)]
        {
            secret.iter().for_each(|secret| secret.check(member, &mut say));
        }
        basic_auth.iter().for_each(|auth| auth.check(&mut say));
        expect.iter().for_each(|expect| expect.check(&mut say));
        poll.iter().for_each(|poll| poll.check(&mut say));
        wrong
    }
}

fn join(field: &str, member: &str) -> String {
    if member.is_empty() { field.to_owned() } else { format!("{field}.{member}") }
}

fn check_filled(member: &str, text: &str, say: &mut impl FnMut(&str, String)) {
    if text.is_empty() {
        say(member, "is empty".to_owned());
    }
}

/// Returns why a URL names no server, or `None` if it does.
fn objection_to_url(url: &str) -> Option<String> {
    let Ok(url) = Url::parse(url) else {
        return Some("is no URL; write for example `https://search.example.com:9200`".to_owned());
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("begins with neither `http://` nor `https://`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds credentials; put them into a Secret (basicAuth)".to_owned());
    }
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (!is_bare).then(|| "has more than scheme, host and port; put the rest into path".to_owned())
}

fn objection_to_path(path: &str) -> Option<String> {
    let filled = path.replace(BACKUP, "backup");
    if filled.contains(['{', '}']) {
        return Some(format!("holds braces of which only `{BACKUP}` has a meaning"));
    }
    let is_path = filled.starts_with('/') && !filled.contains('#') && filled.is_ascii();
    let is_path = is_path && PathAndQuery::try_from(filled).is_ok();
    (!is_path).then(|| "is no path: it begins with `/`, and other characters are written as `%20`".to_owned())
}

impl HttpService {
    fn check(&self, say: &mut impl FnMut(&str, String)) {
        let Self { name, port, scheme: _ } = self;
        check_filled("service.name", name, say);
        // Nothing that ends the host of a URL.
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            say("service.name", "is no name of a Service".to_owned());
        }
        if *port == 0 {
            say("service.port", "is zero".to_owned());
        }
    }
}

impl HttpHeader {
    fn check(&self, member: &str, say: &mut impl FnMut(&str, String)) {
        let Self { name, value, value_from } = self;
        let known: Option<HeaderName> = name.parse().ok();
        match &known {
            None => say(&join(member, "name"), "is no name of a header".to_owned()),
            Some(known) if OWN_HEADERS.contains(known) => {
                say(&join(member, "name"), "is written by the client; leave it out".to_owned());
            }
            Some(known) if value.is_some() && SECRET_HEADERS.contains(known) => {
                say(&join(member, "value"), "belongs into a Secret: use valueFrom".to_owned());
            }
            Some(_) => {}
        }
        if value.is_some() == value_from.is_some() {
            say(member, "a header has either value or valueFrom".to_owned());
        }
        if value.as_ref().is_some_and(|value| HeaderValue::from_str(value).is_err()) {
            say(&join(member, "value"), "holds characters that no header has".to_owned());
        }
        value_from.iter().for_each(|secret| secret.check(&join(member, "valueFrom"), say));
    }
}

impl SecretValue {
    fn check(&self, member: &str, say: &mut impl FnMut(&str, String)) {
        let Self { name, key } = self;
        check_filled(&join(member, "name"), name, say);
        check_filled(&join(member, "key"), key, say);
    }
}

impl BasicAuth {
    fn check(&self, say: &mut impl FnMut(&str, String)) {
        let Self { name, username_key, username, password_key } = self;
        check_filled("basicAuth.name", name, say);
        for (member, text) in [
            ("basicAuth.usernameKey", username_key),
            ("basicAuth.username", username),
            ("basicAuth.passwordKey", password_key),
        ] {
            text.iter().for_each(|text| check_filled(member, text, say));
        }
        if username.is_some() && username_key.is_some() {
            say("basicAuth.username", "excludes usernameKey".to_owned());
        }
        if username.as_ref().is_some_and(|username| username.contains(':')) {
            say("basicAuth.username", "holds a colon, which ends the user".to_owned());
        }
    }
}

impl HttpExpectation {
    fn check(&self, say: &mut impl FnMut(&str, String)) {
        let Self { status, json } = self;
        if status.iter().any(|status| !(100..600).contains(status)) {
            say("expect.status", "holds a number that is no status".to_owned());
        }
        json.iter().for_each(|json| json.check("expect.json", say));
    }
}

impl HttpPoll {
    fn check(&self, say: &mut impl FnMut(&str, String)) {
        let Self { path, method: _, interval, json } = self;
        objection_to_path(path).into_iter().for_each(|why| say("poll.path", why));
        if let Some(Err(error)) = interval.as_ref().map(Duration::length) {
            say("poll.interval", error.to_string());
        }
        json.check("poll.json", say);
    }
}

impl HttpVerdict {
    fn check(&self, member: &str, say: &mut impl FnMut(&str, String)) {
        let Self { pointer, done, failed } = self;
        if !pointer.starts_with('/') {
            let why = "is no JSON pointer; write for example `/snapshots/0/state`";
            say(&join(member, "pointer"), why.to_owned());
        }
        if done.is_empty() {
            say(&join(member, "done"), "names no value that means success".to_owned());
        }
        if failed.iter().any(|value| done.contains(value)) {
            say(&join(member, "failed"), "has a value that means success as well".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wrong(action: Value) -> Vec<String> {
        let action: HttpAction = serde_json::from_value(action).unwrap();
        action.validate("http").into_iter().map(|wrong| wrong.to_string()).collect()
    }

    #[track_caller]
    fn assert_fields(action: Value, fields: &[&str]) {
        let said = wrong(action);
        assert_eq!(said.len(), fields.len(), "{said:?}");
        for (said, field) in said.iter().zip(fields) {
            assert!(said.starts_with(&format!("spec.{field}: ")), "{said} is not about {field}");
        }
    }

    #[test]
    fn every_mistake_of_a_request_is_named_with_its_field() {
        let secret = json!({"name": "", "key": "k"});
        assert_fields(
            json!({
                "service": {"name": "search", "port": 9200}, "url": "https://a", "path": "_snapshot",
                "headers": [
                    {"name": "a b", "value": ""},
                    {"name": "Host", "value": "x"},
                    {"name": "Authorization", "value": "Basic eDp5"},
                    {"name": "X-A", "value": "a\nb"},
                    {"name": "X-B"},
                ],
                "body": "{}", "bodyFrom": secret, "basicAuth": {"name": "x", "username": "a:b"}, "bearerToken": secret,
                "expect": {"status": [200, 99], "json": {"pointer": "state", "done": ["a"], "failed": ["a"]}},
                "poll": {"path": "/{name}", "interval": "soon", "json": {"pointer": "/state", "done": []}},
            }),
            &[
                "http",
                "http.path",
                "http.headers[0].name",
                "http.headers[1].name",
                "http.headers[2].value",
                "http.headers[3].value",
                "http.headers[4]",
                "http.body",
                "http.basicAuth",
                "http.bodyFrom.name",
                "http.bearerToken.name",
                "http.basicAuth.username",
                "http.expect.status",
                "http.expect.json.pointer",
                "http.expect.json.failed",
                "http.poll.path",
                "http.poll.interval",
                "http.poll.json.done",
            ],
        );
        assert_fields(
            json!({"service": {"name": "a.b@c", "port": 0}, "path": "/"}),
            &["http.service.name", "http.service.port"],
        );
    }

    #[test]
    fn a_url_names_a_server_and_nothing_else() {
        for (url, good) in [
            ("https://search.example.com:9200", true),
            ("http://[fd00::1]:9200/", true),
            ("ftp://search", false),
            ("https://me:hunter2@search", false),
            ("https://search/a", false),
            ("https://search?a", false),
            ("search:9200", false),
        ] {
            let wrong = wrong(json!({"url": url, "path": "/"}));
            assert_eq!(wrong.is_empty(), good, "{url}: {wrong:?}");
            assert!(!format!("{wrong:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_path_begins_with_a_slash_and_knows_one_placeholder() {
        for (path, good) in [
            ("/_snapshot/nightly/{backup}?wait_for_completion=false", true),
            ("/%3Csnap-%7Bnow%2Fd%7D%3E", true),
            ("/{backup}/{name}", false),
            ("@elsewhere/", false),
            ("/a#b", false),
            ("/a b", false),
            ("/ü", false),
        ] {
            let wrong = wrong(json!({"url": "https://a", "path": path}));
            assert_eq!(wrong.is_empty(), good, "{path}: {wrong:?}");
        }
    }
}
