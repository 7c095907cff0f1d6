//! The first and the last writes of a backup: the headers of tarball and index before the first
//! item, and results, log and document after the last.

use bytes::Bytes;

use super::account::BackupAccount;
use super::cut::Cut;
use super::error::BackupError;
use super::halt::BackupHalt;
use super::pack::Packing;
use super::view::ClusterView;
use super::{BackupOutcome, BackupRequest};
use crate::api::{
    Backup, BackupPhase, BackupProgress, BackupStatus, ClusterReference, Origin, StoredObject, Timestamp,
};
use crate::archive::{IndexHeader, IndexedResource};
use crate::bucket::documents::{FORMAT, encode_compressed};
use crate::bucket::{Attempt, Part};
use crate::cluster::ResourceInfo;

/// Begins the tarball and its index with what is known before the first item.
///
/// # Errors
/// If the bucket fails.
pub async fn begin(
    attempt: &Attempt,
    request: &BackupRequest,
    view: &ClusterView<'_>,
) -> Result<Packing, BackupError> {
    let ClusterView { plan, cut, .. } = view;
    let header = IndexHeader {
        format: FORMAT.to_string(),
        revision: Some(cut.revision.clone()),
        cluster: request.cluster.uid.clone(),
        kinds: plan.kinds.iter().map(indexed).collect(),
    };
    let seconds = u64::try_from(cut.time.timestamp()).unwrap_or_default();
    let mut packing = Packing::begin(attempt, &header, seconds).await?;
    let backup = document(request, status_at(attempt, request, cut));
    packing.metadata("metadata/version", b"2.0.0\n")?;
    packing.metadata("metadata/backup.json", &serde_json::to_vec(&backup).map_err(BackupError::Document)?)?;
    Ok(packing)
}

/// Finishes tarball and index, writes results and log, and commits. Once the commit is sent, the
/// run cannot be stopped any more.
///
/// # Errors
/// If the bucket fails, the run is to end, or what was written would not be read back; nothing is
/// committed then.
pub async fn commit(
    attempt: &Attempt,
    request: &BackupRequest,
    cut: &Cut,
    packing: Packing,
    account: BackupAccount<'_>,
    halt: &BackupHalt,
) -> Result<BackupOutcome, BackupError> {
    let conditions = account.hooks_condition(Timestamp::now()).into_iter().collect();
    let BackupAccount { log, results, outside_cut, items, bytes, repeated, hooks, .. } = account;
    let (warnings, errors) = (results.warnings, results.errors);
    if repeated > 0 {
        log.info(&format!("the API server gave {repeated} items twice, which are in the backup once"));
    }
    log.info(&format!("took {items} items, {warnings} warnings, {errors} errors"));
    let results_body = encode_compressed(&results).map_err(BackupError::Compressing)?;
    let log_body = log.finish().map_err(BackupError::Compressing)?;
    let objects = write_parts(attempt, packing, results_body, log_body).await?;
    let phase = if results.errors == 0 { BackupPhase::Completed } else { BackupPhase::PartiallyFailed };
    let now = Timestamp::now();
    let ttl = request.spec.ttl.as_ref().and_then(|ttl| ttl.length().ok());
    let backup = document(
        request,
        BackupStatus {
            phase: Some(phase),
            completion_timestamp: Some(now),
            expiration: ttl.map(|ttl| Timestamp::from(cut.time + ttl)),
            kinds_outside_cut: outside_cut.iter().map(ToString::to_string).collect(),
            progress: Some(BackupProgress { total_items: items, items_backed_up: items, bytes }),
            warnings,
            errors,
            objects,
            conditions,
            hooks: (hooks.attempted > 0).then_some(hooks),
            ..status_at(attempt, request, cut)
        },
    );
    // The last moment to stop: a commit whose answer is not awaited would leave it open whether
    // the backup exists.
    halt.check()?;
    attempt.commit(&backup).await?;
    Ok(BackupOutcome { backup, results })
}

/// Writes all parts. All writes are awaited even if one fails: a write that is dropped on its way
/// may arrive after the clean-up.
async fn write_parts(
    attempt: &Attempt,
    packing: Packing,
    results: Bytes,
    log: Bytes,
) -> Result<Vec<StoredObject>, BackupError> {
    let (packed, results, log) =
        tokio::join!(packing.finish(), attempt.put(Part::Results, results), attempt.put(Part::Log, log));
    let [tarball, index] = packed?;
    Ok(vec![tarball, index, results?, log?])
}

fn document(request: &BackupRequest, status: BackupStatus) -> Backup {
    let mut backup = Backup::new(request.name.as_str(), request.spec.clone());
    backup.metadata.uid = Some(request.uid.clone());
    backup.metadata.labels = Some(request.labels.clone()).filter(|labels| !labels.is_empty());
    backup.status = Some(status);
    backup
}

fn status_at(attempt: &Attempt, request: &BackupRequest, cut: &Cut) -> BackupStatus {
    BackupStatus {
        phase: Some(BackupPhase::InProgress),
        format_version: Some(FORMAT.to_string()),
        start_timestamp: Some(Timestamp::from(cut.time)),
        revision: Some(cut.revision.clone()),
        attempt: Some(attempt.number().max(request.attempt)),
        holder: Some(request.holder.clone()),
        cluster: Some(ClusterReference {
            uid: request.cluster.uid.clone(),
            version: request.cluster.version.clone(),
        }),
        origin: Some(Origin {
            cluster: Some(request.cluster.uid.clone()),
            run: Some(request.uid.clone()),
            ..request.origin.clone()
        }),
        ..BackupStatus::default()
    }
}

fn indexed(info: &ResourceInfo) -> IndexedResource {
    IndexedResource {
        resource: info.resource.clone(),
        version: info.api_version(),
        kind: info.kind.clone(),
        singular: info.singular.clone(),
        short_names: info.short_names.clone(),
        namespaced: info.namespaced,
        status_is_data: !info.status,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bucket::Claim;
    use crate::bucket::tests::{Fault, Operation, faulty_bucket};
    use crate::model::Results;

    #[tokio::test]
    async fn a_part_that_fails_does_not_leave_another_on_its_way() {
        let (faults, bucket) = faulty_bucket();
        let claim = Claim::new("uid", "cluster", "host/1");
        let attempt = bucket.claim_backup(&"nightly".parse().unwrap(), &claim).await.unwrap();
        let header = IndexHeader {
            format: FORMAT.to_string(),
            revision: None,
            cluster: "cluster".to_owned(),
            kinds: Vec::new(),
        };
        let packing = Packing::begin(&attempt, &header, 0).await.unwrap();
        faults.script(Operation::Put, 1, Fault::Full);
        faults.script(Operation::UploadFinish, 1, Fault::Delay(Duration::from_millis(200)));
        let results = encode_compressed(&Results::default()).unwrap();
        let error = write_parts(&attempt, packing, results.clone(), results).await.unwrap_err();
        assert!(error.to_string().contains("the store is full"), "{error}");
        // The other write was awaited, so that its object can be removed.
        assert!(bucket.store().head(attempt.parts().tarball()).await.is_ok());
        assert_eq!(attempt.discard().await.unwrap(), 3);
        assert!(bucket.store().head(attempt.parts().tarball()).await.unwrap_err().is_not_found());
    }
}
