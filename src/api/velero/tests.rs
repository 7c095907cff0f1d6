//! Tests of Velero's own YAML with only group and version changed: it is read, is valid, and means
//! the same.

use serde_json::{Value, json};

use crate::api::{
    Backup, BackupStorageLocation, ExistingResourcePolicy, HookAction, HookErrorMode, InvalidSpec, Provider,
    Restore, RestoreSpec, Schedule, velero_rules,
};
use crate::model::ClusterScope;

const BACKUP: &str = include_str!("../../../tests/velero/backup.yaml");
const SCOPED: &str = include_str!("../../../tests/velero/backup-scoped.yaml");
const HOOKS: &str = include_str!("../../../tests/velero/backup-hooks.yaml");
const SCHEDULE: &str = include_str!("../../../tests/velero/schedule.yaml");
const RESTORE: &str = include_str!("../../../tests/velero/restore.yaml");
const LOCATION: &str = include_str!("../../../tests/velero/location.yaml");
const RULES: &str = include_str!("../../../tests/velero/rules.yaml");

/// Parses Velero's text with `velero.io/v1` replaced by Ark's group.
fn ours<K: serde::de::DeserializeOwned>(text: &str) -> K {
    let text = text.replacen("apiVersion: velero.io/v1", "apiVersion: ark.heptio.com/v1", 1);
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn spec<S: serde::de::DeserializeOwned>(spec: Value) -> S {
    serde_json::from_value(spec).unwrap()
}

fn fields(wrong: Vec<InvalidSpec>) -> Vec<String> {
    wrong.into_iter().map(|wrong| wrong.field).collect()
}

/// Returns the field names in lines about ignored fields.
fn ignored(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split_whitespace().next().unwrap()).collect()
}

#[test]
fn a_backup_of_velero_means_the_same() {
    let backup: Backup = ours(BACKUP);
    assert_eq!(backup.spec.validate(), []);
    let selection = backup.spec.selection().unwrap();
    assert!(selection.namespaces.takes("shop") && !selection.namespaces.takes("other"));
    assert_eq!(backup.spec.ttl.as_ref().unwrap().length().unwrap().as_secs(), 720 * 3600);
    assert_eq!(backup.spec.hooks, None);
    let lines = backup.spec.ignored();
    let expected = [
        "spec.volumeSnapshotLocations",
        "spec.orderedResources",
        "spec.csiSnapshotTimeout",
        "spec.itemOperationTimeout",
        "spec.uploaderConfig",
    ];
    assert_eq!(ignored(&lines), expected);
}

#[test]
fn hooks_of_velero_mean_the_same() {
    let backup: Backup = ours(HOOKS);
    assert_eq!(backup.spec.validate(), []);
    let [hook] = &*backup.spec.hooks.unwrap().resources else { panic!("one hook") };
    let (HookAction::Exec(pre), HookAction::Exec(post)) = (&hook.pre[0], &hook.post[0]);
    assert_eq!((pre.container.as_deref(), pre.on_error), (Some("fsfreeze"), Some(HookErrorMode::Fail)));
    assert_eq!(pre.timeout.as_ref().unwrap().length().unwrap().as_secs(), 90);
    assert_eq!((post.on_error, &post.timeout), (None, &None), "0s is Velero's default");
}

/// A server reads them so, and would do none of them.
#[test]
fn hooks_that_are_actions_alone_are_not_dropped() {
    let job = json!({"name": "a", "namespace": "b", "job": {"fromCronJob": "c"}});
    let object = json!({"metadata": {"name": "x"}, "spec": {"hooks": {"actions": [job]}}});
    let backup: Backup = serde_json::from_value(object).unwrap();
    assert_eq!(backup.spec.hooks.map(|hooks| hooks.actions.len()), Some(1));
}

#[test]
fn a_backup_of_velero_with_scoped_lists_means_the_same() {
    let backup: Backup = ours(SCOPED);
    assert_eq!(backup.spec.validate(), []);
    let selection = backup.spec.selection().unwrap();
    assert_eq!(selection.cluster_scope, ClusterScope::All);
    assert!(selection.cluster_kinds.is_some());
}

#[test]
fn what_would_be_missing_from_a_backup_is_refused_and_what_asks_for_nothing_is_dropped() {
    let wrong: crate::api::BackupSpec = spec(json!({
        "snapshotMoveData": true, "defaultVolumesToFsBackup": true, "defaultVolumesToRestic": true,
        "resourcePolicy": {"kind": "configmap", "name": "policy"},
    }));
    let expected =
        ["snapshotMoveData", "defaultVolumesToFsBackup", "defaultVolumesToRestic", "resourcePolicy"];
    assert_eq!(fields(wrong.validate()), expected);
    let nothing: crate::api::BackupSpec = spec(json!({
        "snapshotMoveData": false, "defaultVolumesToFsBackup": false, "ttl": "0s", "hooks": {}, "metadata": {},
        "datamover": "", "uploaderConfig": {}, "orderedResources": {}, "csiSnapshotTimeout": "",
    }));
    assert_eq!(nothing, crate::api::BackupSpec::default());
    assert_eq!(serde_json::to_value(&nothing).unwrap(), json!({}));
}

#[test]
fn a_schedule_of_velero_means_the_same() {
    let schedule: Schedule = ours(SCHEDULE);
    assert_eq!(schedule.spec.validate(), []);
    assert_eq!(schedule.spec.use_owner_references, Some(true));
    assert_eq!((schedule.spec.paused, schedule.spec.skip_immediately), (Some(false), Some(false)));
    assert_eq!(schedule.spec.template.ttl, None);
    let labels: Vec<_> = schedule.spec.template.labels().collect();
    assert_eq!(labels, [(&"team".to_owned(), &"web".to_owned())]);
    let both: crate::api::ScheduleSpec = spec(json!({
        "schedule": "@daily", "template": {}, "useOwnerReferences": false, "useOwnerReferencesInBackup": true,
    }));
    assert_eq!(fields(both.validate()), ["useOwnerReferencesInBackup"]);
}

