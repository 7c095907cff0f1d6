//! Asks one question until there is an answer: what does not matter twice is asked again after a
//! failure that passes, for as long as the action may take.

use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Client, Method, Request, Response, StatusCode};
use tokio::time::Instant;

use super::error::HttpFailure;
use super::masks::Masks;
use super::reply::HttpReply;
use super::verdict::is_expected;
use crate::api::HttpExpectation;
use crate::model::{RootCause, causes};

/// The largest body that is read.
const MOST: usize = 1 << 20;
/// The time for the answer of a poll: a server that is asked for a state has it at hand.
const POLL_DEADLINE: Duration = Duration::from_secs(60);
/// The pause after the first try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A request that may be sent more than once.
pub struct HttpQuestion<'a> {
    /// Method and URL, for messages.
    pub what: String,
    request: Request,
    /// Whether sending it twice does what sending it once does.
    is_harmless: bool,
    /// Whether it changes nothing.
    only_asks: bool,
    expect: Option<&'a HttpExpectation>,
    masks: &'a Masks,
}

impl<'a> HttpQuestion<'a> {
    /// Prepares the request of an action.
    pub fn new(request: Request, expect: Option<&'a HttpExpectation>, masks: &'a Masks) -> Self {
        let what = format!("{} {}", request.method(), request.url());
        let only_asks = *request.method() == Method::GET;
        let is_harmless = only_asks || matches!(*request.method(), Method::PUT | Method::DELETE);
        Self { what: masks.hide(&what), request, is_harmless, only_asks, expect, masks }
    }

    /// Prepares a request for a state, which may be sent as often as one likes.
    pub fn poll(mut request: Request, masks: &'a Masks) -> Self {
        *request.timeout_mut() = Some(POLL_DEADLINE);
        Self { is_harmless: true, only_asks: true, ..Self::new(request, None, masks) }
    }

    /// Asks until there is an answer.
    ///
    /// # Errors
    /// If there is none, and asking again would not help or might do twice what was asked for.
    pub async fn ask(&self, client: &Client, lines: &mut Vec<String>) -> Result<HttpReply, HttpFailure> {
        let (mut pause, mut earlier) = (FIRST_PAUSE, None);
        loop {
            let failure = match self.try_once(client).await {
                Ok(reply) if self.is_final(reply.status) => return Ok(HttpReply { earlier, ..reply }),
                Ok(reply) => format!("{} was answered by {}", self.what, reply.status),
                Err(failure) if self.may_be_asked_again(&failure) => {
                    let text = self.masks.hide(&causes(&failure));
                    if matches!(failure, HttpFailure::Broken { .. }) {
                        earlier = Some(text.clone());
                    }
                    text
                }
                Err(failure) => return Err(failure),
            };
            let line = format!("{failure}; it is asked again");
            if lines.last() != Some(&line) {
                lines.push(line);
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn is_final(&self, status: StatusCode) -> bool {
        let passes = matches!(status.as_u16(), 429 | 502..=504);
        !passes || !self.is_harmless || is_expected(self.expect, status)
    }

    fn may_be_asked_again(&self, failure: &HttpFailure) -> bool {
        match failure {
            HttpFailure::Unreachable { .. } => true,
            HttpFailure::Broken { .. } => self.is_harmless,
            HttpFailure::Truncated { .. } => self.only_asks,
            _ => false,
        }
    }

    async fn try_once(&self, client: &Client) -> Result<HttpReply, HttpFailure> {
        let began = Instant::now();
        let Some(request) = self.request.try_clone() else {
            return Err(HttpFailure::Setting("its body can be sent only once".to_owned()));
        };
        let answer = client.execute(request).await;
        let mut answer = answer.map_err(|error| HttpFailure::unanswered(&self.what, &error))?;
        let (what, status) = (self.what.clone(), answer.status());
        if status.is_redirection() && !is_expected(self.expect, status) {
            return Err(HttpFailure::Redirected { what, status, to: target(&answer) });
        }
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MOST => {
                    return Err(HttpFailure::Oversized { what, status, most: MOST });
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    let (received, source) = (body.len(), RootCause::of(&error).into());
                    return Err(HttpFailure::Truncated { what, status, received, source });
                }
            }
        }
        Ok(HttpReply { status, body: body.into(), took: began.elapsed(), earlier: None })
    }
}

/// Returns where a redirect leads, without a query, which may hold credentials.
fn target(answer: &Response) -> String {
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location else { return "nowhere".to_owned() };
    location.split(['?', '#']).next().unwrap_or_default().to_owned()
}
