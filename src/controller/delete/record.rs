//! Records the progress of a DeleteBackupRequest: status, Events and metrics.

use kube::ResourceExt as _;
use kube::api::PostParams;

use super::act::delete_object;
use super::decide::meant;
use crate::api::{
    Backup, BackupPhase, BackupStatus, DELETION, DeleteBackupRequest, DeleteBackupRequestStatus, DeletePhase,
    Timestamp, set_condition,
};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::schedule::label_of;
use crate::controller::watch::conditions::condition;
use crate::model::lasting;

const BEING_DELETED: &str = "it is being deleted, with all that the bucket has of it";

/// Marks the Backup as Deleting, so that nothing new begins with it, and then the request as
/// InProgress.
pub async fn begin(
    context: &Context,
    request: &DeleteBackupRequest,
    backup: &Backup,
) -> Result<(), ControllerError> {
    let name = backup.name_any();
    let status = backup.status.clone().unwrap_or_default();
    if status.phase != Some(BackupPhase::Deleting) {
        let mut status = BackupStatus { phase: Some(BackupPhase::Deleting), ..status };
        set_condition(&mut status.conditions, condition(DELETION, true, "Begun", BEING_DELETED.to_owned()));
        let marked = Backup { status: Some(status), ..backup.clone() };
        let api = context.api::<Backup>();
        let doing = format!("mark Backup `{name}` as Deleting");
        ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &marked)).await?;
        context.events.changed(backup, "Deleting", BEING_DELETED).await;
    }
    let begun =
        DeleteBackupRequestStatus { phase: Some(DeletePhase::InProgress), ..known(request, Some(backup)) };
    write(context, request, begun).await?;
    context.metrics.deletion_attempted(&label_of(context, backup));
    tracing::info!(kind = "Backup", name, request = request.name_any(), "deleting it");
    Ok(())
}

/// Answers the request with the reason why nothing, or not everything, is deleted.
pub async fn refuse(
    context: &Context,
    request: &DeleteBackupRequest,
    backup: Option<&Backup>,
    why: String,
) -> Result<(), ControllerError> {
    let (kind, name) = ("DeleteBackupRequest", request.name_any());
    tracing::warn!(kind, name, backup = request.spec.backup_name, "refused: {why}");
    let refused = DeleteBackupRequestStatus {
        phase: Some(DeletePhase::Processed),
        errors: vec![why.clone()],
        processed_timestamp: Some(Timestamp::now()),
        ..known(request, None)
    };
    write(context, request, refused).await?;
    context.metrics.deletion_refused(&schedule_of(context, backup));
    context.events.warned(request, "Refused", &why).await;
    Ok(())
}

/// Notes a failure in the request and counts it; the deletion is tried again.
pub async fn trouble(
    context: &Context,
    request: &DeleteBackupRequest,
    backup: &Backup,
    error: &ControllerError,
) -> Result<(), ControllerError> {
    context.metrics.deletion_failed(&label_of(context, backup));
    note(context, request, Some(backup), lasting(error)).await
}

/// Notes why the deletion does not go on for now.
pub async fn note(
    context: &Context,
    request: &DeleteBackupRequest,
    backup: Option<&Backup>,
    why: String,
) -> Result<(), ControllerError> {
    let waiting = DeleteBackupRequestStatus {
        phase: Some(DeletePhase::InProgress),
        errors: vec![why],
        ..known(request, backup)
    };
    write(context, request, waiting).await.map(drop)
}

/// Returns what each status repeats: whether the bucket has nothing more of the Backup, and which
/// Backup is meant. The first one that is seen, and not refused, is the one.
fn known(request: &DeleteBackupRequest, backup: Option<&Backup>) -> DeleteBackupRequestStatus {
    let uid = meant(request).or_else(|| backup?.metadata.uid.as_ref());
    DeleteBackupRequestStatus {
        backup_uid: uid.cloned(),
        removed: request.status.as_ref().is_some_and(|status| status.removed),
        ..DeleteBackupRequestStatus::default()
    }
}

/// Notes that the bucket has nothing more of the Backup, and returns the request as it is then.
pub async fn removed(
    context: &Context,
    request: &DeleteBackupRequest,
) -> Result<DeleteBackupRequest, ControllerError> {
    let removed = DeleteBackupRequestStatus {
        phase: Some(DeletePhase::InProgress),
        removed: true,
        ..known(request, None)
    };
    write(context, request, removed).await
}

/// Answers the request: everything is deleted.
pub async fn finish(
    context: &Context,
    request: &DeleteBackupRequest,
    backup: Option<&Backup>,
) -> Result<(), ControllerError> {
    let done = DeleteBackupRequestStatus {
        phase: Some(DeletePhase::Processed),
        removed: true,
        processed_timestamp: Some(Timestamp::now()),
        ..known(request, None)
    };
    write(context, request, done).await?;
    context.metrics.deletion_succeeded(&schedule_of(context, backup));
    let name = &request.spec.backup_name;
    tracing::info!(kind = "Backup", name, request = request.name_any(), "deleted");
    context.events.changed(request, "Processed", &format!("Backup {name} is deleted")).await;
    Ok(())
}

/// Deletes a request that was shown long enough.
pub async fn forget(context: &Context, request: &DeleteBackupRequest) -> Result<(), ControllerError> {
    delete_object(&context.api::<DeleteBackupRequest>(), request).await
}

/// Writes the status unless it says the same already. Returns the request as it is then.
async fn write(
    context: &Context,
    request: &DeleteBackupRequest,
    status: DeleteBackupRequestStatus,
) -> Result<DeleteBackupRequest, ControllerError> {
    if request.status.as_ref() == Some(&status) {
        return Ok(request.clone());
    }
    let name = request.name_any();
    let changed = DeleteBackupRequest { status: Some(status), ..request.clone() };
    let api = context.api::<DeleteBackupRequest>();
    let doing = format!("record the status of DeleteBackupRequest `{name}`");
    ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &changed)).await
}

fn schedule_of(context: &Context, backup: Option<&Backup>) -> String {
    backup.map(|backup| label_of(context, backup)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{BackupSpec, holding};
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;

    #[tokio::test]
    async fn a_backup_says_since_when_it_is_being_deleted_whatever_becomes_of_the_request() {
        let (cluster, requests) = serve(|_, asked| answer(200, asked.body.clone()));
        let backup = Backup::new("nightly", BackupSpec::default());
        begin(&scripted(cluster), &DeleteBackupRequest::of(&backup, "nightly-1"), &backup).await.unwrap();
        let marked: Backup = serde_json::from_str(&requests.lock().unwrap()[0].body).unwrap();
        let status = marked.status.unwrap();
        assert_eq!(status.phase, Some(BackupPhase::Deleting));
        assert!(holding(&status.conditions, DELETION).is_some());
    }
}
