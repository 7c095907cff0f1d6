//! The controller of Backups: admission, engine and status of a Backup. `runs` has the flow.

mod admit;
mod engine;
mod status;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use kube::runtime::reflector::Store;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::buckets::{OpenLocation, objection_to_length};
use super::context::Context;
use super::error::ControllerError;
pub use super::runs::admission::Admission;
use super::runs::{self, Job, Name, ObservedRun, Run, RunError, RunStatus, Stage, StatusUpdate};
use super::schedule;
use super::watch::watches::{Caches, Watch};
use crate::api::{Backup, BackupPhase, Duration, STORAGE_LOCATION_LABEL, label_value};
use crate::model::Progress;
use crate::telemetry::{Metrics, RunFigures, RunMetrics};
use admit::admit;

/// Reconciles Backups until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<Backup>) {
    let at_once = context.settings.concurrent_backups;
    runs::run(context, watched, at_once).await;
}

impl Run for Backup {
    /// Time that the backup is kept, its ttl.
    type Plan = Duration;

    fn store(caches: &Caches) -> &Store<Self> {
        &caches.backups
    }

    fn metrics(metrics: &Metrics) -> &RunMetrics {
        &metrics.backups
    }

    fn schedule(&self, context: &Context) -> String {
        schedule::label_of(context, self)
    }

    fn is_scheduled(&self) -> bool {
        schedule::maker(self).is_some()
    }

    async fn introduce(&self, context: &Context) -> Result<(), ControllerError> {
        schedule::introduce(context, self).await
    }

    fn state(&self) -> RunStatus {
        let Some(status) = &self.status else { return RunStatus::default() };
        let phase = status.phase.unwrap_or_default();
        RunStatus {
            stage: match phase {
                BackupPhase::New => Stage::New,
                BackupPhase::InProgress => Stage::Begun,
                _ => Stage::Over,
            },
            phase: phase.to_string(),
            attempt: status.attempt.unwrap_or_default(),
            resumed: 0,
            holder: status.holder.clone(),
        }
    }

    fn begun(&self) -> Option<DateTime<Utc>> {
        schedule::begun(self)
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    async fn observed(&self, context: &Context) -> Result<ObservedRun<Self>, ControllerError> {
        let (site, location) = runs::open_site(context, self.spec.storage_location.as_deref()).await;
        let Admission { mut errors, wait } = admit(self, &site, context.settings.restore_only);
        let place = context.locations.find(self.spec.storage_location.as_deref());
        let too_long = place.and_then(|place| objection_to_length(&place, self.name_any().len()));
        errors.extend(too_long.map(|why| format!("metadata.name: {why}")));
        let name = match &location {
            Some(location) => runs::look_up(context, self, location).await,
            None => Name::Free,
        };
        let ttl = self.spec.ttl.clone().unwrap_or_else(|| context.settings.default_ttl.into());
        let plan = (errors.is_empty() && wait.is_none()).then_some(ttl);
        Ok(ObservedRun { errors, wait, plan, location, name })
    }

    fn settled(&self, ttl: &Duration, location: &OpenLocation) -> Value {
        json!({
            "metadata": {"labels": {STORAGE_LOCATION_LABEL: label_value(&location.name)}},
            "spec": {"ttl": ttl, "storageLocation": location.name},
        })
    }

    fn change(&mut self, change: &StatusUpdate<Self>) {
        let status = self.status.get_or_insert_default();
        status::change(status, change);
        status.conclude(self.metadata.generation);
    }

    async fn recheck(&self, _: &Context, _: &Duration) -> Result<Option<String>, ControllerError> {
        Ok(None)
    }

    async fn engine(
        &self,
        context: &Context,
        job: &Job<Self>,
        progress: &Progress,
        stop: CancellationToken,
    ) -> Result<Self, RunError> {
        engine::run(self, context, job, progress, stop).await
    }

    /// Returns `None`: Backups are deleted by DeleteBackupRequests.
    async fn handle_deletion_request(&self, _: &Context) -> Result<Option<Action>, ControllerError> {
        Ok(None)
    }

    fn failure(&self) -> Option<&str> {
        self.status.as_ref()?.failure_reason.as_deref()
    }

    fn figures(&self) -> RunFigures {
        self.status.as_ref().map(status::figures).unwrap_or_else(|| status::figures(&Default::default()))
    }
}
