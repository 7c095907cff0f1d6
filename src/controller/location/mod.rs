//! Locations: validates that each can be used and is still the same bucket.
//!
//! `validate` asks the bucket, `decide` (pure) turns the answer into a status, this file records
//! it. The two fields of the status that say what is in the bucket belong to `sync`.

mod decide;
mod obligations;
mod validate;

pub use obligations::note_obligations;

use std::sync::Arc;
use std::time::Duration;

use kube::api::PostParams;
use kube::runtime::controller::Action;

use super::buckets::AccessChange;
use super::context::Context;
use super::error::ControllerError;
use super::watch::conditions::Obstacle;
use super::watch::drive;
use super::watch::watches::Watch;
use crate::api::{BackupStorageLocation, LocationPhase, Timestamp};
use decide::{ObservedLocation, decide};
use validate::{LocationReport, TestWrites, validate};

/// Time between two validations of a location that sets no period, as in Velero.
const VALIDATION_PERIOD: Duration = Duration::from_secs(60);
/// Shortest period between two validations: each costs a handful of requests.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);
/// Number of times that a status is decided and written before a conflict is left to the next look.
const TRIES: u32 = 3;

/// Reconciles BackupStorageLocations until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<BackupStorageLocation>) {
    let test_writes = Arc::new(TestWrites::default());
    let reconcile = move |location, context| reconcile(location, context, Arc::clone(&test_writes));
    drive::drive(context, watched, |location| drive::news_of(location, ()), reconcile).await;
}

/// Reconciles one location: asks its bucket, decides on a status (pure), writes it, and looks again
/// after a period.
async fn reconcile(
    location: Arc<BackupStorageLocation>,
    context: Arc<Context>,
    test_writes: Arc<TestWrites>,
) -> Result<Action, ControllerError> {
    if location.metadata.deletion_timestamp.is_some() {
        record(&context, location.as_ref().clone(), &Err(leaving(&location))).await?;
        return Ok(Action::await_change());
    }
    let seen = validate(&context, &test_writes, &location).await;
    tell_change(&context, &location).await;
    if let Ok(LocationReport { obligations, .. }) = seen {
        note_obligations(&context, &location, obligations);
        if obligations > 0 {
            context.obligations.wake();
        }
    }
    record(&context, location.as_ref().clone(), &seen).await?;
    Ok(Action::requeue(period(&location)))
}

/// Returns why a location that is being deleted can no longer be used: finalizers may hold it for
/// long.
fn leaving(location: &BackupStorageLocation) -> Obstacle {
    let holders = location.metadata.finalizers.clone().unwrap_or_default();
    let why = format!(
        "the location is being deleted, and takes and shows nothing new; it stays until its finalizers are removed: {}",
        holders.join(", ")
    );
    Obstacle::new("BeingDeleted", why)
}