#[test]
fn a_restore_of_velero_means_the_same() {
    let restore: Restore = ours(RESTORE);
    assert_eq!(restore.spec.validate(), []);
    assert_eq!(restore.spec.existing_resource_policy, Some(ExistingResourcePolicy::Update));
    assert_eq!((restore.spec.restore_pvs, restore.spec.preserve_node_ports), (Some(false), Some(true)));
    assert_eq!(restore.spec.schedule_name, None);
    assert_eq!(restore.spec.resource_modifier.as_ref().unwrap().name, "rules");
    assert_eq!(ignored(&restore.spec.ignored()), ["spec.itemOperationTimeout"]);
    let wrong: RestoreSpec = spec(json!({
        "backupName": "a", "hooks": {"resources": [{"name": "x", "postHooks": []}]},
        "resourcePolicy": {"kind": "configmap", "name": "policy"}, "resourceModifier": {"kind": "Secret", "name": "rules"},
    }));
    assert_eq!(fields(wrong.validate()), ["resourceModifier.kind", "hooks", "resourcePolicy"]);
}

#[test]
fn a_location_of_velero_means_the_same() {
    let location: BackupStorageLocation = ours(LOCATION);
    assert_eq!(location.spec.validate(), []);
    let same: BackupStorageLocation = serde_json::from_value(json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation", "metadata": {"name": "default", "namespace": "velero"},
        "spec": {
            "provider": "s3", "bucket": "backups", "prefix": "clusters/a", "default": true, "accessMode": "ReadWrite",
            "credential": {"name": "cloud-credentials", "key": "cloud"}, "syncPeriod": "2m0s", "validationPeriod": "1m0s",
            "config": {"region": "minio", "endpoint": "http://minio.velero.svc:9000", "forcePathStyle": true, "profile": "default",
                "caCert": "-----BEGIN CERTIFICATE-----\n"},
        },
    }))
    .unwrap();
    assert_eq!(location.spec, same.spec);
    assert_eq!(serde_json::to_value(&location.spec).unwrap(), serde_json::to_value(&same.spec).unwrap());
}

#[test]
fn what_a_location_cannot_take_over_is_refused_by_name() {
    for provider in ["aws", "velero.io/aws", "s3"] {
        let location: BackupStorageLocation = spec(json!({
            "apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation", "metadata": {},
            "spec": {"provider": provider, "objectStorage": {"bucket": "backups", "caCertRef": {"name": "a", "key": "b"}}, "config": {
                "insecureSkipTLSVerify": "true", "signatureVersion": "1", "customerKeyEncryptionFile": "/k", "credentialsFile": "/c",
                "s3ForcePathStyle": "yes", "endpoint": "https://a.example", "s3Url": "https://b.example", "tagging": "a=b",
                "kmsKeyId": "k"}},
        }));
        assert_eq!(location.spec.provider, Provider::S3);
        let expected = [
            "objectStorage.caCertRef",
            "config.s3Url",
            "config.s3ForcePathStyle",
            "config.insecureSkipTLSVerify",
            "config.signatureVersion",
            "config.customerKeyEncryptionFile",
            "config.credentialsFile",
        ];
        assert_eq!(fields(location.spec.validate()), expected);
        assert_eq!(ignored(&location.spec.ignored()), ["spec.config.tagging"]);
        assert_eq!(location.spec.config.unwrap().server_side_encryption.as_deref(), Some("aws:kms"));
    }
    let twice: crate::api::BackupStorageLocationSpec = spec(json!({
        "provider": "aws", "bucket": "one", "objectStorage": {"bucket": "two"}, "syncPeriod": "1m", "backupSyncPeriod": "2m",
    }));
    assert_eq!(fields(twice.validate()), ["objectStorage", "backupSyncPeriod"]);
}

#[test]
fn what_is_read_and_written_again_is_read_alike() {
    let kept = json!({
        "snapshotMoveData": true, "orderedResources": {"pods": "a/b"}, "csiSnapshotTimeout": "10m0s", "includedNamespaces": ["a"],
        "includedClusterScopedResources": ["nodes"], "metadata": {"labels": {"a": "b"}},
    });
    let read: crate::api::BackupSpec = spec(kept.clone());
    assert_eq!(serde_json::to_value(&read).unwrap(), kept);
}

#[test]
fn values_of_veleros_rules_stand_for_json() {
    let rules = velero_rules(RULES).unwrap();
    let values: Vec<Value> = rules[0].patches.iter().filter_map(|patch| patch.value.clone()).collect();
    assert_eq!(
        values,
        [json!("premium"), json!(3), json!(true), json!("3"), json!({"a": 1}), Value::Null, json!("t")]
    );
    assert_eq!(rules[0].conditions.matches[0].value, Some(json!(1)));
    assert_eq!(rules[1].merge_patches.len(), 1);
    for (from, to, says) in [
        ("version: v1", "version: v2", "Ark reads only `v1`"),
        ("mergePatches:", "strategicPatches:", "rule 2: Ark has no strategicPatches"),
        ("mergePatches:", "mergedPatches:", "rule 2: `mergedPatches` is not a field of a rule"),
        ("resourceModifierRules:", "rules:", "not a document of resource modifier rules"),
    ] {
        let refused = velero_rules(&RULES.replace(from, to)).unwrap_err();
        assert!(refused.contains(says), "{refused}");
    }
}
