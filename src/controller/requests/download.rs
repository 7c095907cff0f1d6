//! DownloadRequests: an address for one part of a backup or restore, valid for ten minutes. A
//! request is deleted an hour after its answer.
//!
//! The address is one of the bucket, or one of this server behind the API server: if a store cannot
//! presign addresses, or the request asks for it because its sender does not reach the bucket.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use tokio::time::Instant;

use super::download_part::locate;
use crate::api::{DownloadPhase, DownloadRequest, DownloadRequestStatus, Timestamp};
use crate::bucket::BucketError;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::serve::download_tokens::{TokenTarget, VALID_FOR};
use crate::controller::watch::drive::drive;
use crate::controller::watch::news::news_of;
use crate::controller::watch::watches::{Caches, Watch};
use crate::model::{lasting, seal};
use crate::store::ObjectKey;

/// Time for which an answered request is kept; its sender has read the answer by then.
const KEPT_FOR: TimeDelta = TimeDelta::hours(1);
/// Port of the server's Service.
const SERVICE_PORT: u16 = 8085;

/// The next step for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStep {
    /// Answer the request.
    Answer,
    /// Wait this long, then look at the answered request again.
    Wait(Duration),
    /// Delete the request.
    Delete,
}

/// Reconciles DownloadRequests until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<DownloadRequest>) {
    let phase =
        |request: &DownloadRequest| news_of(request, request.status.as_ref().and_then(|status| status.phase));
    drive(context, watched, phase, reconcile).await;
}

/// Reconciles one request: answers it once, and deletes it an hour later.
async fn reconcile(request: Arc<DownloadRequest>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let status = request.status.as_ref().filter(|status| status.phase == Some(DownloadPhase::Processed));
    let answered = status.map(|status| answered_at(status.processed_timestamp, &*request));
    match decide(answered, Utc::now()) {
        RequestStep::Answer => {
            record(&context, &request, answer(&context, &request).await).await?;
            Ok(Action::await_change())
        }
        RequestStep::Wait(time) => Ok(Action::requeue(time)),
        RequestStep::Delete => {
            let doing = format!("delete the DownloadRequest `{}`", request.name_any());
            let precondition = Preconditions { uid: request.uid(), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(precondition), ..DeleteParams::default() };
            let api = context.api::<DownloadRequest>();
            let deleted = ControllerError::within(doing, api.delete(&request.name_any(), &parameters)).await;
            gone(deleted)
        }
    }
}

/// Returns the next step for a request of any kind that is kept for an hour after its answer;
/// `answered` and `now` are by the same clock. Pure.
pub fn decide(answered: Option<DateTime<Utc>>, now: DateTime<Utc>) -> RequestStep {
    match answered.map(|at| (at + KEPT_FOR - now).to_std()) {
        None => RequestStep::Answer,
        Some(Ok(left)) if !left.is_zero() => RequestStep::Wait(left),
        Some(_) => RequestStep::Delete,
    }
}

/// Returns when a request was answered, or when it was created if the answer does not say.
pub fn answered_at(said: Option<Timestamp>, request: &impl kube::Resource) -> DateTime<Utc> {
    let made = || request.meta().creation_timestamp.as_ref();
    let made = || made().and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    said.map(Timestamp::time).or_else(made).unwrap_or_else(Utc::now)
}

/// Judges a write or deletion: a request that is deleted, or another object by now, counts as
/// success.
pub fn gone<T>(deleted: Result<T, ControllerError>) -> Result<Action, ControllerError> {
    match deleted {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(Action::await_change()),
    }
}

/// Returns the answer: an address, or why there is none. Tried once; the sender can ask again.
async fn answer(context: &Context, request: &DownloadRequest) -> DownloadRequestStatus {
    let now = Utc::now();
    let processed = DownloadRequestStatus {
        phase: Some(DownloadPhase::Processed),
        processed_timestamp: Some(now.into()),
        ..Default::default()
    };
    match sealed(context, request).await {
        Ok(url) => {
            let expiration = now + TimeDelta::from_std(VALID_FOR).unwrap_or_default();
            DownloadRequestStatus { sealed_url: Some(url), expiration: Some(expiration.into()), ..processed }
        }
        Err(why) => {
            tracing::info!(kind = "DownloadRequest", name = request.name_any(), "there is no address: {why}");
            DownloadRequestStatus { message: Some(why), ..processed }
        }
    }
}

