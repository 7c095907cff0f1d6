//! DownloadRequests: an address for one part of a backup or restore, for ten minutes. The request goes after an hour. The
//! address is the bucket's, or that of the server itself behind the API server: where a store can make none, or where
//! somebody asks for it who does not reach the bucket.

mod part;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use tokio::time::Instant;

use super::context::Context;
use super::error::ControllerError;
use super::handouts::{Handout, VALID_FOR};
use super::retry::{drive, news_of};
use super::stores::Feed;
use crate::api::{DownloadPhase, DownloadRequest, DownloadRequestStatus};
use crate::bucket::BucketError;
use crate::model::lasting;
use part::locate;

/// How long a request is kept; whoever asked has read the answer by then.
const KEPT_FOR: TimeDelta = TimeDelta::hours(1);
/// The port of the server's Service.
const SERVICE_PORT: u16 = 8085;

/// What is to be done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is answered.
    Answer,
    /// It was answered; it goes after this.
    Wait(Duration),
    /// It goes.
    Delete,
}

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<DownloadRequest>) {
    let phase =
        |request: &DownloadRequest| news_of(request, request.status.as_ref().and_then(|status| status.phase));
    drive(context, feed, phase, reconcile).await;
}

async fn reconcile(request: Arc<DownloadRequest>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let answered =
        request.status.as_ref().is_some_and(|status| status.phase == Some(DownloadPhase::Processed));
    match decide(answered, made_at(&*request), Utc::now()) {
        Step::Answer => {
            record(&context, &request, answer(&context, &request).await).await?;
            Ok(Action::await_change())
        }
        Step::Wait(time) => Ok(Action::requeue(time)),
        Step::Delete => {
            let doing = format!("delete the DownloadRequest `{}`", request.name_any());
            let precondition = Preconditions { uid: request.uid(), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(precondition), ..DeleteParams::default() };
            let api = context.api::<DownloadRequest>();
            let deleted = ControllerError::within(doing, api.delete(&request.name_any(), &parameters)).await;
            gone(deleted)
        }
    }
}

/// For requests of any kind that are kept for an hour. Pure.
pub(super) fn decide(answered: bool, made: DateTime<Utc>, now: DateTime<Utc>) -> Step {
    match (made + KEPT_FOR - now).to_std() {
        Ok(left) if !left.is_zero() && answered => Step::Wait(left),
        Ok(left) if !left.is_zero() => Step::Answer,
        _ => Step::Delete,
    }
}

/// When an object was created, by the API server's clock.
pub(super) fn made_at(object: &impl kube::Resource) -> DateTime<Utc> {
    let created = object.meta().creation_timestamp.as_ref();
    created.and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0)).unwrap_or_else(Utc::now)
}

/// Deleted; or gone or another object by now, which is as well.
pub(super) fn gone<T>(deleted: Result<T, ControllerError>) -> Result<Action, ControllerError> {
    match deleted {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(Action::await_change()),
    }
}

/// The address, or why there is none: one act, tried once. Whoever asked asks again.
async fn answer(context: &Context, request: &DownloadRequest) -> DownloadRequestStatus {
    let processed = DownloadRequestStatus { phase: Some(DownloadPhase::Processed), ..Default::default() };
    match address(context, request).await {
        Ok(url) => {
            let expiration = Utc::now() + TimeDelta::from_std(VALID_FOR).unwrap_or_default();
            DownloadRequestStatus {
                download_url: Some(url),
                expiration: Some(expiration.into()),
                ..processed
            }
        }
        Err(why) => {
            tracing::info!(kind = "DownloadRequest", name = request.name_any(), "there is no address: {why}");
            DownloadRequestStatus { message: Some(why), ..processed }
        }
    }
}

async fn address(context: &Context, request: &DownloadRequest) -> Result<String, String> {
    let part = locate(&context.stores.backups, &context.stores.restores, &request.spec.target)?;
    let open = context.locations.open(part.location.as_deref()).await.map_err(|error| lasting(&error))?;
    let absent =
        || format!("location `{}` has no {}: it was never written, or is deleted", open.name, part.key);
    match part.check(&open.bucket).await {
        Ok(()) => {}
        Err(BucketError::NotFound { .. } | BucketError::Incomplete { .. }) => return Err(absent()),
        Err(error) => return Err(lasting(&error)),
    }
    let (store, key) = (open.bucket.store(), part.key.clone());
    if let Err(error) = store.head(&key).await {
        return Err(if error.is_not_found() { absent() } else { lasting(&error) });
    }
    let is_asked_itself = request.spec.through_server == Some(true);
    if !is_asked_itself
        && let Some(url) = store.presign(&key, VALID_FOR).await.map_err(|error| lasting(&error))?
    {
        return Ok(url);
    }
    let handout = Handout { bucket: open.bucket.clone(), key };
    let token = context
        .handouts
        .offer(handout, Instant::now())
        .ok_or("too many downloads are open; try again later")?;
    Ok(proxied(context, &token))
}

/// The way to this server through the API server: to its pod, since of several only this one knows the token; where it is in
/// none, to its Service.
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
    fn a_request_is_answered_once_and_goes_after_an_hour() {
        let made = DateTime::from_timestamp(1_763_730_000, 0).unwrap();
        let after = |minutes| made + TimeDelta::minutes(minutes);
        assert_eq!(decide(false, made, after(0)), Step::Answer);
        assert_eq!(decide(false, made, after(59)), Step::Answer);
        assert_eq!(decide(true, made, after(15)), Step::Wait(Duration::from_secs(45 * 60)));
        assert_eq!(decide(true, made, after(60)), Step::Delete);
        assert_eq!(decide(false, made, after(61)), Step::Delete, "nobody waits for it any more");
        assert_eq!(decide(false, made, after(-5)), Step::Answer, "the API server's clock may be ahead");
    }
}
