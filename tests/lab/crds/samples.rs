//! Objects with every field set: what the types can hold, the API server keeps, and what people
//! write, it takes.

use std::fmt::Debug;

use ark::api::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule,
    ServerStatusRequest,
};
use kube::Resource;
use kube::api::{Api, PostParams};
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::{Cluster, TestNamespace};

async fn keep<K>(cluster: &Cluster, namespace: &TestNamespace, name: &str, spec: Value, status: Value)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let kind = K::kind(&());
    let api = Api::<K>::namespaced(cluster.client.clone(), &namespace.name);
    let whole =
        json!({"metadata": {"name": name}, "apiVersion": K::api_version(&()), "kind": kind, "spec": spec});
    let typed: K = serde_json::from_value(whole).unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    let kept = api.create(&PostParams::default(), &typed).await;
    let kept = kept.unwrap_or_else(|error| panic!("{kind} {name} is refused: {error}"));
    let mut kept = serde_json::to_value(kept).expect("JSON");
    assert_eq!(kept["spec"], spec, "{kind} {name}: the specification is not kept");
    kept["status"] = status.clone();
    let typed: K = serde_json::from_value(kept).unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    let kept = api.replace_status(name, &PostParams::default(), &typed).await;
    let kept = kept.unwrap_or_else(|error| panic!("{kind} {name}: the status is refused: {error}"));
    assert_eq!(
        serde_json::to_value(kept).expect("JSON")["status"],
        status,
        "{kind} {name}: the status is not kept"
    );
}

const TIME: &str = "2026-11-21T03:00:00Z";

fn condition() -> Value {
    json!({"type": "Ready", "status": "True", "reason": "Done", "message": "done", "lastTransitionTime": TIME})
}

fn selector() -> Value {
    json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]})
}

fn backup() -> Value {
    json!({
        "includedNamespaces": ["*", "team-?", "x[a-c]*"], "excludedNamespaces": ["kube-*"],
        "includedResources": ["deployments.apps", "Pod", "po", "*.batch"], "excludedResources": ["events"],
        "includeClusterResources": false, "labelSelector": selector(),
        "snapshotVolumes": true, "ttl": "720h0m0s", "storageLocation": "default",
        "hooks": {"resources": [{
            "name": "freeze", "includedNamespaces": ["a"], "excludedNamespaces": ["b"], "labelSelector": selector(),
            "includedResources": ["pods"], "excludedResources": ["jobs"],
            "pre": [{"exec": {"container": "c", "command": ["/bin/true"], "onError": "Continue", "timeout": "30s"}}],
            "post": [{"exec": {"command": ["/bin/true"]}}],
        }], "actions": [
            {"name": "rest", "namespace": "a", "onError": "Continue", "timeout": "5m", "scale": {
                "workloads": [{"resource": "deployments", "name": "web"}], "labelSelector": selector(),
                "resources": ["statefulsets.apps"], "waitReady": true, "maxDuration": "15m",
            }},
            {"name": "flush", "namespace": "a", "phase": "Post", "job": {"template": {"spec": {"any": [1]}}}},
            {"name": "check", "namespace": "a", "phase": "Pre", "job": {"fromCronJob": "nightly"}},
        ]},
        "dumps": [{"preset": "mongodb", "any": [1, null]}], "metadata": {"labels": {"team": "web"}},
        "includedClusterScopedResources": ["*"], "excludedClusterScopedResources": ["nodes"],
        "includedNamespaceScopedResources": ["pods"], "excludedNamespaceScopedResources": ["events"],
        "snapshotMoveData": true, "defaultVolumesToFsBackup": true, "defaultVolumesToRestic": true,
        "resourcePolicy": {"kind": "configmap", "name": "policy"}, "volumeSnapshotLocations": ["default"],
        "orderedResources": {"pods": "a/b,a/c"}, "csiSnapshotTimeout": "10m0s", "itemOperationTimeout": "4h0m0s",
        "datamover": "velero", "uploaderConfig": {"parallelFilesUpload": 4}, "volumeGroupSnapshotLabelKey": "group",
    })
}