/// Returns the address, sealed to the sender's key: whoever may list requests could use it
/// otherwise.
async fn sealed(context: &Context, request: &DownloadRequest) -> Result<String, String> {
    const WANTED: &str = "`ark backup logs` and its like make one for each request";
    let key = request.spec.public_key.as_deref();
    let key =
        key.ok_or_else(|| format!("the request has no publicKey for the answer to be sealed to; {WANTED}"))?;
    let address = address(context, request).await?;
    seal(key, &address).ok_or_else(|| format!("nothing can be sealed to the request's publicKey; {WANTED}"))
}

/// Returns an address for the part that is asked for, or why there is none. The document and the
/// part are read first: an address of something else, or of nothing, helps nobody.
async fn address(context: &Context, request: &DownloadRequest) -> Result<String, String> {
    let Caches { backups, restores, locations, .. } = &context.caches;
    let part = locate(backups, restores, locations, &request.spec.target)?;
    let open = context.locations.open(part.location.as_deref()).await.map_err(|error| lasting(&error))?;
    let absent = |key: &ObjectKey| {
        format!("location `{}` has no {key}: it was never written, or is deleted", open.name)
    };
    let key = match part.key(&open.bucket).await {
        Ok(key) => key,
        Err(BucketError::NotFound { .. } | BucketError::Incomplete { .. }) => {
            return Err(absent(part.document()));
        }
        Err(error) => return Err(lasting(&error)),
    };
    let store = open.bucket.store();
    if let Err(error) = store.head(&key).await {
        return Err(if error.is_not_found() { absent(&key) } else { lasting(&error) });
    }
    let is_asked_itself = request.spec.through_server == Some(true);
    if !is_asked_itself
        && let Some(url) = store.presign(&key, VALID_FOR).await.map_err(|error| lasting(&error))?
    {
        return Ok(url);
    }
    let target = TokenTarget { bucket: open.bucket.clone(), key };
    let token =
        context.tokens.offer(target, Instant::now()).ok_or("too many downloads are open; try again later")?;
    Ok(proxied(context, &token))
}

/// Returns the path to this server through the API server. Of several servers only this one knows
/// the token, so the path leads to its pod, or to the Service if it runs in none.
fn proxied(context: &Context, token: &str) -> String {
    let settings = &context.settings;
    let (kind, name, port) = match &settings.pod {
        Some(pod) => ("pods", pod.as_str(), settings.listen.port()),
        None => ("services", "ark", SERVICE_PORT),
    };
    format!("/api/v1/namespaces/{}/{kind}/http:{name}:{port}/proxy/download/{token}", settings.namespace)
}

async fn record(
    context: &Context,
    request: &DownloadRequest,
    status: DownloadRequestStatus,
) -> Result<(), ControllerError> {
    let name = request.name_any();
    let answered = DownloadRequest { status: Some(status), ..request.clone() };
    let doing = format!("answer the DownloadRequest `{name}`");
    let api = context.api::<DownloadRequest>();
    let written =
        ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &answered)).await;
    gone(written).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_whatever_the_clocks_say_and_goes_an_hour_after_its_answer() {
        let at = DateTime::from_timestamp(1_763_730_000, 0).unwrap();
        let after = |minutes| at + TimeDelta::minutes(minutes);
        assert_eq!(decide(None, at), RequestStep::Answer);
        assert_eq!(decide(Some(at), after(15)), RequestStep::Wait(Duration::from_secs(45 * 60)));
        assert_eq!(decide(Some(at), after(60)), RequestStep::Delete);
        // The API server's clock is two hours behind: a request answered now is not an hour old.
        let made = serde_json::json!({"apiVersion": "ark.heptio.com/v1", "kind": "DownloadRequest",
            "metadata": {"name": "a", "creationTimestamp": "2025-11-21T11:00:00Z"},
            "spec": {"target": {"kind": "BackupLog", "name": "a"}}});
        let made: DownloadRequest = serde_json::from_value(made).unwrap();
        assert_eq!(
            decide(Some(answered_at(Some(at.into()), &made)), after(1)),
            RequestStep::Wait(Duration::from_secs(59 * 60))
        );
        assert_eq!(
            decide(Some(answered_at(None, &made)), after(1)),
            RequestStep::Delete,
            "an answer of an older server"
        );
    }

    #[tokio::test]
    async fn nothing_is_answered_that_others_could_read() {
        let (cluster, _) = crate::cluster::script::serve(|_, _| crate::cluster::script::broken());
        let context = crate::controller::context::scripted(cluster);
        let target = serde_json::json!({"target": {"kind": "BackupLog", "name": "a"}});
        let request = DownloadRequest::new("a", serde_json::from_value(target).unwrap());
        let status = answer(&context, &request).await;
        assert_eq!((status.phase, status.sealed_url), (Some(DownloadPhase::Processed), None));
        assert!(status.message.unwrap().contains("has no publicKey"));
    }
}
