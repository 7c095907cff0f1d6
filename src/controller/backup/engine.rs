//! Translates a Backup into a request to the engine, and the engine's error into its meaning for
//! the Backup.

use std::sync::Arc;

use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use crate::api::{Backup, Origin};
use crate::backup::{self, BackupError, BackupRequest};
use crate::bucket::{BucketError, RunDocument as _};
use crate::controller::context::Context;
use crate::controller::obligations::StatusNotes;
use crate::controller::runs::{Job, RunError};
use crate::model::{Progress, lasting};

/// Runs the engine and returns the document of the backup.
pub async fn run(
    object: &Backup,
    context: &Context,
    job: &Job<Backup>,
    progress: &Progress,
    stop: CancellationToken,
) -> Result<Backup, RunError> {
    let name = object.name_any().parse().map_err(|error| RunError::Refused(vec![lasting(&error)]))?;
    context.events.ignored(object, &object.spec.ignored()).await;
    let request = BackupRequest {
        name,
        spec: object.spec.clone(),
        labels: object.labels().clone(),
        uid: object.uid().unwrap_or_default(),
        namespace: Some(context.settings.namespace.clone()),
        origin: Origin {
            location: Some(job.location.id.clone()),
            ..object.origin().cloned().unwrap_or_default()
        },
        holder: context.settings.holder.clone(),
        cluster: context.identity.clone(),
        runs_hooks: !context.settings.disable_hooks,
        notes: Some(Arc::new(StatusNotes::of(context, object))),
        attempt: job.attempt,
    };
    let stopped = stop.cancelled_owned();
    let outcome = backup::run(&context.cluster, &job.location.bucket, &request, progress, stopped).await;
    outcome.map(|outcome| outcome.backup).map_err(broken)
}

/// Returns the meaning of an engine's error for the Backup.
fn broken(error: BackupError) -> RunError {
    let why = lasting(&error);
    let left = matches!(error, BackupError::Left { .. });
    match into_root(error) {
        BackupError::Stopped { .. } => RunError::Stopped { clean: !left },
        BackupError::Specification(wrong) => {
            RunError::Refused(wrong.iter().map(ToString::to_string).collect())
        }
        BackupError::Bucket(error) if error.is_name_taken() => RunError::NameTaken(lasting(&error)),
        BackupError::Bucket(error @ BucketError::ClaimLost { .. }) => RunError::Lost(error),
        _ => RunError::Failed { why, left },
    }
}

fn into_root(error: BackupError) -> BackupError {
    match error {
        BackupError::Left { error, .. } => into_root(*error),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::{RunKind, Taker};

    fn lost() -> BucketError {
        BucketError::ClaimLost {
            kind: RunKind::Backup,
            name: "nightly".into(),
            location: "here".into(),
            now: "it is gone".into(),
        }
    }

    #[test]
    fn an_error_means_refused_stopped_lost_or_failed() {
        let stopped = || BackupError::Stopped { name: "nightly".parse().unwrap() };
        assert!(matches!(broken(stopped()), RunError::Stopped { clean: true }));
        let left = BackupError::Left { error: Box::new(stopped()), left: lost() };
        assert!(matches!(broken(left), RunError::Stopped { clean: false }));
        let taken = BucketError::NameTaken {
            kind: RunKind::Backup,
            name: "nightly".into(),
            location: "here".into(),
            by: Taker::Committed { cluster: Some("cluster-b".into()) },
        };
        let refused = broken(taken.into());
        assert!(matches!(&refused, RunError::NameTaken(why) if why.contains("cluster-b")), "{refused:?}");
        // Whatever is left belongs to the new holder of the lost claim.
        let lost = BackupError::Left { error: Box::new(lost().into()), left: lost() };
        assert!(matches!(broken(lost), RunError::Lost(_)));
        let failed = broken(BackupError::Halted);
        assert!(matches!(failed, RunError::Failed { left: false, .. }));
    }
}
