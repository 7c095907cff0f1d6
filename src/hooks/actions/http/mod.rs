//! Sends a request and waits until the answer is as expected.
//!
//! `secrets` reads what the action takes from Secrets, and `masks` hides it wherever something is
//! told; `target` says whom to ask for what, `verdict` what an answer means, `told` what is told of
//! it, `reach` whom the server does not ask (all pure); `client` is the client, `ask` asks one
//! question until there is a `reply`.

mod ask;
mod client;
mod error;
mod masks;
mod reach;
mod reply;
mod secrets;
mod target;
mod told;
mod verdict;

use std::time::Duration;

use super::context::ActionContext;
use super::end::ActionFailure;
use crate::api::{BackupAction, HttpAction, HttpPoll};
use crate::model::causes;
use ask::HttpQuestion;
use error::HttpFailure;
use masks::Masks;
use secrets::HttpSecrets;
use verdict::JsonState;

/// The time between two requests unless the action says otherwise.
const INTERVAL: Duration = Duration::from_secs(5);
/// The most states that are told while one is waited for.
const STATES: usize = 50;

/// Sends a request and waits until the answer is as expected.
///
/// # Errors
/// If it is not done.
pub async fn run(
    context: &ActionContext<'_>,
    action: &BackupAction,
    http: &HttpAction,
    lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    let mut masks = Masks::default();
    let done = ask_and_wait(context, action, http, &mut masks, lines).await;
    done.map_err(|failure| ActionFailure::new(failure.category(), masks.hide(&causes(&failure))))
}

async fn ask_and_wait(
    context: &ActionContext<'_>,
    action: &BackupAction,
    http: &HttpAction,
    masks: &mut Masks,
    lines: &mut Vec<String>,
) -> Result<(), HttpFailure> {
    let secrets = HttpSecrets::read(context.cluster, &action.namespace, http, masks).await?;
    let origin = target::origin(http, &action.namespace);
    let client = client::open(http, &origin, secrets.authorities.as_deref(), context.is_server)?;
    let request = target::request(&client, &origin, http, &secrets, &context.backup)?;
    masks.add_credentials(request.headers());
    let question = HttpQuestion::new(request, http.expect.as_ref(), masks);
    let reply = question.ask(&client, lines).await?;
    lines.extend(told::lines(&question.what, &reply, masks));
    verdict::expected(http.expect.as_ref(), &question.what, &reply, masks)?;
    let Some(poll) = &http.poll else { return Ok(()) };
    let request = target::poll(&client, &origin, poll, &secrets, &context.backup)?;
    wait(&client, &HttpQuestion::poll(request, masks), poll, masks, lines).await
}

/// Asks until the value that is waited for means success or failure.
async fn wait(
    client: &reqwest::Client,
    question: &HttpQuestion<'_>,
    poll: &HttpPoll,
    masks: &Masks,
    lines: &mut Vec<String>,
) -> Result<(), HttpFailure> {
    let given = poll.interval.as_ref().and_then(|interval| interval.length().ok());
    let (interval, pointer) = (given.unwrap_or(INTERVAL), &poll.json.pointer);
    let mut states = Vec::new();
    loop {
        let reply = question.ask(client, lines).await?;
        verdict::expected(None, &question.what, &reply, masks)?;
        let value = verdict::value_at(&question.what, &reply, pointer)?;
        match verdict::state(&poll.json, value.as_deref()) {
            JsonState::Open => {}
            JsonState::Done => {
                lines.extend(told::lines(&question.what, &reply, masks));
                return Ok(());
            }
            JsonState::Failed => {
                lines.extend(told::lines(&question.what, &reply, masks));
                return Err(verdict::unwanted(&question.what, pointer, value, &reply, masks));
            }
        }
        let state = told::state(&question.what, pointer, value.as_deref(), masks);
        if states.last() != Some(&state) && states.len() < STATES {
            lines.push(state.clone());
            states.push(state);
        }
        tokio::time::sleep(interval).await;
    }
}