/// Writes the outcome of a validation into the status, unless nothing is new.
async fn record(
    context: &Context,
    mut location: BackupStorageLocation,
    seen: &Result<LocationReport, Obstacle>,
) -> Result<(), ControllerError> {
    let name = location.metadata.name.clone().unwrap_or_default();
    let doing = || format!("write the status of location `{name}`");
    let api = context.api::<BackupStorageLocation>();
    let looked_at = (location.metadata.uid.clone(), location.spec.clone());
    for attempt in 1.. {
        let all = context.caches.locations.state();
        let now = Timestamp::now();
        let status = decide(&ObservedLocation { location: &location, seen, all: &all, now });
        let before = location.status.replace(status.clone()).unwrap_or_default();
        if !decide::is_worth_writing(&before, &status, period(&location)) {
            return Ok(());
        }
        let parameters = PostParams::default();
        let write = api.replace_status(&name, &parameters, &location);
        match ControllerError::within(doing(), write).await {
            Ok(_) => {
                if before.phase != status.phase {
                    announce(context, &location).await;
                }
                return Ok(());
            }
            Err(error) if error.is_conflict() && attempt < TRIES => {}
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        }
        let fresh = ControllerError::within(format!("read location `{name}`"), api.get_opt(&name)).await?;
        // The outcome says nothing of another location, or of a changed one: the change causes a
        // look of its own.
        match fresh {
            Some(fresh) if (fresh.metadata.uid.clone(), fresh.spec.clone()) == looked_at => location = fresh,
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Reports that a location's credentials, or its connection to the bucket, have changed.
async fn tell_change(context: &Context, location: &BackupStorageLocation) {
    let name = location.metadata.name.as_deref().unwrap_or_default();
    let events = &context.events;
    match context.locations.take_change(name) {
        None => {}
        Some(AccessChange::Credentials) => {
            tracing::info!(kind = "BackupStorageLocation", name, "the location's credentials have changed");
            let note = "the Secret of the location's credentials was changed, and the bucket is reached with the new ones";
            events.changed(location, "CredentialsChanged", note).await;
        }
        Some(AccessChange::Connection) => {
            tracing::warn!(
                kind = "BackupStorageLocation",
                name,
                "spec.credential or spec.config has changed"
            );
            let note = "spec.credential or spec.config was changed, and the bucket is reached by the new values; if nobody was meant to change them, look who may write locations here";
            events.warned(location, "ConnectionChanged", note).await;
        }
    }
}

/// Reports a phase that has just begun.
async fn announce(context: &Context, location: &BackupStorageLocation) {
    let Some(status) = &location.status else { return };
    let name = location.metadata.name.as_deref().unwrap_or_default();
    let message = status.message.as_deref().unwrap_or("the location can be used");
    if status.phase == Some(LocationPhase::Available) {
        tracing::info!(kind = "BackupStorageLocation", name, "available: {message}");
        context.events.changed(location, "Available", message).await;
        context.events.ignored(location, &location.spec.ignored()).await;
    } else {
        tracing::warn!(kind = "BackupStorageLocation", name, "unavailable: {message}");
        context.events.warned(location, "Unavailable", message).await;
    }
}

/// Returns the time until the next look.
fn period(location: &BackupStorageLocation) -> Duration {
    let given = location.spec.validation_period.as_ref().and_then(|period| period.length().ok());
    given.unwrap_or(VALIDATION_PERIOD).max(SHORTEST_PERIOD)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;

    #[tokio::test]
    async fn a_location_that_is_being_deleted_is_no_longer_available_and_says_what_holds_it() {
        let (cluster, requests) = serve(|_, asked| answer(200, asked.body.clone()));
        let location = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": "default", "uid": "u", "deletionTimestamp": "2026-11-20T03:00:00Z",
                "finalizers": ["example.com/hold"]},
            "spec": {"provider": "fs", "bucket": "/backups"}, "status": {"phase": "Available", "id": "one"}});
        let location: BackupStorageLocation = serde_json::from_value(location).unwrap();
        reconcile(Arc::new(location), scripted(cluster), Arc::default()).await.unwrap();
        let requests = requests.lock().unwrap();
        let written = requests.iter().find(|asked| asked.uri.contains("/default/status")).unwrap();
        let written: BackupStorageLocation = serde_json::from_str(&written.body).unwrap();
        let status = written.status.unwrap();
        assert_eq!((status.phase, status.id.as_deref()), (Some(LocationPhase::Unavailable), Some("one")));
        assert!(status.message.unwrap().contains("example.com/hold"));
        let ready = &status.conditions[0];
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "BeingDeleted"));
    }

    #[tokio::test]
    async fn a_change_of_the_way_to_a_bucket_becomes_one_event() {
        let (cluster, requests) = serve(|_, asked| answer(201, asked.body.clone()));
        let context = scripted(cluster);
        let folder = tempfile::tempdir().unwrap();
        let spec = json!({"provider": "fs", "bucket": folder.path()});
        let mut location = BackupStorageLocation::new("default", serde_json::from_value(spec).unwrap());
        location.metadata.uid = Some("u".to_owned());
        let told = || requests.lock().unwrap().iter().filter(|asked| asked.uri.contains("/events")).count();
        for (region, expected) in [("a", 0), ("a", 0), ("b", 1), ("b", 1)] {
            location.spec.config = serde_json::from_value(json!({"region": region})).unwrap();
            context.locations.connect(&location).await.unwrap();
            tell_change(&context, &location).await;
            assert_eq!(told(), expected);
        }
        let requests = requests.lock().unwrap();
        let event = requests.iter().find(|asked| asked.uri.contains("/events")).unwrap();
        assert!(event.body.contains("ConnectionChanged"), "{}", event.body);
    }
}
