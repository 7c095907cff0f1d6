//! ServerStatusRequests: the server answers with its version, as a sign of life. A request is
//! deleted an hour after its answer.

use std::sync::Arc;

use chrono::Utc;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;

use super::download::{RequestStep, answered_at, decide, gone};
use crate::api::{ServerStatusPhase, ServerStatusRequest, ServerStatusRequestStatus, Timestamp};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::drive::drive;
use crate::controller::watch::news::news_of;
use crate::controller::watch::watches::Watch;

/// Reconciles ServerStatusRequests until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<ServerStatusRequest>) {
    let phase = |request: &ServerStatusRequest| {
        news_of(request, request.status.as_ref().and_then(|status| status.phase))
    };
    drive(context, watched, phase, reconcile).await;
}

/// Reconciles one request: answers it once, and deletes it an hour later.
async fn reconcile(
    request: Arc<ServerStatusRequest>,
    context: Arc<Context>,
) -> Result<Action, ControllerError> {
    let name = request.name_any();
    let api = context.api::<ServerStatusRequest>();
    let status = request.status.as_ref().filter(|status| status.phase == Some(ServerStatusPhase::Processed));
    let answered = status.map(|status| answered_at(status.processed_timestamp, &*request));
    match decide(answered, Utc::now()) {
        RequestStep::Answer => {
            let answered = ServerStatusRequest { status: Some(answer()), ..(*request).clone() };
            let doing = format!("answer the ServerStatusRequest `{name}`");
            gone(
                ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &answered))
                    .await,
            )
        }
        RequestStep::Wait(time) => Ok(Action::requeue(time)),
        RequestStep::Delete => {
            let doing = format!("delete the ServerStatusRequest `{name}`");
            let precondition = Preconditions { uid: request.uid(), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(precondition), ..DeleteParams::default() };
            gone(ControllerError::within(doing, api.delete(&name, &parameters)).await)
        }
    }
}

fn answer() -> ServerStatusRequestStatus {
    ServerStatusRequestStatus {
        phase: Some(ServerStatusPhase::Processed),
        processed_timestamp: Some(Timestamp::now()),
        server_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_version_and_is_final() {
        let answer = answer();
        assert_eq!(answer.phase, Some(ServerStatusPhase::Processed));
        assert_eq!(answer.server_version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }
}
