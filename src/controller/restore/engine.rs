//! Translates a Restore into a request to the engine, and the engine's error into its meaning for
//! the Restore.

use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use super::modifiers;
use crate::api::{Origin, Restore};
use crate::bucket::{BucketError, RunDocument as _};
use crate::controller::context::Context;
use crate::controller::runs::{Job, RunError};
use crate::model::{Progress, lasting};
use crate::restore::{self, RestoreError, RestoreRequest};

/// Runs the engine and returns the document of the restore. A run that is stopped finishes the
/// items at hand and writes no document: one that says Failed would prevent the next attempt from
/// going on.
pub async fn run(
    object: &Restore,
    context: &Context,
    job: &Job<Restore>,
    progress: &Progress,
    stop: CancellationToken,
) -> Result<Restore, RunError> {
    for note in job.plan.notes.iter().filter(|_| job.attempt == 1) {
        context.events.warned(object, "Chosen", &format!("backup {}: {note}", job.plan.backup)).await;
    }
    let name = object.name_any().parse().map_err(|error| RunError::Refused(vec![lasting(&error)]))?;
    context.events.ignored(object, &object.spec.ignored()).await;
    let spec = match modifiers::of(context, object).await {
        Ok(Ok(spec)) => spec,
        Ok(Err(why)) => return Err(RunError::Refused(vec![why])),
        Err(error) => return Err(RunError::Failed { why: lasting(&error), left: job.attempt > 1 }),
    };
    let request = RestoreRequest {
        name,
        spec,
        backup: Some(job.plan.backup.clone()),
        source: Some(job.plan.run.clone()),
        labels: object.labels().clone(),
        uid: object.uid().unwrap_or_default(),
        namespace: Some(context.settings.namespace.clone()),
        began: object.status.as_ref().and_then(|status| status.start_timestamp),
        origin: Origin {
            location: Some(job.location.id.clone()),
            ..object.origin().cloned().unwrap_or_default()
        },
        holder: context.settings.holder.clone(),
        cluster: context.identity.clone(),
        server: Some(context.settings.namespace.clone()),
        attempt: job.attempt,
        goes_on: true,
        record: !job.location.read_only,
        runs_hooks: !context.settings.disable_hooks,
        parallel: 0,
    };
    let stopped = stop.cancelled_owned();
    let outcome = restore::run(&context.cluster, &job.location.bucket, &request, progress, stopped).await;
    outcome.map(|outcome| outcome.restore).map_err(|error| broken(error, job.attempt))
}

/// Returns the meaning of an engine's error in this attempt. A restore that an earlier attempt
/// began has not been refused because the backup is another run.
fn broken(error: RestoreError, attempt: u32) -> RunError {
    let why = lasting(&error);
    let left = matches!(error, RestoreError::Left { .. });
    match into_root(error) {
        RestoreError::Stopped { .. } => RunError::Stopped { clean: !left },
        RestoreError::Specification(wrong) => {
            RunError::Refused(wrong.iter().map(ToString::to_string).collect())
        }
        RestoreError::Bucket(BucketError::AnotherRun { .. }) if attempt == 1 => RunError::Refused(vec![why]),
        RestoreError::NotEmpty { .. } | RestoreError::NoBackup { .. } => RunError::Refused(vec![why]),
        RestoreError::Bucket(error) if error.is_name_taken() => RunError::NameTaken(lasting(&error)),
        RestoreError::Bucket(error @ BucketError::ClaimLost { .. }) => RunError::Lost(error),
        _ => RunError::Failed { why, left },
    }
}

fn into_root(error: RestoreError) -> RestoreError {
    match error {
        RestoreError::Left { error, .. } => into_root(*error),
        RestoreError::Unfinished { source, .. } | RestoreError::Unrecorded { source, .. } => {
            into_root(*source)
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::RunKind;

    #[test]
    fn a_backup_that_is_another_run_is_refused_and_a_restore_that_had_begun_fails() {
        let another = || BucketError::AnotherRun {
            kind: RunKind::Backup,
            name: "same".into(),
            location: "s3://bucket".into(),
            found: Box::default(),
            meant: Box::default(),
        };
        let refused = broken(another().into(), 1);
        assert!(
            matches!(&refused, RunError::Refused(why) if why[0].contains("is another run")),
            "{refused:?}"
        );
        assert!(matches!(broken(another().into(), 2), RunError::Failed { .. }));
    }

    #[test]
    fn what_was_not_begun_is_refused_and_what_broke_off_failed() {
        let not_empty = RestoreError::NotEmpty { count: 1, first: vec!["configmaps a/b".into()] };
        assert!(matches!(broken(not_empty, 1), RunError::Refused(why) if why[0].contains("configmaps a/b")));
        let stopped = RestoreError::Stopped { name: "back".parse().unwrap() };
        assert!(matches!(broken(stopped, 1), RunError::Stopped { clean: true }), "and put back");
        let corrupt = BucketError::Worker { key: "k".into() };
        let unfinished =
            RestoreError::Unrecorded { created: 3, updated: 0, source: Box::new(corrupt.into()) };
        let failed = broken(unfinished, 1);
        assert!(
            matches!(&failed, RunError::Failed { why, left: false } if why.contains("3 items")),
            "{failed:?}"
        );
    }
}
