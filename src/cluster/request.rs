//! One call: a deadline for each try, a bounded number of tries, one allocation for the answer.
//!
//! The client's own retries are off ([`super::connect`]): a create that was tried twice may meet its own object, and only
//! whoever counts the tries can say so. What the other files send goes through [`Cluster::call`].

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use tokio::time::Instant;

use super::{ApiFailure, Cluster, ClusterError};

/// For one object: the API server itself gives up after 60 s, and webhooks after at most 30 s.
const OBJECT_DEADLINE: Duration = Duration::from_secs(40);
/// No object is larger than etcd's 1.5 MiB by much; discovery of hundreds of kinds is below 4 MiB.
const OBJECT_MOST: usize = 64 << 20;
/// Before the second try; doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause of our own choosing is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much of an answer that is no Status goes into the message.
const EXCERPT: usize = 200;

/// How often and how long a call is tried; a pause that the server asks for counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    tries: u32,
    total: Duration,
}

impl Patience {
    /// Rides out a restart of the API server and a burst of 429.
    pub const PATIENT: Self = Self { tries: 8, total: Duration::from_secs(30) };
    /// For the first call: a person who named the wrong cluster wants to know now.
    pub const PROMPT: Self = Self { tries: 2, total: Duration::from_secs(3) };
}

/// What is being done, for messages: `create configmaps shop/settings`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doing<'a> {
    pub verb: &'static str,
    pub what: &'a str,
    pub namespace: Option<&'a str>,
    pub name: Option<&'a str>,
}

impl fmt::Display for Doing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, what, namespace, name } = self;
        match (namespace, name) {
            (Some(namespace), Some(name)) => write!(f, "{verb} {what} {namespace}/{name}"),
            (None, Some(name)) => write!(f, "{verb} {what} {name}"),
            (Some(namespace), None) => write!(f, "{verb} {what} in namespace {namespace}"),
            (None, None) => write!(f, "{verb} {what}"),
        }
    }
}

/// One call to the API server.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub method: Method,
    /// Path and query, escaped.
    pub path: &'a str,
    pub accept: &'static str,
    /// The type of the body.
    pub content: &'static str,
    pub body: Bytes,
    pub doing: Doing<'a>,
    /// For one try.
    pub deadline: Duration,
    pub patience: Patience,
    /// How many bytes the answer will probably have.
    pub expected: usize,
    /// How many bytes the answer may have.
    pub most: usize,
}

impl<'a> Call<'a> {
    /// A GET of one JSON document.
    pub fn get(path: &'a str, doing: Doing<'a>) -> Self {
        Self::send(Method::GET, path, "application/json", Bytes::new(), doing)
    }

    /// A call with a body.
    pub fn send(method: Method, path: &'a str, content: &'static str, body: Bytes, doing: Doing<'a>) -> Self {
        Self {
            method,
            path,
            accept: "application/json",
            content,
            body,
            doing,
            deadline: OBJECT_DEADLINE,
            patience: Patience::PATIENT,
            expected: 0,
            most: OBJECT_MOST,
        }
    }

    fn request(&self) -> Result<Request<Body>, ClusterError> {
        let mut request =
            Request::builder().method(self.method.clone()).uri(self.path).header(ACCEPT, self.accept);
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, self.content);
        }
        request.body(Body::from(self.body.clone())).map_err(|error| ClusterError::Answer {
            doing: self.doing.to_string(),
            cause: format!("the request cannot be written: {error}"),
        })
    }
}

