//! A backup or restore as the server hands it out: a store of the few objects of one run, each behind an address that a
//! DownloadRequest yields. Whoever may make such requests needs no credentials of the bucket.
//!
//! What comes is checked as if it came from the bucket itself: the document is the object in the cluster, and it says how
//! large each part is and what its hash.

mod fetch;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::ResourceExt;
use uuid::Uuid;

use self::fetch::Fetcher;
use super::door::{Door, Noun};
use super::failure::Failure;
use super::listing::bare;
use super::output::Output;
use super::waiting::{Waited, wait};
use crate::api::{
    Backup, BackupPhase, BackupStorageLocation, DownloadKind, DownloadRequest, DownloadRequestSpec,
    DownloadTarget, Restore, RestorePhase, STORAGE_LOCATION_LABEL, STORED, SYNCED_FROM,
};
use crate::bucket::{Bucket, RunKeys};
use crate::model::{BackupName, RestoreName};
use crate::store::{
    Action, ByteStream, Listing, ObjectInfo, ObjectKey, Operation, PutMode, Store, StoreError, Upload,
};

/// What of a run's name stands in the name of the request; the rest of 253 characters makes it unique.
const NAMED: usize = 200;

/// A part of a run: its key, and what a DownloadRequest calls it.
type Part = (ObjectKey, DownloadKind);

/// The parts of a run that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The log.
    Log,
    /// Warnings and errors.
    Results,
    /// What is in it.
    Index,
    /// The backup itself.
    Tarball,
    /// All of it.
    Everything,
}

/// The bucket of a backup, with the parts that are wanted and no others.
pub async fn backup(
    door: &Door,
    backup: &Backup,
    wanted: Wanted,
    output: &Output,
) -> Result<Bucket, Failure> {
    backup_is_whole(backup)?;
    let name: BackupName = name(&backup.name_any())?;
    let keys = RunKeys::backup(&name).map_err(StoreError::from)?;
    let all = [
        (Wanted::Log, keys.log(), DownloadKind::BackupLog),
        (Wanted::Results, keys.results(), DownloadKind::BackupResults),
        (Wanted::Index, keys.index(), DownloadKind::BackupResourceList),
        (Wanted::Tarball, keys.tarball(), DownloadKind::BackupContents),
    ];
    let parts = all
        .into_iter()
        .filter(|(part, ..)| wanted == Wanted::Everything || wanted == *part)
        .map(|(_, key, kind)| (key.clone(), kind))
        .collect();
    if wanted == Wanted::Everything {
        let objects = backup.status.iter().flat_map(|status| &status.objects);
        let known = |key: &str| all.iter().any(|(_, known, _)| known.as_str() == key);
        if let Some(other) = objects.map(|object| &object.key).find(|key| !known(key)) {
            return Err(Failure::because(format!(
                "backup {name} has a part that the server does not hand out: {other}; name the bucket with --location, and its credentials as usual"
            )));
        }
    }
    let location = backup.spec.storage_location.as_deref();
    open(door, backup, keys.document(), parts, location, output).await
}

/// The bucket of a restore, with the parts that are wanted and no others.
pub async fn restore(
    door: &Door,
    restore: &Restore,
    wanted: Wanted,
    output: &Output,
) -> Result<Bucket, Failure> {
    restore_is_whole(restore)?;
    let name: RestoreName = name(&restore.name_any())?;
    let keys = RunKeys::restore(&name).map_err(StoreError::from)?;
    let all = [
        (Wanted::Log, keys.log(), DownloadKind::RestoreLog),
        (Wanted::Results, keys.results(), DownloadKind::RestoreResults),
    ];
    let parts = all
        .into_iter()
        .filter(|(part, ..)| wanted == Wanted::Everything || wanted == *part)
        .map(|(_, key, kind)| (key.clone(), kind))
        .collect();
    let location = restore.labels().get(STORAGE_LOCATION_LABEL).map(String::as_str);
    open(door, restore, keys.document(), parts, location, output).await
}

fn name<N: std::str::FromStr<Err = crate::model::InvalidName>>(text: &str) -> Result<N, Failure> {
    text.parse().map_err(|error| Failure::failed("reading the name of an object", &error))
}

/// Whether a backup has parts; if not, why not.
pub fn backup_is_whole(backup: &Backup) -> Result<(), Failure> {
    let (name, status) = (backup.name_any(), backup.status.clone().unwrap_or_default());
    let phase = status.phase.unwrap_or_default();
    match phase {
        BackupPhase::Completed | BackupPhase::PartiallyFailed => Ok(()),
        BackupPhase::Failed if is_in_bucket(backup, &status.conditions) => Ok(()),
        BackupPhase::Failed => Err(Failure::because(format!(
            "backup {name} failed and left nothing in the bucket: {}",
            status.failure_reason.unwrap_or_else(|| "the server gives no reason".to_owned())
        ))),
        BackupPhase::FailedValidation => Err(Failure::because(format!(
            "backup {name} was refused and never begun: {}",
            status.validation_errors.join("; ")
        ))),
        BackupPhase::Deleting => Err(Failure::because(format!("backup {name} is being deleted"))),
        BackupPhase::New | BackupPhase::InProgress => Err(Failure::because(format!(
            "backup {name} is not made yet ({phase}); `ark backup describe {name}` says how far it is"
        ))),
    }
}

