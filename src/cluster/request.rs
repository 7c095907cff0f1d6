//! One call: a deadline for each try, a bounded number of tries, one allocation for the answer.
//! [`super::policy`] says which failure another try may help; a server that answers nobody is
//! waited for beyond a call's own tries ([`super::health`]).
//!
//! The client's own retries are off ([`super::connect`]). A create that was sent twice may collide
//! with its own object, and only the code that counts the tries can know. All other files send
//! through [`Cluster::call`] or [`Cluster::exchange`].

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::Instant;

use super::failure::read_failure;
use super::list::EarlyToken;
use super::policy::{Blame, Patience, blame, pause, says_nothing_was_done};
use super::trouble::Trouble;
use super::warnings::read_warnings;
use super::{Cluster, ClusterError};
use crate::model::{RootCause, causes, chain};

/// The deadline of a try for one object. The API server gives up after 60 s, and webhooks after at
/// most 30 s.
const OBJECT_DEADLINE: Duration = Duration::from_secs(40);
/// Tries for an answer that cannot be parsed: a proxy truncates an answer, or sends a page of its
/// own.
const GARBLED: u32 = 4;
/// The pause after the first of these tries; each further pause is longer by as much.
const GARBLED_PAUSE: Duration = Duration::from_millis(200);
/// The largest accepted answer. No object is much larger than etcd's limit of 1.5 MiB; discovery
/// of hundreds of kinds stays below 4 MiB.
const OBJECT_MOST: usize = 64 << 20;

/// Counts an answer that cannot be parsed and waits. Returns false once there were too many.
pub(super) async fn ask_again(garbled: &mut u32) -> bool {
    *garbled += 1;
    if *garbled >= GARBLED {
        return false;
    }
    tokio::time::sleep(GARBLED_PAUSE * *garbled).await;
    true
}

/// The action of a call, for messages: `create configmaps shop/settings`.
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
    /// The content type of the body.
    pub content: &'static str,
    pub body: Bytes,
    pub doing: Doing<'a>,
    /// The deadline of one try.
    pub deadline: Duration,
    pub patience: Patience,
    /// The probable size of the answer in bytes.
    pub expected: usize,
    /// The largest accepted size of the answer in bytes.
    pub most: usize,
    /// Whether the caller answers a timeout by asking for less, so that the call is not repeated.
    pub asks_for_less: bool,
    /// The reader of a list's continue token while the page arrives.
    pub early: Option<&'a EarlyToken>,
}

impl<'a> Call<'a> {
    /// Creates a GET of one JSON document.
    pub fn get(path: &'a str, doing: Doing<'a>) -> Self {
        Self::send(Method::GET, path, "application/json", Bytes::new(), doing)
    }

    /// Creates a call with a body, patient and for one object.
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
            asks_for_less: false,
            early: None,
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
            source: format!("the request cannot be written: {error}").into(),
        })
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Success {
    pub body: Bytes,
    /// The texts of the server's `Warning` headers.
    pub warnings: Vec<String>,
}

/// The state of one call's tries.
struct Course {
    patience: Patience,
    attempt: u32,
    /// Failures of the sort that passes soon or not at all ([`Blame::Few`]).
    few: u32,
    /// The tries that failed while the server answered others, and the time they took. They are
    /// this call's own failures.
    own: u32,
    spent: Duration,
    /// The beginning of the current try, and the number of answers to anybody by then.
    since: Instant,
    answers: u64,
    /// Whether the server has answered nobody for too long.
    given_up: bool,
    /// Whether a try may have had an effect although its answer did not arrive.
    uncertain: bool,
}

