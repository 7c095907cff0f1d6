//! For tests: a [`Cluster`] whose API server is a function from a request to an answer. Records
//! the requests.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;

use super::{Cluster, ResourceInfo};
use crate::model::GroupResource;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: http::Method,
    /// Path and query.
    pub uri: String,
    pub content: String,
    pub accept: String,
    pub body: String,
}

/// An answer; without a code the connection breaks.
pub struct Answer {
    pub code: Option<u16>,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: String,
}

pub fn answer(code: u16, body: impl Into<String>) -> Answer {
    Answer { code: Some(code), headers: Vec::new(), body: body.into() }
}

pub fn broken() -> Answer {
    Answer { code: None, headers: Vec::new(), body: String::new() }
}

/// Returns a Status that is a failure, with further fields (`"details": {…}`) if there are any.
pub fn failure(code: u16, reason: &str, message: &str, more: &str) -> Answer {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    answer(
        code,
        format!(r#"{{"kind":"Status","code":{code},"reason":"{reason}","message":"{message}"{more}}}"#),
    )
}

pub type Requests = Arc<Mutex<Vec<Asked>>>;

/// Creates a cluster that answers by `server`, which is given the number of earlier requests.
pub fn serve(mut server: impl FnMut(usize, &Asked) -> Answer + Send + 'static) -> (Cluster, Requests) {
    let requests = Requests::default();
    let noted = Arc::clone(&requests);
    let server = Arc::new(Mutex::new(move |asked: Asked| {
        let mut noted = noted.lock().unwrap();
        let answer = server(noted.len(), &asked);
        noted.push(asked);
        answer
    }));
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let (head, body) = request.into_parts();
            let header = |name: &str| {
                head.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
            };
            let asked = Asked {
                method: head.method.clone(),
                uri: head.uri.to_string(),
                content: header("content-type"),
                accept: header("accept"),
                body: String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
            };
            let answer = server.lock().unwrap()(asked);
            let Some(code) = answer.code else {
                return Err(std::io::Error::other("connection reset by peer"));
            };
            let mut response = Response::builder().status(code);
            for (name, value) in answer.headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::new(Bytes::from(answer.body))).unwrap())
        }
    });
    (Cluster::from_client(kube::Client::new(service, "default"), "https://scripted"), requests)
}

/// Creates a cluster that gives these answers, one after the other.
pub fn script(answers: Vec<Answer>) -> (Cluster, Requests) {
    let mut answers = answers.into_iter();
    serve(move |_, asked| answers.next().unwrap_or_else(|| answer(418, format!("nobody expected {asked:?}"))))
}

/// Returns the paths and queries of the requests.
pub fn uris(requests: &Requests) -> Vec<String> {
    requests.lock().unwrap().iter().map(|asked| asked.uri.clone()).collect()
}

/// Returns a namespaced kind of the core group, or of another.
pub fn kind(text: &str) -> ResourceInfo {
    ResourceInfo {
        resource: GroupResource::parse(text),
        version: "v1".into(),
        kind: "Widget".into(),
        singular: "widget".into(),
        short_names: Vec::new(),
        namespaced: true,
        status: true,
        verbs: Vec::new(),
        other_versions: Vec::new(),
    }
}
