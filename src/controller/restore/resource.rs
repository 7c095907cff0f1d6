//! The fields of a Restore that the reconciler of runs reads. Pure.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::reflector::Store;
use serde_json::{Value, json};

use super::admit::Chosen;
use super::status;
use crate::api::{Restore, RestorePhase, STORAGE_LOCATION_LABEL, Timestamp, label_value};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::runs::{RunResource, RunStatus, Stage, StatusUpdate};
use crate::controller::schedule::label_named;
use crate::controller::watch::watches::Caches;
use crate::telemetry::{Metrics, RunFigures, RunMetrics};

impl RunResource for Restore {
    /// The backup that is restored.
    type Plan = Chosen;

    fn store(caches: &Caches) -> &Store<Self> {
        &caches.restores
    }

    fn metrics(metrics: &Metrics) -> &RunMetrics {
        &metrics.restores
    }

    fn schedule(&self, context: &Context) -> String {
        self.spec.schedule_name.as_deref().map(|name| label_named(context, name)).unwrap_or_default()
    }

    fn is_scheduled(&self) -> bool {
        self.spec.schedule_name.is_some()
    }

    fn state(&self) -> RunStatus {
        let Some(status) = &self.status else { return RunStatus::default() };
        let phase = status.phase.unwrap_or_default();
        RunStatus {
            stage: match phase {
                RestorePhase::New => Stage::New,
                RestorePhase::InProgress => Stage::Begun,
                _ => Stage::Over,
            },
            phase: phase.to_string(),
            attempt: status.attempt.unwrap_or_default(),
            resumed: status.resumed.unwrap_or_default(),
            holder: status.holder.clone(),
        }
    }

    fn begun(&self) -> Option<DateTime<Utc>> {
        let start = self.status.as_ref().and_then(|status| status.start_timestamp);
        start.or_else(|| self.metadata.creation_timestamp.as_ref().map(Timestamp::from)).map(Timestamp::time)
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

    fn settled(&self, _: &Chosen, location: &OpenLocation) -> Value {
        json!({"metadata": {"labels": {STORAGE_LOCATION_LABEL: label_value(&location.name)}}})
    }

    fn change(&mut self, change: &StatusUpdate<Self>) {
        let status = self.status.get_or_insert_default();
        status::change(status, change);
        status.conclude(self.metadata.generation);
    }
}
