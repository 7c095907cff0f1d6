//! The controller of Backups: admission, engine and status of a Backup. `runs` has the flow.

mod admit;
mod engine;
mod resource;
mod status;

use std::sync::Arc;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tokio_util::sync::CancellationToken;

use super::buckets::objection_to_length;
use super::context::Context;
use super::error::ControllerError;
use super::runs::admission::Admission;
use super::runs::{self, Job, Name, ObservedRun, RunError, Runnable};
use super::schedule;
use super::watch::watches::Watch;
use crate::api::{Backup, Duration};
use crate::model::Progress;
use admit::admit;

/// Reconciles Backups until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<Backup>) {
    let at_once = context.settings.concurrent_backups;
    runs::run(context, watched, at_once).await;
}

impl Runnable for Backup {
    /// Returns `None`: Backups are deleted by DeleteBackupRequests.
    async fn handle_deletion_request(&self, _: &Context) -> Result<Option<Action>, ControllerError> {
        Ok(None)
    }

    async fn mark_with_schedule(&self, context: &Context) -> Result<(), ControllerError> {
        schedule::mark_with_schedule(context, self).await
    }

    async fn observe(&self, context: &Context) -> Result<ObservedRun<Self>, ControllerError> {
        let (site, location) = runs::open_site(context, self.spec.storage_location.as_deref()).await;
        let Admission { mut errors, wait } = admit(self, &site, context.settings.restore_only);
        let place = context.locations.find(self.spec.storage_location.as_deref());
        let too_long = place.and_then(|place| objection_to_length(&place, self.name_any().len()));
        errors.extend(too_long.map(|why| format!("metadata.name: {why}")));
        let name = match &location {
            Some(location) => runs::observe_name(context, self, location).await,
            None => Name::Free,
        };
        let ttl = self.spec.ttl.clone().unwrap_or_else(|| context.settings.default_ttl.into());
        let plan = (errors.is_empty() && wait.is_none()).then_some(ttl);
        Ok(ObservedRun { errors, wait, plan, location, name })
    }

    async fn recheck(&self, _: &Context, _: &Duration) -> Result<Option<String>, ControllerError> {
        Ok(None)
    }

    async fn run_engine(
        &self,
        context: &Context,
        job: &Job<Self>,
        progress: &Progress,
        stop: CancellationToken,
    ) -> Result<Self, RunError> {
        engine::run(self, context, job, progress, stop).await
    }
}
