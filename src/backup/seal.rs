//! The beginning and the end of a backup in the bucket: what is known before the first item, and the documents and the
//! commit after the last.

use bytes::Bytes;

use super::account::Account;
use super::cut::Cut;
use super::error::BackupError;
use super::halt::Halt;
use super::pack::Packing;
use super::view::View;
use super::{BackupOutcome, BackupRequest};
use crate::api::{
    Backup, BackupPhase, BackupProgress, BackupStatus, ClusterReference, StoredObject, Timestamp,
};
use crate::archive::{IndexHeader, IndexedKind};
use crate::bucket::documents::{FORMAT, encode_compressed};
use crate::bucket::{Attempt, Part};
use crate::cluster::KindInfo;

/// Opens the tarball and its index with what is known before the first item.
pub async fn begin(
    attempt: &Attempt,
    request: &BackupRequest,
    view: &View<'_>,
) -> Result<Packing, BackupError> {
    let View { plan, cut, .. } = view;
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

/// Ends tarball and index, writes results and log, and commits. Once the commit is sent, nobody stops the run any more.
pub async fn commit(
    attempt: &Attempt,
    request: &BackupRequest,
    cut: &Cut,
    packing: Packing,
    account: Account<'_>,
    halt: &Halt,
) -> Result<BackupOutcome, BackupError> {
    let Account { log, results, outside_cut, items, bytes, .. } = account;
    log.info(&format!("took {items} items, {} warnings, {} errors", results.warnings, results.errors));
    let results_body = encode_compressed(&results).map_err(BackupError::Compressing)?;
    let log_body = log.finish().map_err(BackupError::Compressing)?;
    let ([tarball, index], results_object, log_object) = tokio::try_join!(
        packing.finish(),
        put(attempt, Part::Results, results_body),
        put(attempt, Part::Log, log_body),
    )?;
    let objects = vec![tarball, index, results_object, log_object];
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
            warnings: results.warnings,
            errors: results.errors,
            objects,
            ..status_at(attempt, request, cut)
        },
    );
    halt.check()?;
    attempt.commit(&backup).await?;
    Ok(BackupOutcome { backup, results })
}

async fn put(attempt: &Attempt, part: Part, body: Bytes) -> Result<StoredObject, BackupError> {
    Ok(attempt.put(part, body).await?)
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
        ..BackupStatus::default()
    }
}

fn indexed(info: &KindInfo) -> IndexedKind {
    IndexedKind {
        kind: info.kind.clone(),
        version: info.api_version(),
        name: info.name.clone(),
        singular: info.singular.clone(),
        short_names: info.short_names.clone(),
        namespaced: info.namespaced,
        status_is_data: !info.status,
    }
}
