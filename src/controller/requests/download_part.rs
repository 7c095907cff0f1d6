//! The object of a bucket that a DownloadRequest means: the caches have the run, and its document
//! says where the parts lie.

use std::sync::Arc;

use kube::ResourceExt as _;
use kube::runtime::reflector::Store;

use crate::api::{
    Backup, BackupPhase, BackupStorageLocation, DownloadKind, DownloadTarget, Restore, RestorePhase,
    STORAGE_LOCATION_LABEL,
};
use crate::bucket::layout::{RunKeys, RunKind};
use crate::bucket::{Bucket, BucketError, RunDocument, RunIdentity};
use crate::controller::buckets::name_of_label;
use crate::store::ObjectKey;

/// A part of a run.
#[derive(Debug)]
pub struct RequestedPart {
    /// The location of the run; `None` means the default one.
    pub location: Option<String>,
    /// Which part it is.
    kind: DownloadKind,
    /// The keys of its run.
    keys: RunKeys,
    /// The run that the object stands for.
    run: RunIdentity,
}

impl RequestedPart {
    /// Returns the key of the run's document.
    pub fn document(&self) -> &ObjectKey {
        self.keys.document()
    }

    /// Returns the key of the part, as the run's document has it.
    ///
    /// # Errors
    /// If the bucket has, under the name, another run than the one that was asked for or none, or
    /// the document cannot be read.
    pub async fn key(&self, bucket: &Bucket) -> Result<ObjectKey, BucketError> {
        match self.keys.kind() {
            RunKind::Backup => self.key_in::<Backup>(bucket).await,
            RunKind::Restore => self.key_in::<Restore>(bucket).await,
        }
    }

    async fn key_in<D: RunDocument>(&self, bucket: &Bucket) -> Result<ObjectKey, BucketError> {
        let run = bucket.open_run::<D>(self.keys.clone()).await?;
        run.must_be(&self.run)?;
        let parts = run.parts();
        let key = match self.kind {
            DownloadKind::BackupLog | DownloadKind::RestoreLog => parts.log(),
            DownloadKind::BackupContents | DownloadKind::BackupVolumeInfos => parts.tarball(),
            DownloadKind::BackupResourceList | DownloadKind::RestoreResourceList => parts.index(),
            DownloadKind::BackupResults | DownloadKind::RestoreResults => parts.results(),
        };
        Ok(key.clone())
    }
}

/// Returns the part that a request means, or why there is none.
pub fn locate(
    backups: &Store<Backup>,
    restores: &Store<Restore>,
    locations: &Store<BackupStorageLocation>,
    target: &DownloadTarget,
) -> Result<RequestedPart, String> {
    let DownloadTarget { kind, name } = target;
    let run = run_of(*kind);
    let keys =
        RunKeys::parse(run, name).ok_or_else(|| format!("`{name}` is no name of a backup or restore"))?;
    if *kind == DownloadKind::BackupVolumeInfos {
        return Err("volumes have no document of their own".to_owned());
    }
    let (location, run) = match run {
        RunKind::Backup => {
            let backup = find_backup(backups, name)?;
            let location = backup.spec.storage_location.clone().or_else(|| labelled(&*backup));
            (location, RunIdentity::of_object(&*backup))
        }
        RunKind::Restore => {
            let restore = find_restore(restores, name)?;
            (labelled(&*restore), RunIdentity::of_object(&*restore))
        }
    };
    // A label hashes long names; if no location has the hash, the text is used as it is.
    let location = location.map(|known| name_of_label(locations, &known).unwrap_or(known));
    Ok(RequestedPart { location, kind: *kind, keys, run })
}

fn run_of(kind: DownloadKind) -> RunKind {
    match kind {
        DownloadKind::BackupLog
        | DownloadKind::BackupContents
        | DownloadKind::BackupResourceList
        | DownloadKind::BackupResults
        | DownloadKind::BackupVolumeInfos => RunKind::Backup,
        DownloadKind::RestoreLog | DownloadKind::RestoreResourceList | DownloadKind::RestoreResults => {
            RunKind::Restore
        }
    }
}