impl Cluster {
    /// Sends a call, repeats it where that can help, and returns the body of the success.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Bytes, ClusterError> {
        Ok(self.exchange(call).await?.body)
    }

    /// Sends a call, repeats it where that can help, and returns the success.
    pub(super) async fn exchange(&self, call: &Call<'_>) -> Result<Success, ClusterError> {
        let mut course = Course::new(call.patience, self.shared.health.answers());
        loop {
            let error = match self.attempt(call).await {
                Ok(success) => return Ok(success),
                Err(error) => error,
            };
            let Some(pause) = self.next_try(call, &error, &mut course) else {
                return Err(self.give_up(error, &course));
            };
            course.uncertain |= !says_nothing_was_done(&error);
            tracing::debug!(error = causes(&error), attempt = course.attempt, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns the pause before the next try, or `None` if the call is given up.
    fn next_try(&self, call: &Call<'_>, error: &ClusterError, course: &mut Course) -> Option<Duration> {
        let blame = blame(error.trouble(), &call.method, call.patience);
        let answers = self.shared.health.answers();
        let within = self.shared.health.within;
        let waits = course.patience.stays && blame == Blame::Away && answers == course.answers;
        course.count(answers, !waits);
        course.few += u32::from(matches!(blame, Blame::Few(_)));
        let share = (RandomState::new().build_hasher().finish() % 100) as f64 / 100.0;
        let nth = if matches!(blame, Blame::Few(_)) { course.few } else { course.attempt };
        let pause = pause(error, nth, share);
        let again = match blame {
            Blame::Final => false,
            Blame::Few(tries) if course.few >= tries => false,
            _ if call.asks_for_less && error.is_timeout() => false,
            // A closed fence refuses every further write.
            _ if call.method != Method::GET && !self.fence.is_open() => false,
            // While the server answers nobody, the tries do not count as this call's own: the
            // absence as a whole is bounded.
            _ if waits => {
                let since = self.shared.health.away().map(|away| away.since.elapsed());
                course.given_up = since.is_some_and(|since| since + pause >= within);
                !course.given_up
            }
            _ => course.own < course.patience.tries && course.spent + pause <= course.patience.total,
        };
        again.then_some(pause)
    }

    /// Returns the final error of a call. A failure of this call alone is not called a server that
    /// cannot be reached, which would end the whole run.
    fn give_up(&self, error: ClusterError, course: &Course) -> ClusterError {
        let for_all = course.given_up || !course.patience.stays;
        let server = || self.server.to_string();
        match error {
            // A proxy or load balancer in front of the server answered in its place.
            ClusterError::Api(failure) if failure.trouble == Trouble::Away && for_all => {
                let source = format!("{} ({})", failure.message, failure.code).into();
                ClusterError::Unreachable { server: server(), doing: failure.doing, source }
            }
            ClusterError::Api(mut failure) => {
                failure.retried = course.uncertain;
                ClusterError::Api(failure)
            }
            ClusterError::Unreachable { doing, source, .. } if !for_all && self.fence.is_open() => {
                ClusterError::Broken { server: server(), doing, source }
            }
            error => error,
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Success, ClusterError> {
        let request = call.request()?;
        let started = Instant::now();
        let exchange = async {
            let response = self.client.send(request).await.map_err(|error| self.broken(call, &error))?;
            self.receive(call, response).await
        };
        let outcome = tokio::time::timeout(call.deadline, exchange).await.unwrap_or_else(|_| {
            Err(ClusterError::Timeout {
                server: self.server.to_string(),
                doing: call.doing.to_string(),
                after: call.deadline,
            })
        });
        self.note(call, &outcome, started.elapsed());
        outcome
    }

    /// Notes in the shared state what the outcome of a try tells of the server: absence, load,
    /// latency of creates.
    fn note(&self, call: &Call<'_>, outcome: &Result<Success, ClusterError>, took: Duration) {
        let error = match outcome {
            Ok(_) if call.method == Method::POST => return self.shared.creates.made(took),
            Ok(_) => return,
            Err(error) => error,
        };
        if error.trouble() == Trouble::Away {
            self.shared.health.missed(error.in_short());
        } else if error.api().is_some_and(|failure| matches!(failure.code, 429 | 503)) {
            self.shared.creates.refused();
        }
    }

    async fn receive(&self, call: &Call<'_>, response: Response<Body>) -> Result<Success, ClusterError> {
        let (head, mut body) = response.into_parts();
        // Told as soon as the head is there, since a body may take long. 502 to 504 may be a
        // proxy's, which is found out below.
        if !matches!(head.status.as_u16(), 502..=504) {
            self.shared.health.answered();
        }
        let mut bytes = self.buffers.take(call.expected.min(call.most));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| self.broken(call, &error))?.into_data() else { continue };
            if bytes.len() + data.len() > call.most {
                return Err(ClusterError::Oversized { doing: call.doing.to_string(), most: call.most });
            }
            bytes.extend_from_slice(&data);
            if let Some(early) = call.early.filter(|_| head.status.is_success()) {
                early.search(&bytes);
            }
        }
        let bytes = bytes.freeze();
        if head.status.is_success() {
            return Ok(Success { body: bytes, warnings: read_warnings(&head.headers) });
        }
        let failure = read_failure(call.doing.to_string(), head.status, &head.headers, &bytes);
        if failure.trouble != Trouble::Away {
            self.shared.health.answered();
        }
        if failure.code == 401 {
            let server = self.server.to_string();
            let source = failure.message.into();
            return Err(ClusterError::Credentials { server, doing: failure.doing, source });
        }
        Err(ClusterError::Api(Box::new(failure)))
    }

    /// Returns the error for a broken connection, with the innermost cause: the client's own
    /// errors nest too deeply for a person.
    fn broken(&self, call: &Call<'_>, error: &(dyn std::error::Error + 'static)) -> ClusterError {
        let (server, doing) = (self.server.to_string(), call.doing.to_string());
        if let Some(error) = chain(error).find_map(|cause| cause.downcast_ref::<kube::client::AuthError>()) {
            return ClusterError::Credentials { server, doing, source: error.to_string().into() };
        }
        let RootCause(cause) = RootCause::of(error);
        if cause.contains("invalid peer certificate") {
            return ClusterError::Untrusted { server, source: cause.into() };
        }
        ClusterError::Unreachable { server, doing, source: cause.into() }
    }
}

impl Course {
    fn new(patience: Patience, answers: u64) -> Self {
        Self {
            patience,
            attempt: 0,
            few: 0,
            own: 0,
            spent: Duration::ZERO,
            since: Instant::now(),
            answers,
            given_up: false,
            uncertain: false,
        }
    }

    /// Counts a failed try. `answers` is the number of answers to anybody by now, `own` says
    /// whether the failure is this call's own.
    fn count(&mut self, answers: u64, own: bool) {
        self.attempt += 1;
        if own {
            self.own += 1;
            self.spent += self.since.elapsed();
        }
        (self.since, self.answers) = (Instant::now(), answers);
    }
}

#[cfg(test)]
mod tests;