impl Cluster {
    /// Sends the call, again where that can help, and returns the body of a success.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Bytes, ClusterError> {
        let started = Instant::now();
        let mut uncertain = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.attempt(call).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let left = call.patience.total.saturating_sub(started.elapsed());
            let pause =
                pause(&error, attempt).filter(|pause| attempt < call.patience.tries && *pause <= left);
            let Some(pause) = pause else { return Err(marked(error, uncertain)) };
            uncertain |= !says_nothing_was_done(&error);
            tracing::debug!(%error, attempt, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Bytes, ClusterError> {
        let request = call.request()?;
        let exchange = async {
            let response = self.client.send(request).await.map_err(|error| self.broken(call, &error))?;
            self.receive(call, response).await
        };
        tokio::time::timeout(call.deadline, exchange).await.unwrap_or_else(|_| {
            Err(ClusterError::Timeout {
                server: self.server.to_string(),
                doing: call.doing.to_string(),
                after: call.deadline,
            })
        })
    }

    async fn receive(&self, call: &Call<'_>, response: Response<Body>) -> Result<Bytes, ClusterError> {
        let (head, mut body) = response.into_parts();
        let mut bytes = self.buffers.take(call.expected.min(call.most));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| self.broken(call, &error))?.into_data() else { continue };
            if bytes.len() + data.len() > call.most {
                return Err(ClusterError::Oversized { doing: call.doing.to_string(), most: call.most });
            }
            bytes.extend_from_slice(&data);
        }
        let bytes = bytes.freeze();
        if head.status.is_success() {
            return Ok(bytes);
        }
        let failure = read_failure(call.doing.to_string(), head.status, &head.headers, &bytes);
        if failure.code == 401 {
            let server = self.server.to_string();
            return Err(ClusterError::Credentials { server, doing: failure.doing, cause: failure.message });
        }
        Err(ClusterError::Api(Box::new(failure)))
    }

    /// What a broken connection means; the client's own errors nest too deeply for a person.
    fn broken(&self, call: &Call<'_>, error: &(dyn std::error::Error + 'static)) -> ClusterError {
        let (server, doing) = (self.server.to_string(), call.doing.to_string());
        let chain = || std::iter::successors(Some(error), |error| error.source());
        if let Some(error) = chain().find_map(|error| error.downcast_ref::<kube::client::AuthError>()) {
            return ClusterError::Credentials { server, doing, cause: error.to_string() };
        }
        let cause = chain().last().map_or_else(String::new, ToString::to_string);
        if cause.contains("invalid peer certificate") {
            return ClusterError::Untrusted { server, cause };
        }
        ClusterError::Unreachable { server, doing, cause }
    }
}

/// How long to wait before another try; None when another try cannot help.
fn pause(error: &ClusterError, attempt: u32) -> Option<Duration> {
    let own = || {
        let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
        // Many calls that were refused together do not come back together.
        let share = RandomState::new().build_hasher().finish() % 50;
        longest.mul_f64((50 + share) as f64 / 100.0)
    };
    match error {
        ClusterError::Unreachable { .. } | ClusterError::Timeout { .. } => Some(own()),
        ClusterError::Api(failure) => match (failure.code, failure.retry_after) {
            // A server whose revisions are others' never gets there; one that lags does at once.
            _ if failure.is_ahead_of_server() && attempt > 2 => None,
            (429 | 503 | 504, None) => Some(own()),
            (429 | 500 | 503 | 504, Some(asked)) => Some(asked.max(own())),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the failure itself says that the call had no effect.
fn says_nothing_was_done(error: &ClusterError) -> bool {
    error.api().is_some_and(|failure| failure.code == 429)
}

fn marked(mut error: ClusterError, uncertain: bool) -> ClusterError {
    if let ClusterError::Api(failure) = &mut error {
        failure.retried = uncertain;
    }
    error
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

fn read_failure(doing: String, code: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiFailure {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let details = status.details.unwrap_or_default();
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let message = status.message.filter(|message| !message.is_empty()).unwrap_or_else(|| {
        let excerpt: String = String::from_utf8_lossy(body).trim().chars().take(EXCERPT).collect();
        if excerpt.is_empty() {
            code.canonical_reason().unwrap_or("no explanation").to_owned()
        } else {
            excerpt
        }
    });
    ApiFailure {
        doing,
        code: code.as_u16(),
        reason: status.reason.unwrap_or_default(),
        message,
        causes: details.causes.unwrap_or_default().into_iter().filter_map(|cause| cause.reason).collect(),
        retried: false,
        continue_token: status
            .metadata
            .and_then(|metadata| metadata.r#continue)
            .filter(|token| !token.is_empty()),
        retry_after: asked.or(details.retry_after_seconds).map(Duration::from_secs),
    }
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;
