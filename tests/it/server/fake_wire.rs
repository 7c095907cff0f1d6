//! Requests and answers of the fake cluster: whole requests, merged objects, the API server's no.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

/// Answers the requests of one connection, one after the other.
pub fn serve(mut stream: TcpStream, answer: impl Fn(&str, &[u8]) -> (u16, Vec<u8>)) {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(size @ 1..) = stream.read(&mut chunk) {
        received.extend_from_slice(&chunk[..size]);
        while let Some((head, body)) = request(&mut received) {
            let (code, body) = answer(&head, &body);
            let begin = format!(
                "HTTP/1.1 {code} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all(&[begin.as_bytes(), &body].concat()).is_err() {
                return;
            }
        }
    }
}

/// Takes one whole request out of what was received.
fn request(received: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let whole = end + 4 + length.unwrap_or(0_usize);
    if received.len() < whole {
        return None;
    }
    let rest = received.split_off(whole);
    let body = received[end + 4..].to_vec();
    *received = rest;
    Some((head, body))
}

/// The label that a list is selected by: `labelSelector=key%3Dvalue`.
pub fn selected(target: &str) -> Option<(String, String)> {
    let rest = target.split_once("labelSelector=")?.1;
    let text = rest.split('&').next().unwrap_or(rest).replace("%2F", "/");
    let (key, value) = text.split_once("%3D")?;
    Some((key.to_owned(), value.to_owned()))
}

/// A JSON merge patch, without removals.
pub fn merge(object: &mut Value, change: &Value) {
    match change.as_object() {
        Some(fields) => fields.iter().for_each(|(name, field)| merge(&mut object[name], field)),
        None => *object = change.clone(),
    }
}

/// That there is no such object.
pub fn missing(plural: &str, name: &str) -> (u16, Value) {
    status(404, "NotFound", &format!("{plural} \"{name}\" not found"), Some((plural, name)))
}

/// That an object has the name already.
pub fn taken(plural: &str, name: &str) -> (u16, Value) {
    status(409, "AlreadyExists", &format!("{plural} \"{name}\" already exists"), Some((plural, name)))
}

/// That somebody may not do it.
pub fn forbidden(verb: &str, plural: &str) -> (u16, Value) {
    let message = format!(
        "{plural}.ark.heptio.com is forbidden: User \"me\" cannot {verb} resource \"{plural}\" in API group \"ark.heptio.com\" in the namespace \"heptio-ark\""
    );
    status(403, "Forbidden", &message, None)
}

/// A Status; `missing` is the kind and name of what is not there.
pub fn status(code: u16, reason: &str, message: &str, missing: Option<(&str, &str)>) -> (u16, Value) {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code});
    if let Some((kind, name)) = missing {
        status["details"] = json!({"kind": kind, "name": name});
    }
    (code, status)
}

/// A status as the server answers it to a request: the `url` in it is sealed to the request's key.
pub fn sealed(status: Value, request: &Value) -> Value {
    match (status["url"].as_str(), request["spec"]["publicKey"].as_str()) {
        (Some(url), Some(key)) => {
            json!({"phase": status["phase"], "sealedURL": ark::model::seal(key, url).expect("a key")})
        }
        _ => status,
    }
}