fn find_backup(store: &Store<Backup>, name: &str) -> Result<Arc<Backup>, String> {
    let backup = store.find(|backup| backup.metadata.name.as_deref() == Some(name));
    let backup = backup.ok_or_else(|| format!("there is no Backup `{name}`"))?;
    let phase = backup.status.as_ref().and_then(|status| status.phase);
    match phase.unwrap_or_default() {
        BackupPhase::New | BackupPhase::InProgress => Err(unfinished("Backup", name)),
        BackupPhase::FailedValidation => Err(refused("Backup", name)),
        _ => Ok(backup),
    }
}

fn find_restore(store: &Store<Restore>, name: &str) -> Result<Arc<Restore>, String> {
    let restore = store.find(|restore| restore.metadata.name.as_deref() == Some(name));
    let restore = restore.ok_or_else(|| format!("there is no Restore `{name}`"))?;
    let phase = restore.status.as_ref().and_then(|status| status.phase);
    match phase.unwrap_or_default() {
        RestorePhase::New | RestorePhase::InProgress => Err(unfinished("Restore", name)),
        RestorePhase::FailedValidation => Err(refused("Restore", name)),
        _ => Ok(restore),
    }
}

fn labelled(object: &impl kube::Resource) -> Option<String> {
    object.labels().get(STORAGE_LOCATION_LABEL).cloned()
}

fn unfinished(kind: &str, name: &str) -> String {
    format!("the {kind} `{name}` has not ended; its parts can be had when it has")
}

