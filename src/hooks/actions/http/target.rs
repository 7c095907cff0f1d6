//! Whom an action asks, and for what. Pure.

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request};
use url::form_urlencoded;

use super::error::HttpFailure;
use super::secrets::{HttpSecrets, Login};
use crate::api::{HttpAction, HttpMethod, HttpPoll, HttpScheme};

/// What stands for the name of the backup.
const BACKUP: &str = "{backup}";

/// Returns scheme, host and port of whom is asked.
pub fn origin(http: &HttpAction, namespace: &str) -> String {
    match (&http.service, &http.url) {
        (Some(service), _) => {
            let scheme = match service.scheme.unwrap_or_default() {
                HttpScheme::Http => "http",
                HttpScheme::Https => "https",
            };
            format!("{scheme}://{}.{namespace}.svc:{}", service.name, service.port)
        }
        (None, url) => url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
    }
}

/// Returns the request of an action.
///
/// # Errors
/// If it cannot be written.
pub fn request(
    client: &Client,
    origin: &str,
    http: &HttpAction,
    secrets: &HttpSecrets,
    backup: &str,
) -> Result<Request, HttpFailure> {
    let mut request = write(client, http.method, origin, &http.path, secrets, backup)?;
    if let Some(body) = http.body.as_deref().or(secrets.body.as_deref()) {
        *request.body_mut() = Some(fill_body(body, backup).into());
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().entry(CONTENT_TYPE).or_insert(json);
    }
    Ok(request)
}

/// Returns the request by which an action asks whether something is done.
///
/// # Errors
/// If it cannot be written.
pub fn poll(
    client: &Client,
    origin: &str,
    poll: &HttpPoll,
    secrets: &HttpSecrets,
    backup: &str,
) -> Result<Request, HttpFailure> {
    write(client, poll.method, origin, &poll.path, secrets, backup)
}

fn write(
    client: &Client,
    method: Option<HttpMethod>,
    origin: &str,
    path: &str,
    secrets: &HttpSecrets,
    backup: &str,
) -> Result<Request, HttpFailure> {
    let url = format!("{origin}{}", fill_path(path, backup));
    let request = client.request(of(method.unwrap_or_default()), url).headers(secrets.headers.clone());
    let request = match &secrets.login {
        Login::None => request,
        Login::Basic { user, password } => request.basic_auth(user, Some(password)),
        Login::Bearer(token) => request.bearer_auth(token),
    };
    request.build().map_err(|error| HttpFailure::Unwritten(error.without_url()))
}

fn of(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Post => Method::POST,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
    }
}

fn fill_path(path: &str, backup: &str) -> String {
    let escaped: String = form_urlencoded::byte_serialize(backup.as_bytes()).collect();
    path.replace(BACKUP, &escaped)
}

fn fill_body(body: &str, backup: &str) -> String {
    let escaped = serde_json::Value::from(backup).to_string();
    body.replace(BACKUP, escaped.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::client;
    use super::*;

    fn action(action: Value) -> HttpAction {
        serde_json::from_value(action).unwrap()
    }

    #[test]
    fn a_service_is_asked_by_its_name_in_the_cluster() {
        let service = json!({"service": {"name": "search", "port": 9200, "scheme": "https"}, "path": "/"});
        assert_eq!(origin(&action(service), "shop"), "https://search.shop.svc:9200");
        let plain = json!({"service": {"name": "search", "port": 80}, "path": "/"});
        assert_eq!(origin(&action(plain), "shop"), "http://search.shop.svc:80");
        assert_eq!(origin(&action(json!({"url": "https://a:1/", "path": "/"})), "shop"), "https://a:1");
    }

    #[test]
    fn the_name_of_the_backup_is_escaped_where_it_stands() {
        let http = action(json!({
            "url": "http://a:1", "path": "/_snapshot/r/{backup}?x", "method": "PUT", "body": r#"{"by": "{backup}"}"#,
        }));
        let origin = origin(&http, "shop");
        let client = client::open(&http, &origin, None, false).unwrap();
        let request = request(&client, &origin, &http, &HttpSecrets::default(), "a\"/b").unwrap();
        assert_eq!(request.url().as_str(), "http://a:1/_snapshot/r/a%22%2Fb?x");
        let body = request.body().unwrap().as_bytes().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), json!({"by": "a\"/b"}));
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
    }
}
