//! The trait of Backups and Restores as objects that mirror a document of a bucket. Pure.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt as _};

use super::labels;
use crate::api::{
    Backup, BackupPhase, COMPLETE, DOCUMENT_STAMP, Origin, Restore, RestorePhase, STORAGE_LOCATION_LABEL,
    SYNCED_FROM, label_value,
};
use crate::bucket::{RunDocument, Stamp};
use crate::controller::buckets::OpenLocation;
use crate::controller::watch::watches::Caches;
use crate::model::cut;

/// Stage of an object's life, as far as it matters for removing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Not begun, or without a status.
    Unbegun,
    /// Being made or deleted.
    Busy,
    /// Ended: nothing changes any more.
    Ended,
    /// Refused before it began. Ark writes no document with this phase.
    Refused,
}

/// An object that can mirror a document.
pub trait Mirrored:
    RunDocument + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Unpin + 'static
{
    /// Returns the cache of this kind.
    fn all(caches: &Caches) -> &Store<Self>;

    /// Returns the stage of the object's life.
    fn life(&self) -> Life;

    /// Returns the location that the specification names, or `None`.
    fn named_location(&self) -> Option<&str>;

    /// Returns the conditions of the status.
    fn conditions(&self) -> &[Condition];

    /// Returns the conditions of the status, to be changed; `None` without a status.
    fn conditions_mut(&mut self) -> Option<&mut Vec<Condition>>;

    /// Lets the specification name this location and the status say which run the object stands for
    /// and what that came to. Conditions, which describe another cluster, are dropped. `written` is
    /// when the store got the document.
    fn settle(&mut self, location: &str, origin: Origin, written: DateTime<Utc>);
}

impl Mirrored for Backup {
    fn all(caches: &Caches) -> &Store<Self> {
        &caches.backups
    }

    fn life(&self) -> Life {
        match self.status.as_ref().and_then(|status| status.phase) {
            None | Some(BackupPhase::New) => Life::Unbegun,
            Some(BackupPhase::InProgress | BackupPhase::Deleting) => Life::Busy,
            Some(BackupPhase::Completed | BackupPhase::PartiallyFailed | BackupPhase::Failed) => Life::Ended,
            Some(BackupPhase::FailedValidation) => Life::Refused,
        }
    }

    fn named_location(&self) -> Option<&str> {
        self.spec.storage_location.as_deref()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn conditions_mut(&mut self) -> Option<&mut Vec<Condition>> {
        self.status.as_mut().map(|status| &mut status.conditions)
    }

    fn settle(&mut self, location: &str, origin: Origin, written: DateTime<Utc>) {
        self.spec.storage_location = Some(location.to_owned());
        let kept_until = self.spec.ttl.as_ref().and_then(|ttl| ttl.after(written.into()));
        if let Some(status) = &mut self.status {
            status.origin = Some(origin);
            // The maker's clock may have been wrong, and `written` is by the store's own clock: the
            // later expiration holds.
            status.expiration = status.expiration.map(|said| kept_until.map_or(said, |kept| kept.max(said)));
            // Conditions of a document describe the cluster where it was made.
            status.conditions.clear();
            status.conclude(None);
        }
    }
}

impl Mirrored for Restore {
    fn all(caches: &Caches) -> &Store<Self> {
        &caches.restores
    }

    fn life(&self) -> Life {
        match self.status.as_ref().and_then(|status| status.phase) {
            None | Some(RestorePhase::New) => Life::Unbegun,
            Some(RestorePhase::InProgress) => Life::Busy,
            Some(RestorePhase::Completed | RestorePhase::PartiallyFailed | RestorePhase::Failed) => {
                Life::Ended
            }
            Some(RestorePhase::FailedValidation) => Life::Refused,
        }
    }

