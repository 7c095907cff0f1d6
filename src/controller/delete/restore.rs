//! Deletes Restores at a person's request: the records go from the bucket, then the object from the
//! cluster. Restored items stay.
//!
//! An object deleted alone would come back at the next sync. So a person asks by an annotation
//! ([`DELETION_REQUESTED`], `ark restore delete`). The object goes last, and the annotation stays
//! until then, or until the answer is that the Restore is kept: any server can continue by it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use serde_json::json;

use super::act::{delete_object, delete_restore};
use super::decide::Deletability;
use super::deletability::{is_reading, judge, stored_in};
use super::{POSTPONED, SOON};
use crate::api::{
    DELETION, DELETION_REQUESTED, Restore, RestorePhase, RestoreStatus, STORAGE_LOCATION_LABEL, is_stored,
    set_condition, synced_from,
};
use crate::controller::buckets::name_of_label;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::condition;
use crate::model::{cut, lasting};

/// The next step for a request to delete a Restore.
#[derive(Debug, PartialEq, Eq)]
enum RestoreDeletionStep {
    /// Keep the Restore, for this reason.
    Refuse(String),
    /// Try again later, for this reason.
    Postpone(String),
    /// Delete.
    Work,
}

/// Answers the request to delete a Restore; `None` if there is none.
///
/// # Errors
/// If bucket or API server refuse or cannot be reached. The status says so, and the deletion is
/// tried again.
pub async fn dismiss(context: &Context, restore: &Restore) -> Result<Option<Action>, ControllerError> {
    if !restore.annotations().contains_key(DELETION_REQUESTED)
        || restore.metadata.deletion_timestamp.is_some()
    {
        return Ok(None);
    }
    let answered = match decide(restore, place_of(context, restore), context.settings.restore_only) {
        RestoreDeletionStep::Refuse(why) => {
            refuse(context, restore, why).await.map(|()| Action::await_change())
        }
        RestoreDeletionStep::Postpone(why) => {
            note(context, restore, "Postponed", why).await.map(|()| Action::requeue(POSTPONED))
        }
        RestoreDeletionStep::Work => work(context, restore).await.map(|()| Action::await_change()),
    };
    match answered {
        Err(error) if error.is_conflict() => Ok(Some(Action::requeue(SOON))),
        answered => answered.map(Some),
    }
}

/// Returns the next step. Pure.
fn decide(restore: &Restore, place: Deletability, restore_only: bool) -> RestoreDeletionStep {
    let name = restore.name_any();
    if is_reading(restore) {
        return RestoreDeletionStep::Refuse(format!(
            "it is in progress; delete it when it has ended, or stop it with `kubectl delete restores.ark.heptio.com {name}`"
        ));
    }
    if restore_only && synced_from(&restore.metadata).is_some() {
        return RestoreDeletionStep::Refuse(
            "this server runs with --restore-only and removes nothing that it did not make; delete it in the cluster that made it"
                .to_owned(),
        );
    }
    match place {
        Deletability::Closed(why) => RestoreDeletionStep::Refuse(why),
        Deletability::Unavailable(why) => RestoreDeletionStep::Postpone(why),
        Deletability::Usable => RestoreDeletionStep::Work,
    }
}

/// Returns true if the Restore's record is in a bucket.
fn is_recorded(restore: &Restore) -> bool {
    let status = restore.status.as_ref();
    let was_refused = status.is_some_and(|status| status.phase == Some(RestorePhase::FailedValidation));
    let has_document = status.is_some_and(|status| is_stored(&status.conditions));
    !was_refused && (synced_from(&restore.metadata).is_some() || has_document)
}

fn place_of(context: &Context, restore: &Restore) -> Deletability {
    if !is_recorded(restore) {
        return Deletability::Usable; // what is in no bucket needs none
    }
    let label = restore.labels().get(STORAGE_LOCATION_LABEL);
    let location = location_of(context, restore).and_then(|name| context.locations.find(Some(&name)));
    judge(label.map(String::as_str), location.as_deref(), stored_in(restore))
}

/// Returns true if nothing speaks now against the server's asking for the deletion.
pub fn is_removable(context: &Context, restore: &Restore) -> bool {
    decide(restore, place_of(context, restore), context.settings.restore_only) == RestoreDeletionStep::Work
}

/// Returns the name of the location that the Restore's label means, or `None`. Labels hash long
/// names.
pub fn location_of(context: &Context, restore: &Restore) -> Option<String> {
    let label = restore.labels().get(STORAGE_LOCATION_LABEL)?;
    name_of_label(&context.caches.locations, label)
}