fn backup_status() -> Value {
    json!({
        "phase": "PartiallyFailed", "formatVersion": "2", "expiration": TIME, "startTimestamp": TIME,
        "completionTimestamp": TIME, "revision": "12345", "kindsOutsideCut": ["pods.metrics.k8s.io"],
        "progress": {"totalItems": 3, "itemsBackedUp": 2, "bytes": 5_000_000_000_u64}, "warnings": 1, "errors": 1,
        "failureReason": "x", "validationErrors": ["y"], "attempt": 2, "holder": "pod/a",
        "cluster": {"uid": "u", "version": "v1.35.0"},
        "objects": [{"key": "backups/a/a.tar.zst", "size": 10, "sha256": "00"}],
        "hooks": {"attempted": 2, "failed": 1}, "conditions": [condition()],
    })
}

async fn keep_restores(cluster: &Cluster, namespace: &TestNamespace) {
    let modifiers = json!([
        {"conditions": {"namespaces": ["prod"], "groupResource": "services", "resourceNameRegex": "^web", "labelSelector": selector(),
            "matches": [{"path": "/spec/type", "value": "NodePort"}]},
         "patches": [{"operation": "copy", "from": "/a", "path": "/b"}, {"operation": "add", "path": "/c", "value": {"d": [1, "2", null]}},
            {"operation": "replace", "path": "/e", "value": null}, {"operation": "test", "path": "/f", "value": 1}]},
        {"conditions": {"groupResource": "pods"}, "mergePatches": [{"patchData": "metadata: {labels: null}"}]},
    ]);
    let spec = json!({
        "backupName": "nightly", "includedNamespaces": ["prod"], "excludedResources": ["Secret"],
        "orLabelSelectors": [selector(), {"matchLabels": {"a": ""}}], "includeClusterResources": true,
        "namespaceMapping": {"prod": "stage", "a": "b"}, "existingResourcePolicy": "Recreate", "restorePVs": false,
        "restoreStatus": {"includedResources": ["jobs"], "excludedResources": ["pods"]}, "preserveNodePorts": true,
        "resourceModifiers": modifiers, "resourceModifier": {"apiGroup": "", "kind": "ConfigMap", "name": "rules"},
        "itemOperationTimeout": "4h0m0s", "uploaderConfig": {"writeSparseFiles": true},
        "resourcePolicy": {"kind": "ConfigMap", "name": "policy"}, "storageClassMapping": {"old": "new"}, "imageMapping": {"a.example/": "b.example/"},
        "hooks": {"resources": [{"any": 1}]}, "scale": {"any": 1}, "rerunJobs": [{"name": "x"}], "requireEmpty": true,
        "ttl": "30d",
    });
    let status = json!({
        "phase": "InProgress", "backupName": "nightly", "startTimestamp": TIME, "completionTimestamp": TIME,
        "progress": {"totalItems": 3, "itemsRestored": 2}, "created": 1, "updated": 2, "skipped": 3, "warnings": 4, "errors": 5,
        "failureReason": "x", "validationErrors": ["y"], "attempt": 1, "holder": "h", "conditions": [condition()],
        "choice": ["z"],
    });
    keep::<Restore>(cluster, namespace, "full", spec, status.clone()).await;
    let newest =
        json!({"scheduleName": "daily", "before": TIME, "fromCluster": "u", "allowPartiallyFailed": true});
    keep::<Restore>(cluster, namespace, "from-schedule", newest, status).await;
}

async fn keep_schedules(cluster: &Cluster, namespace: &TestNamespace) {
    let status = json!({
        "phase": "Enabled", "lastBackup": TIME, "lastSkipped": TIME, "validationErrors": ["x"],
        "nextBackup": "2026-11-22T03:00:00+01:00", "observedGeneration": 1, "conditions": [condition()],
        "counting": {"schedule": "@daily", "paused": true, "since": TIME},
        "pending": {"tick": TIME, "name": "n", "proof": "00", "insteadOf": {"name": "m", "uid": "u"}},
    });
    let spec = json!({
        "schedule": "CRON_TZ=Europe/Berlin 0 3 * * 1-5", "template": backup(), "paused": true, "skipImmediately": true,
        "useOwnerReferences": true, "concurrencyPolicy": "Allow", "retention": {"maxAge": "30d", "minCount": 2, "maxCount": 2},
    });
    keep::<Schedule>(cluster, namespace, "full", spec, status.clone()).await;
    for (name, schedule) in
        [("daily", "@daily"), ("every", "@every 1h30m"), ("steps", "*/15  0-6 1,15 JAN ?")]
    {
        keep::<Schedule>(
            cluster,
            namespace,
            name,
            json!({"schedule": schedule, "template": {}}),
            status.clone(),
        )
        .await;
    }
}

