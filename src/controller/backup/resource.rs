//! The fields of a Backup that the reconciler of runs reads. Pure.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::reflector::Store;
use serde_json::{Value, json};

use super::status;
use crate::api::{Backup, BackupPhase, Duration, STORAGE_LOCATION_LABEL, label_value};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::runs::{RunResource, RunStatus, Stage, StatusUpdate};
use crate::controller::schedule;
use crate::controller::watch::watches::Caches;
use crate::telemetry::{Metrics, RunFigures, RunMetrics};

impl RunResource for Backup {
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

    fn failure(&self) -> Option<&str> {
        self.status.as_ref()?.failure_reason.as_deref()
    }

    fn figures(&self) -> RunFigures {
        self.status.as_ref().map(status::figures).unwrap_or_else(|| status::figures(&Default::default()))
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
}
