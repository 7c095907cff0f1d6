//! From a Restore to the engine, and from the engine's error to what it means for the Restore.

use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use crate::api::Restore;
use crate::bucket::BucketError;
use crate::controller::context::Context;
use crate::controller::runs::{Broken, Job};
use crate::model::{Progress, causes};
use crate::restore::{self, RestoreError, RestoreRequest};

/// Restores; it returns the document. A run that is stopped ends what is at hand; the next attempt goes on, and a document that
/// says Failed would be in its way.
pub async fn run(
    object: &Restore,
    context: &Context,
    job: &Job<Restore>,
    progress: &Progress,
    stop: CancellationToken,
) -> Result<Restore, Broken> {
    let name = object.name_any().parse().map_err(|error| Broken::Refused(vec![causes(&error)]))?;
    let request = RestoreRequest {
        name,
        spec: object.spec.clone(),
        backup: Some(job.plan.clone()),
        labels: object.labels().clone(),
        uid: object.uid().unwrap_or_default(),
        holder: context.settings.holder.clone(),
        cluster: context.identity.clone(),
        attempt: job.attempt,
        goes_on: true,
        record: !job.location.read_only,
        parallel: 0,
    };
    let stopped = stop.cancelled_owned();
    let outcome = restore::run(&context.cluster, &job.location.bucket, &request, progress, stopped).await;
    outcome.map(|outcome| outcome.restore).map_err(broken)
}

fn broken(error: RestoreError) -> Broken {
    let why = causes(&error);
    let left = matches!(error, RestoreError::Left { .. });
    match into_root(error) {
        RestoreError::Stopped { .. } => Broken::Stopped { clean: !left },
        RestoreError::Specification(wrong) => {
            Broken::Refused(wrong.iter().map(ToString::to_string).collect())
        }
        RestoreError::NotEmpty { .. } | RestoreError::NoBackup { .. } => Broken::Refused(vec![why]),
        RestoreError::Bucket(error) if error.is_name_taken() => Broken::Refused(vec![causes(&error)]),
        RestoreError::Bucket(error @ BucketError::ClaimLost { .. }) => Broken::Lost(error),
        _ => Broken::Failed { why, left },
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

    #[test]
    fn what_was_not_begun_is_refused_and_what_broke_off_failed() {
        let not_empty = RestoreError::NotEmpty { count: 1, first: vec!["configmaps a/b".into()] };
        assert!(matches!(broken(not_empty), Broken::Refused(why) if why[0].contains("configmaps a/b")));
        let stopped = RestoreError::Stopped { name: "back".parse().unwrap() };
        assert!(matches!(broken(stopped), Broken::Stopped { clean: true }), "and put back");
        let corrupt = BucketError::Worker { key: "k".into() };
        let unfinished =
            RestoreError::Unrecorded { created: 3, updated: 0, source: Box::new(corrupt.into()) };
        let failed = broken(unfinished);
        assert!(
            matches!(&failed, Broken::Failed { why, left: false } if why.contains("3 items")),
            "{failed:?}"
        );
    }
}
