//! The life of a run in a bucket, with every way to die on the way.

mod adopting;
mod claims;
mod crashes;
mod late;
mod listing;
mod memory;
mod newest;
mod on_disk;
mod proving;
mod readers;
mod reading;
mod sample;
mod sweeping;

pub(crate) use crate::store::{Fault, Faults, Operation};
pub(crate) use sample::{write_backup, write_items};

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::{Attempt, Bucket, BucketError, Claim, Part, RunEntry, documents};
use crate::api::{Backup, BackupPhase, BackupSpec, BackupStatus, ClusterReference};
use crate::model::{BackupName, Results};
use crate::store::{ObjectKey, read_all};
use memory::MemoryStore;

fn bucket() -> (Arc<MemoryStore>, Bucket) {
    let store = Arc::new(MemoryStore::default());
    (Arc::clone(&store), Bucket::new(store))
}

/// A bucket whose store fails by script, also for tests of modules that write into a bucket.
pub(crate) fn faulty_bucket() -> (Faults, Bucket) {
    let faults = Faults::new(Arc::new(MemoryStore::default()));
    (faults.clone(), Bucket::new(Arc::new(faults)))
}

/// An object of a bucket.
pub(crate) async fn read(bucket: &Bucket, key: &ObjectKey) -> Bytes {
    read_all(&**bucket.store(), key, 1 << 20).await.unwrap()
}

fn name() -> BackupName {
    "nightly".parse().unwrap()
}

fn claim(uid: &str) -> Claim {
    Claim::new(uid, "cluster-a", format!("host/{uid}"))
}

/// The document of a backup with these parts.
pub(crate) fn document(name: &str, objects: Vec<super::StoredObject>) -> Backup {
    let mut backup = Backup::new(name, BackupSpec::default());
    backup.status = Some(BackupStatus {
        phase: Some(BackupPhase::Completed),
        format_version: Some("2".into()),
        cluster: Some(ClusterReference { uid: "cluster-a".into(), version: "v1.35.0".into() }),
        objects,
        ..BackupStatus::default()
    });
    backup
}

/// Writes the parts of a run without items, whose tarball is not looked into.
async fn write_parts(attempt: &Attempt) -> Result<Vec<super::StoredObject>, BucketError> {
    let mut tarball = attempt.upload(Part::Tarball).await?;
    tarball.write(Bytes::from_static(b"items")).await?;
    let results = documents::encode_compressed(&Results::default()).unwrap();
    Ok(vec![
        tarball.finish().await?,
        attempt.put(Part::Index, sample::empty_index()).await?,
        attempt.put(Part::Results, results).await?,
        attempt.put(Part::Log, documents::encode_compressed(&"log").unwrap()).await?,
    ])
}

/// Makes the backup `nightly`, without items.
pub(crate) async fn make(bucket: &Bucket, claim: &Claim) -> Result<u32, BucketError> {
    let attempt = bucket.claim_backup(&name(), claim).await?;
    let objects = write_parts(&attempt).await?;
    attempt.commit(&document("nightly", objects)).await?;
    Ok(attempt.number())
}

async fn list(bucket: &Bucket) -> Vec<RunEntry> {
    bucket.list_backups().try_collect().await.unwrap()
}