/// Deletes the Restore. A failure is noted in its status before it is returned.
async fn work(context: &Context, restore: &Restore) -> Result<(), ControllerError> {
    let delete = async {
        if !is_recorded(restore) {
            return delete_object(&context.api::<Restore>(), restore).await;
        }
        let location = context.locations.open(location_of(context, restore).as_deref()).await?;
        delete_restore(context, &location, restore).await
    };
    let deleted = delete.await;
    match &deleted {
        Ok(()) => tracing::info!(kind = "Restore", name = restore.name_any(), "deleted, as somebody asked"),
        Err(error) => note(context, restore, "Postponed", lasting(error)).await?,
    }
    deleted
}

/// Notes why the Restore is kept, then removes the annotation: a server that dies in between leaves
/// the request to the next one, which answers the same.
async fn refuse(context: &Context, restore: &Restore, why: String) -> Result<(), ControllerError> {
    let name = restore.name_any();
    tracing::warn!(kind = "Restore", name, "its deletion is refused: {why}");
    note(context, restore, "Refused", why.clone()).await?;
    context.events.warned(restore, "DeletionRefused", &why).await;
    let answered = json!({"metadata": {"annotations": {DELETION_REQUESTED: null}}});
    let (api, parameters, patch) =
        (context.api::<Restore>(), PatchParams::default(), Patch::Merge(&answered));
    let doing = format!("answer the request to delete Restore `{name}`");
    ControllerError::within(doing, api.patch(&name, &parameters, &patch)).await.map(drop)
}

/// Writes into the status why the Restore is not deleted, or not yet.
async fn note(
    context: &Context,
    restore: &Restore,
    reason: &str,
    why: String,
) -> Result<(), ControllerError> {
    let mut status: RestoreStatus = restore.status.clone().unwrap_or_default();
    let mut noted = condition(DELETION, false, reason, cut(why));
    noted.observed_generation = restore.metadata.generation;
    let is_noted = |known: &Condition| {
        (&known.type_, &known.reason, &known.message) == (&noted.type_, &noted.reason, &noted.message)
    };
    if status.conditions.iter().any(is_noted) {
        return Ok(());
    }
    set_condition(&mut status.conditions, noted);
    let (name, api) = (restore.name_any(), context.api::<Restore>());
    let noted = Restore { status: Some(status), ..restore.clone() };
    let doing = format!("write into the status of Restore `{name}` why it is not deleted");
    ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &noted)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{RestoreSpec, SYNCED_FROM};

    fn restore(phase: RestorePhase, synced: bool) -> Restore {
        let mut restore = Restore::new("back", RestoreSpec::default());
        restore.status = Some(RestoreStatus { phase: Some(phase), ..RestoreStatus::default() });
        if synced {
            restore.annotations_mut().insert(SYNCED_FROM.to_owned(), "id".to_owned());
        }
        restore
    }

    #[test]
    fn what_has_ended_goes_when_its_location_lets_it() {
        let ended = restore(RestorePhase::Completed, false);
        assert_eq!(decide(&ended, Deletability::Usable, false), RestoreDeletionStep::Work);
        assert_eq!(decide(&ended, Deletability::Usable, true), RestoreDeletionStep::Work, "it was made here");
        let later = Deletability::Unavailable("no answer".into());
        assert_eq!(decide(&ended, later, false), RestoreDeletionStep::Postpone("no answer".into()));
        let never = Deletability::Closed("it is ReadOnly".into());
        assert_eq!(decide(&ended, never, false), RestoreDeletionStep::Refuse("it is ReadOnly".into()));
    }

    #[test]
    fn what_runs_or_belongs_to_another_cluster_is_kept() {
        let running = restore(RestorePhase::InProgress, false);
        assert!(
            matches!(decide(&running, Deletability::Usable, false), RestoreDeletionStep::Refuse(why) if why.contains("in progress"))
        );
        let synced = restore(RestorePhase::Completed, true);
        assert_eq!(decide(&synced, Deletability::Usable, false), RestoreDeletionStep::Work);
        assert!(
            matches!(decide(&synced, Deletability::Usable, true), RestoreDeletionStep::Refuse(why) if why.contains("--restore-only"))
        );
        let copy = restore(RestorePhase::FailedValidation, true);
        assert!(!is_recorded(&copy) && is_recorded(&synced), "what was refused is in no bucket");
        let claims_to_run = restore(RestorePhase::InProgress, true);
        assert_eq!(
            decide(&claims_to_run, Deletability::Usable, false),
            RestoreDeletionStep::Work,
            "what was synced never runs"
        );
    }
}
