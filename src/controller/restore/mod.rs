//! The controller of Restores: choice of the Backup, admission, engine and status of a Restore.
//! `runs` has the flow.

mod admit;
mod choose;
mod engine;
mod find;
mod modifiers;
mod resource;
mod status;

pub use admit::Chosen;

use std::sync::Arc;

use chrono::Utc;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tokio_util::sync::CancellationToken;

use super::buckets::{OpenLocation, is_read_only};
use super::context::Context;
use super::delete;
use super::error::ControllerError;
use super::runs::{self, Job, Name, ObservedRun, RunError, Runnable};
use super::watch::watches::Watch;
use crate::api::{Backup, BackupStorageLocation, Restore};
use crate::model::Progress;
use admit::admit;
use choose::{Choice, Chooser, objection_to};
use find::find;

/// Reconciles Restores until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<Restore>) {
    let at_once = context.settings.concurrent_restores;
    runs::run(context, watched, at_once).await;
}

/// Returns what the choice of a Backup depends on besides the Restore.
fn here(context: &Context) -> Chooser {
    let locations = context.caches.locations.state();
    let read_only = locations.iter().filter(|location| is_read_only(location));
    let read_only = read_only.map(|location| location.name_any()).collect();
    let hides = |location: &&Arc<BackupStorageLocation>| {
        location
            .status
            .as_ref()
            .and_then(|status| status.counts.as_ref())
            .is_some_and(|counts| counts.hidden > 0)
    };
    let hiding = locations.iter().filter(hides).map(|location| location.name_any()).collect();
    let schedules = context.caches.schedules.state();
    let schedules =
        schedules.iter().filter_map(|schedule| Some((schedule.name_any(), schedule.uid()?))).collect();
    Chooser { cluster: context.identity.uid.clone(), schedules, read_only, hiding, now: Utc::now() }
}

impl Restore {
    /// Opens the location that an earlier attempt began in. Returns `None` if there was no attempt,
    /// or the location does not exist any more or cannot be used now.
    async fn begun_in(&self, context: &Context) -> Option<OpenLocation> {
        let id = self.status.as_ref()?.origin.as_ref()?.location.as_ref()?;
        let name = context.locations.with_id(id)?.name_any();
        context.locations.open(Some(&name)).await.ok()
    }
}

impl Runnable for Restore {
    async fn handle_deletion_request(&self, context: &Context) -> Result<Option<Action>, ControllerError> {
        delete::dismiss(context, self).await
    }

    /// Succeeds without a request: only people create Restores.
    async fn mark_with_schedule(&self, _: &Context) -> Result<(), ControllerError> {
        Ok(())
    }

    async fn observe(&self, context: &Context) -> Result<ObservedRun<Self>, ControllerError> {
        let source = find(self, context, &here(context)).await?;
        let (site, location) = match &source {
            Ok(Choice { backup, .. }) => {
                let (site, location) =
                    runs::open_site(context, backup.spec.storage_location.as_deref()).await;
                (Some(site), location)
            }
            // An earlier attempt's claim and parts are in the bucket, whatever became of the
            // Backup.
            Err(_) => (None, self.begun_in(context).await),
        };
        let (admission, plan) = admit(self, source, site.as_ref(), context.settings.disable_restores);
        let name = match &location {
            // A bucket that is ReadOnly never holds anything of this Restore.
            Some(location) if !location.read_only => runs::observe_name(context, self, location).await,
            _ => Name::Free,
        };
        Ok(ObservedRun { errors: admission.errors, wait: admission.wait, plan, location, name })
    }

    /// Reads the Backup again after the Restore is InProgress. A deletion marks the Backup first
    /// and looks for Restores then; with the opposite order here, at least one of the two sees the
    /// other.
    async fn recheck(
        &self,
        context: &Context,
        Chosen { backup, .. }: &Chosen,
    ) -> Result<Option<String>, ControllerError> {
        let doing = format!("look at Backup `{backup}` before it is restored");
        let found = ControllerError::within(doing, context.api::<Backup>().get_opt(backup.as_str())).await?;
        Ok(match found {
            // Errors in its modifiers are reported before anything is restored.
            Some(found) => match objection_to(&found) {
                None => modifiers::of(context, self).await?.err(),
                objection => objection,
            },
            None => Some(format!("Backup `{backup}` was deleted just now")),
        })
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