/// Whether a restore has parts; if not, why not.
pub fn restore_is_whole(restore: &Restore) -> Result<(), Failure> {
    let (name, status) = (restore.name_any(), restore.status.clone().unwrap_or_default());
    let phase = status.phase.unwrap_or_default();
    let kept_here = status.conditions.iter().find(|each| each.type_ == STORED && each.status == "False");
    if let (true, Some(condition)) = (phase.is_final(), kept_here) {
        return Err(Failure::because(format!(
            "the log and the results of restore {name} are not in the bucket: {}",
            condition.message
        )));
    }
    match phase {
        RestorePhase::Completed | RestorePhase::PartiallyFailed => Ok(()),
        RestorePhase::Failed if is_in_bucket(restore, &status.conditions) => Ok(()),
        RestorePhase::Failed => Err(Failure::because(format!(
            "restore {name} failed and left nothing in the bucket: {}",
            status.failure_reason.unwrap_or_else(|| "the server gives no reason".to_owned())
        ))),
        RestorePhase::FailedValidation => Err(Failure::because(format!(
            "restore {name} was refused and never begun: {}",
            status.validation_errors.join("; ")
        ))),
        RestorePhase::New | RestorePhase::InProgress => Err(Failure::because(format!(
            "restore {name} is not done yet ({phase}); `ark restore describe {name}` says how far it is"
        ))),
    }
}

fn is_in_bucket(object: &impl ResourceExt, conditions: &[Condition]) -> bool {
    crate::api::is_stored(conditions) || object.annotations().contains_key(SYNCED_FROM)
}

async fn open<K: Noun>(
    door: &Door,
    object: &K,
    document: &ObjectKey,
    parts: Vec<Part>,
    location: Option<&str>,
    output: &Output,
) -> Result<Bucket, Failure> {
    let name = object.name_any();
    let body = serde_json::to_vec(&bare(object))
        .map_err(|error| Failure::failed(&format!("reading {} {name}", K::NOUN), &error))?;
    let mut requests = Vec::new();
    for (key, kind) in parts {
        let request = door.create(&request(kind, &name, door.namespace())).await?;
        requests.push((key, request.name_any()));
    }
    let mut addresses = BTreeMap::new();
    for (key, request) in requests {
        addresses.insert(key.as_str().to_owned(), address(door, &request, &key, output).await?);
    }
    // Whoever may not read locations does without its certificates.
    let certificates = match location {
        Some(name) => door.find::<BackupStorageLocation>(name).await.ok().flatten(),
        None => None,
    };
    let certificates = certificates.and_then(|location| location.spec.config?.ca_cert);
    Ok(Bucket::new(Arc::new(Through {
        described: format!("the server of namespace {}", door.namespace()),
        document: (document.clone(), body.into()),
        addresses,
        fetcher: Fetcher::new(door.client().clone(), door.namespace(), certificates),
    })))
}

fn request(kind: DownloadKind, name: &str, namespace: &str) -> DownloadRequest {
    let begin: String = name.chars().take(NAMED).collect();
    let target = DownloadTarget { kind, name: name.to_owned() };
    let mut request =
        DownloadRequest::new(&format!("{begin}-{}", Uuid::new_v4()), DownloadRequestSpec { target });
    request.metadata = ObjectMeta { namespace: Some(namespace.to_owned()), ..request.metadata };
    request
}

/// Where the server says that a part can be had.
async fn address(door: &Door, request: &str, key: &ObjectKey, output: &Output) -> Result<String, Failure> {
    let what = "what is in the bucket can be read without one, with --location and the bucket's credentials";
    let refused = |why: &str| {
        Failure::because(format!(
            "the server cannot hand out {key}: {why}; with --location and the bucket's credentials it can be read without the server"
        ))
    };
    match wait::<DownloadRequest>(door, request, what, output).await? {
        Waited::Gone => Err(refused("somebody deleted the request for it")),
        Waited::Done(request) => {
            let status = request.status.unwrap_or_default();
            let why = status.message.unwrap_or_else(|| "it gives no reason".to_owned());
            status.download_url.ok_or_else(|| refused(&why))
        }
    }
}

/// The objects of one run, readable.
#[derive(Debug)]
struct Through {
    described: String,
    document: (ObjectKey, Bytes),
    addresses: BTreeMap<String, String>,
    fetcher: Fetcher,
}

impl Through {
    fn action(&self, operation: Operation, what: &str) -> Action {
        Action { operation, target: format!("{what} through {}", self.described) }
    }

    fn only_read<T>(&self, operation: Operation, what: &str) -> Result<T, StoreError> {
        let source = "what the server hands out can only be read".into();
        Err(StoreError::Other { action: self.action(operation, what), source })
    }
}

#[async_trait]
impl Store for Through {
    fn describe(&self) -> String {
        self.described.clone()
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let action = self.action(Operation::Get, key.as_str());
        if range.is_some() {
            return Err(StoreError::Other { action, source: "the server hands out whole objects".into() });
        }
        if *key == self.document.0 {
            let document = self.document.1.clone();
            return Ok(futures::stream::once(async { Ok(document) }).boxed());
        }
        match self.addresses.get(key.as_str()) {
            Some(address) => self.fetcher.fetch(address, action).await,
            None => Err(StoreError::NotFound { action }),
        }
    }

    async fn list(&self, _: &str, _: bool, _: Option<String>) -> Result<Listing, StoreError> {
        Ok(Listing::default())
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        self.only_read(Operation::Head, key.as_str())
    }

    async fn put(&self, key: &ObjectKey, _: Bytes, _: PutMode) -> Result<(), StoreError> {
        self.only_read(Operation::Put, key.as_str())
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        self.only_read(Operation::UploadStart, key.as_str())
    }

    async fn delete(&self, _: &[ObjectKey]) -> Result<(), StoreError> {
        self.only_read(Operation::Delete, "objects")
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        self.only_read(Operation::UploadAbort, key.as_str())
    }

    async fn presign(&self, _: &ObjectKey, _: Duration) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn conditional_writes(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
}