    fn named_location(&self) -> Option<&str> {
        None
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn conditions_mut(&mut self) -> Option<&mut Vec<Condition>> {
        self.status.as_mut().map(|status| &mut status.conditions)
    }

    fn settle(&mut self, _: &str, origin: Origin, _: DateTime<Utc>) {
        if let Some(status) = &mut self.status {
            status.origin = Some(origin);
            // Conditions of a document describe the cluster where it was made.
            status.conditions.clear();
            status.conclude(None);
        }
    }
}

/// Returns the object that mirrors a document. Of the document's metadata only the name and the
/// admitted labels are taken, so that no owner, finalizer or annotation comes in. Its origin names
/// the location where the document was found, whatever the document says.
pub fn mirror<K: Mirrored>(mut document: K, location: &OpenLocation, namespace: &str, stamp: Stamp) -> K {
    let origin = Origin {
        location: Some(location.id.clone()),
        cluster: document.cluster().map(str::to_owned),
        namespace: document.origin().and_then(|origin| origin.namespace.clone()),
        run: document.run_uid().map(str::to_owned),
        schedule: document.origin().and_then(|origin| origin.schedule.clone()),
    };
    document.settle(&location.name, origin, stamp.modified);
    let marks = [(SYNCED_FROM, location.id.clone()), (DOCUMENT_STAMP, stamp.to_string())];
    let mut labels = labels::admitted(std::mem::take(document.labels_mut()));
    labels.insert(STORAGE_LOCATION_LABEL.to_owned(), label_value(&location.name));
    *document.meta_mut() = ObjectMeta {
        name: document.meta().name.clone(),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels),
        annotations: Some(marks.map(|(key, value)| (key.to_owned(), value)).into()),
        ..ObjectMeta::default()
    };
    document
}

/// Turns the condition `Complete` to False for a run of another cluster or server. A person who
/// applies an object of this name and waits for `Complete` asked for a run here, and there was
/// none.
pub fn disclaim<K: Mirrored>(object: &mut K) {
    let place = object.cluster().unwrap_or("unknown").escape_debug().to_string();
    let server = object.origin().and_then(|origin| origin.namespace.as_deref());
    let server =
        server.map(|namespace| format!(", namespace {}", namespace.escape_debug())).unwrap_or_default();
    let conditions = object.conditions_mut().into_iter().flatten();
    for complete in conditions.filter(|condition| condition.type_ == COMPLETE) {
        let Condition { reason, message, .. } = &*complete;
        complete.message = cut(format!(
            "nothing was run here: this object was read from the bucket and belongs to cluster {place}{server}, where it is {reason}: {message}; to run \
             one here, use another name"
        ));
        "False".clone_into(&mut complete.status);
        "MadeElsewhere".clone_into(&mut complete.reason);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::bucket::Bucket;
    use crate::store::{FileStore, location::DirectoryLocation};

    #[test]
    fn a_backup_is_kept_for_its_ttl_from_when_the_store_got_it_whatever_clock_it_was_made_by() {
        for (ttl, said, kept) in [
            ("30d", Some("2026-11-20T03:00:00Z"), Some("2026-12-21T03:00:00Z")),
            ("30d", Some("2027-11-20T03:00:00Z"), Some("2027-11-20T03:00:00Z")),
            ("30d", None, None),
            ("soon", Some("2026-11-20T03:00:00Z"), Some("2026-11-20T03:00:00Z")),
        ] {
            let mut backup: Backup = serde_json::from_value(json!({
                "metadata": {"name": "nightly"}, "spec": {"ttl": ttl}, "status": {"expiration": said},
            }))
            .unwrap();
            backup.settle("here", Origin::default(), "2026-11-21T03:00:00Z".parse().unwrap());
            let expiration = backup.status.unwrap().expiration.map(|time| time.to_string());
            assert_eq!(expiration.as_deref(), kept, "{ttl} {said:?}");
        }
    }

    #[tokio::test]
    async fn of_a_document_only_what_belongs_there_comes_in() {
        let folder = tempfile::tempdir().unwrap();
        let place = DirectoryLocation { path: folder.path().to_owned(), create_bucket: false };
        let store = Arc::new(FileStore::open(&place).await.unwrap());
        let location = OpenLocation {
            name: "here".into(),
            id: "one".into(),
            read_only: false,
            bucket: Bucket::new(store),
        };
        let document: Backup = serde_json::from_value(json!({
            "metadata": {"name": "nightly", "namespace": "kube-system", "uid": "u", "resourceVersion": "7",
                "labels": {"team": "a", "ark.heptio.com/storage-location": "there", "bad key": "x",
                    "ark.heptio.com/schedule-name": "s"},
                "annotations": {"evil": "yes", SYNCED_FROM: "another"}, "finalizers": ["never/ends"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p"}]},
            "spec": {"storageLocation": "there"},
            "status": {"phase": "Completed", "cluster": {"uid": "theirs", "version": "v1"},
                "origin": {"location": "a lie", "cluster": "another lie", "run": "a third", "schedule": "s"}, "conditions": [
                {"type": "Stored", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Failed", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "completionTimestamp": "2026-11-21T03:00:09Z", "progress": {"itemsBackedUp": 7}},
        }))
        .unwrap();
        let stamp = Stamp { size: 7, modified: "2026-11-21T03:00:00Z".parse().unwrap(), tarball: Some(9) };
        let mirrored = mirror(document, &location, "ark", stamp);
        let expected = json!({
            "name": "nightly", "namespace": "ark", "annotations": {SYNCED_FROM: "one", DOCUMENT_STAMP: "2026-11-21T03:00:00Z/7/9"},
            "labels": {"team": "a", "ark.heptio.com/storage-location": "here", "ark.heptio.com/schedule-name": "s"},
        });
        assert_eq!(serde_json::to_value(&mirrored.metadata).unwrap(), expected);
        assert_eq!(mirrored.spec.storage_location.as_deref(), Some("here"));
        let origin = serde_json::to_value(mirrored.origin().unwrap()).unwrap();
        let expected = json!({"location": "one", "cluster": "theirs", "run": "u", "schedule": "s"});
        assert_eq!(origin, expected, "it lies where it was found, and is the run that its document is of");
        let expected = json!([{"type": "Complete", "status": "True", "reason": "Completed",
            "message": "7 items, 0 warnings, 0 errors", "lastTransitionTime": "2026-11-21T03:00:09Z"}]);
        let conditions = mirrored.status.unwrap().conditions;
        assert_eq!(
            serde_json::to_value(conditions).unwrap(),
            expected,
            "what it came to, and nothing that it claims"
        );
    }
}