async fn keep_locations(cluster: &Cluster, namespace: &TestNamespace) {
    let status = json!({
        "phase": "Available", "message": "x", "id": "u", "capabilities": {"conditionalWrites": true}, "lastSyncedTime": TIME,
        "lastValidationTime": TIME, "counts": {"backups": 2, "partial": 1, "hidden": 3}, "observedGeneration": 1, "conditions": [condition()],
    });
    let spec = json!({
        "provider": "s3", "bucket": "my.bucket-1", "prefix": "clusters/a",
        "config": {"region": "eu-central-1", "endpoint": "https://minio.example:9000", "forcePathStyle": true,
            "serverSideEncryption": "aws:kms", "kmsKeyId": "k", "caCert": "-----BEGIN", "createBucket": true,
            "profile": "ark", "checksumAlgorithm": "", "tagging": "a=b", "credentialsFile": "/c", "customerKeyEncryptionFile": "/k",
            "customerKeyEncryptionSecret": "s/k", "signatureVersion": "1", "insecureSkipTLSVerify": "true", "enableSharedConfig": "true"},
        "credential": {"name": "secret", "key": "cloud"}, "accessMode": "ReadOnly", "default": true, "syncPeriod": "1m",
        "validationPeriod": "2 min",
    });
    keep::<BackupStorageLocation>(cluster, namespace, "s3", spec, status.clone()).await;
    let folder = json!({"provider": "fs", "bucket": "/srv/backups"});
    keep::<BackupStorageLocation>(cluster, namespace, "fs", folder, status).await;
}

/// Velero's own YAML, of which only the group changes.
const VELERO: [(&str, &str); 6] = [
    ("Backup", include_str!("../../velero/backup.yaml")),
    ("Backup", include_str!("../../velero/backup-scoped.yaml")),
    ("Backup", include_str!("../../velero/backup-hooks.yaml")),
    ("Restore", include_str!("../../velero/restore.yaml")),
    ("Schedule", include_str!("../../velero/schedule.yaml")),
    ("BackupStorageLocation", include_str!("../../velero/location.yaml")),
];

/// Leaves out what is null: the API server does, too.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        other => other,
    }
}

/// The API server takes each field of Velero's YAML, and prunes none.
async fn keep_veleros(cluster: &Cluster, namespace: &TestNamespace) {
    for (kind, text) in VELERO {
        let yaml: Value = serde_saphyr::from_str(text).expect("YAML");
        let name = format!("velero-{}", yaml["metadata"]["name"].as_str().expect("a name"));
        let api = super::objects(cluster, namespace, kind);
        let kept = api.create(&PostParams::default(), &super::object(kind, &name, &yaml["spec"])).await;
        let kept = kept.unwrap_or_else(|error| panic!("{kind} {name} is refused: {error}"));
        assert_eq!(
            kept.data["spec"],
            without_nulls(yaml["spec"].clone()),
            "{kind} {name}: not all of it is kept"
        );
    }
}

/// Creates one of each kind with every field set, and finds all of it again.
pub async fn keep_everything(cluster: &Cluster, namespace: &TestNamespace) {
    keep::<Backup>(cluster, namespace, "full", backup(), backup_status()).await;
    keep::<Backup>(
        cluster,
        namespace,
        "empty",
        json!({}),
        json!({"phase": "New", "warnings": 0, "errors": 0}),
    )
    .await;
    keep_restores(cluster, namespace).await;
    keep_schedules(cluster, namespace).await;
    keep_locations(cluster, namespace).await;
    keep_veleros(cluster, namespace).await;
    let status = json!({"phase": "Processed", "errors": ["x"], "processedTimestamp": TIME});
    keep::<DeleteBackupRequest>(cluster, namespace, "full", json!({"backupName": "a"}), status).await;
    let status = json!({"phase": "Processed", "sealedURL": "00", "expiration": TIME, "message": "x", "processedTimestamp": TIME});
    let key = "0".repeat(64);
    let target =
        json!({"target": {"kind": "BackupResults", "name": "a"}, "throughServer": true, "publicKey": key});
    keep::<DownloadRequest>(cluster, namespace, "full", target, status).await;
    let status = json!({"phase": "Processed", "processedTimestamp": TIME, "serverVersion": "0.1.0"});
    keep::<ServerStatusRequest>(cluster, namespace, "full", json!({}), status).await;
}