fn refused(kind: &str, name: &str) -> String {
    format!("the {kind} `{name}` failed validation and was never run; its status says why")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::label_value;
    use crate::store::{FileStore, PutMode, location::DirectoryLocation};

    fn backups(objects: &[Value]) -> Store<Backup> {
        let (store, mut writer) = reflector::store();
        for object in objects {
            writer.apply_watcher_event(&Event::Apply(serde_json::from_value(object.clone()).unwrap()));
        }
        store
    }

    fn restores(objects: &[Value]) -> Store<Restore> {
        let (store, mut writer) = reflector::store();
        for object in objects {
            writer.apply_watcher_event(&Event::Apply(serde_json::from_value(object.clone()).unwrap()));
        }
        store
    }

    /// Returns a name that is longer than a label's value.
    fn long() -> String {
        "offsite-".repeat(9)
    }

    fn locations() -> Store<BackupStorageLocation> {
        let (store, mut writer) = reflector::store();
        for name in ["west", &long()] {
            let spec = json!({"provider": "fs", "bucket": "/backups"});
            let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
                "metadata": {"name": name}, "spec": spec});
            writer.apply_watcher_event(&Event::Apply(serde_json::from_value(object).unwrap()));
        }
        store
    }

    fn caches() -> (Store<Backup>, Store<Restore>) {
        let object = |kind: &str, name: &str, phase: &str, location: &str| {
            json!({
                "apiVersion": "ark.heptio.com/v1",
                "kind": kind,
                "metadata": {"name": name, "labels": {STORAGE_LOCATION_LABEL: location}},
                "spec": {"backupName": "done"},
                "status": {"phase": phase},
            })
        };
        (
            backups(&[
                object("Backup", "done", "Completed", "west"),
                object("Backup", "running", "InProgress", "west"),
                object("Backup", "refused", "FailedValidation", "west"),
            ]),
            restores(&[
                object("Restore", "back", "PartiallyFailed", "east"),
                object("Restore", "long", "Completed", &label_value(&long())),
            ]),
        )
    }

    fn find(kind: DownloadKind, name: &str) -> Result<RequestedPart, String> {
        let (backups, restores) = caches();
        locate(&backups, &restores, &locations(), &DownloadTarget { kind, name: name.to_owned() })
    }

    async fn folder() -> (tempfile::TempDir, Bucket) {
        let folder = tempfile::tempdir().unwrap();
        let place = DirectoryLocation { path: folder.path().to_owned(), create_bucket: false };
        let bucket = Bucket::new(Arc::new(FileStore::open(&place).await.unwrap()));
        (folder, bucket)
    }

    #[tokio::test]
    async fn each_part_has_its_key_in_the_location_of_its_run() {
        let (_folder, bucket) = folder().await;
        for (kind, run, name) in [
            (RunKind::Backup, "Backup", "done"),
            (RunKind::Restore, "Restore", "back"),
            (RunKind::Restore, "Restore", "long"),
        ] {
            let keys = RunKeys::parse(kind, name).unwrap();
            let index = format!("{}2-0123456789ab/index.ndjson.zst", keys.folder());
            let objects =
                if name == "done" { json!([{"key": index, "size": 1, "sha256": ""}]) } else { json!([]) };
            let document = json!({"apiVersion": "ark.heptio.com/v1", "kind": run, "metadata": {"name": name},
                "spec": {"backupName": "done"},
                "status": {"phase": "Completed", "formatVersion": "2", "objects": objects}});
            bucket.store().put(keys.document(), document.to_string().into(), PutMode::Create).await.unwrap();
        }
        for (kind, name, location, key) in [
            (DownloadKind::BackupLog, "done", "west", "backups/done/logs.ndjson.zst"),
            (DownloadKind::BackupContents, "done", "west", "backups/done/done.tar.zst"),
            (
                DownloadKind::BackupResourceList,
                "done",
                "west",
                "backups/done/2-0123456789ab/index.ndjson.zst",
            ),
            (DownloadKind::BackupResults, "done", "west", "backups/done/results.json.zst"),
            (DownloadKind::RestoreLog, "back", "east", "restores/back/logs.ndjson.zst"),
            (DownloadKind::RestoreResourceList, "back", "east", "restores/back/index.ndjson.zst"),
            (DownloadKind::RestoreResults, "back", "east", "restores/back/results.json.zst"),
            (DownloadKind::RestoreLog, "long", &long(), "restores/long/logs.ndjson.zst"),
        ] {
            let part = find(kind, name).unwrap();
            assert_eq!(part.location.as_deref(), Some(location));
            assert_eq!(part.key(&bucket).await.unwrap().as_str(), key);
        }
    }

    #[tokio::test]
    async fn a_part_of_another_run_is_not_handed_out() {
        let (_folder, bucket) = folder().await;
        let object = |uid: &str, cluster: &str| {
            json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
                "metadata": {"name": "same", "uid": uid}, "spec": {},
                "status": {"phase": "Completed", "formatVersion": "2", "cluster": {"uid": cluster, "version": "v1"},
                    "startTimestamp": "2026-11-21T03:00:00Z"}})
        };
        let part = |uid: &str, cluster: &str| {
            let target = DownloadTarget { kind: DownloadKind::BackupLog, name: "same".to_owned() };
            locate(&backups(&[object(uid, cluster)]), &restores(&[]), &locations(), &target).unwrap()
        };
        let here = part("one", "a");
        assert!(here.key(&bucket).await.unwrap_err().is_not_found());
        let document = RunKeys::parse(RunKind::Backup, "same").unwrap().document().clone();
        let body = object("two", "b").to_string();
        bucket.store().put(&document, body.into(), PutMode::Create).await.unwrap();
        let told = here.key(&bucket).await.unwrap_err().to_string();
        for part in
            ["`same`", "is another run than", "made in cluster b at 2026-11-21T03:00:00Z", "sync period"]
        {
            assert!(told.contains(part), "{told}");
        }
        assert!(part("two", "b").key(&bucket).await.is_ok());
    }

    #[test]
    fn what_cannot_be_had_is_told_with_the_reason() {
        for (kind, name, why) in [
            (DownloadKind::BackupLog, "nothing", "there is no Backup"),
            (DownloadKind::RestoreLog, "done", "there is no Restore"),
            (DownloadKind::BackupLog, "../../secret", "no name of"),
            (DownloadKind::BackupLog, "running", "has not ended"),
            (DownloadKind::BackupLog, "refused", "failed validation"),
            (DownloadKind::BackupVolumeInfos, "done", "no document of their own"),
        ] {
            let told = find(kind, name).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
