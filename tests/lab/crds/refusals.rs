//! What cannot be meant, and the words that the API server refuses it with.

/// An object that is refused at once.
pub struct Refusal {
    /// Its kind.
    pub kind: &'static str,
    /// What its name consists of, 239 times; empty for a name that is fine.
    pub name: &'static str,
    /// Its specification, as JSON.
    pub spec: &'static str,
    /// Part of the answer.
    pub says: &'static str,
}

const fn refusal(kind: &'static str, spec: &'static str, says: &'static str) -> Refusal {
    Refusal { kind, name: "", spec, says }
}

const BACKUP: &str = "Backup";
const RESTORE: &str = "Restore";
const SCHEDULE: &str = "Schedule";
const LOCATION: &str = "BackupStorageLocation";

/// Each is wrong in one way.
pub const REFUSALS: &[Refusal] = &[
    refusal(
        BACKUP,
        r#"{"labelSelector": {}, "orLabelSelectors": [{}]}"#,
        "labelSelector and orLabelSelectors cannot both be set",
    ),
    refusal(BACKUP, r#"{"excludedNamespaces": ["*"]}"#, "excludedNamespaces: `*` would leave nothing"),
    refusal(BACKUP, r#"{"excludedResources": ["*"]}"#, "excludedResources: `*` would leave nothing"),
    refusal(
        BACKUP,
        r#"{"includedNamespaces": ["a"], "excludedNamespaces": ["a"]}"#,
        "includedNamespaces and excludedNamespaces cannot hold the same name",
    ),
    refusal(
        BACKUP,
        r#"{"includedResources": ["pods"], "excludedResources": ["pods"]}"#,
        "includedResources and excludedResources cannot hold the same name",
    ),
    refusal(BACKUP, r#"{"includedNamespaces": ["{a,b}"]}"#, "includedNamespaces must hold names or globs"),
    refusal(BACKUP, r#"{"includedNamespaces": ["a**"]}"#, "includedNamespaces must hold names or globs"),
    refusal(BACKUP, r#"{"excludedNamespaces": ["[a"]}"#, "excludedNamespaces must hold names or globs"),
    refusal(BACKUP, r#"{"includedResources": ["pods/log"]}"#, "spec.includedResources[0]"),
    refusal(BACKUP, r#"{"excludedResources": [""]}"#, "spec.excludedResources[0]"),
    refusal(
        BACKUP,
        r#"{"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}"#,
        "In and NotIn need at least one of values",
    ),
    refusal(
        BACKUP,
        r#"{"orLabelSelectors": [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}]}"#,
        "Exists and DoesNotExist take none",
    ),
    refusal(
        BACKUP,
        r#"{"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}"#,
        "spec.labelSelector.matchExpressions[0].operator",
    ),
    refusal(
        BACKUP,
        r#"{"ttl": "-1h"}"#,
        "a duration is written as `30d`, `12h` or `1h30m`, and is not negative",
    ),
    refusal(BACKUP, r#"{"ttl": "720"}"#, "spec.ttl"),
    refusal(BACKUP, r#"{"storageLocation": ""}"#, "spec.storageLocation"),
    refusal(BACKUP, r#"{"hooks": {"resources": [{"name": "a", "pre": [{}]}]}}"#, "pre[0]"),
    refusal(
        BACKUP,
        r#"{"hooks": {"resources": [{"name": "a", "pre": [{"exec": {"command": ["x"], "timeout": "soon"}}]}]}}"#,
        "pre[0].exec.timeout",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"resources": [{"name": "a", "pre": [{"exec": {"command": []}}]}]}}"#,
        "pre[0].exec.command",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"resources": [{"name": "a", "pre": [{"exec": {"command": ["x"], "onError": "Panic"}}]}]}}"#,
        "pre[0].exec.onError",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "scale": {}}]}}"#,
        "name the workloads to scale to zero",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "scale": {"workloads": [{"resource": "a", "name": "b"}], "resources": ["a"]}}]}}"#,
        "without it, name workloads",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "scale": {"workloads": [{"resource": "a", "name": "b"}]}, "phase": "Pre"}]}}"#,
        "leave phase out",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b"}]}}"#,
        "exactly one of http, job, scale and mongo is an action",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "job": {}}]}}"#,
        "one of the two",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "http": {"path": "/"}}]}}"#,
        "exactly one of service and url says whom to ask",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "http": {"url": "http://a", "path": "/", "body": "x", "bodyFrom": {"name": "a", "key": "b"}}}]}}"#,
        "body and bodyFrom exclude each other",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "http": {"url": "http://a", "path": "/", "basicAuth": {"name": "a"}, "bearerToken": {"name": "a", "key": "b"}}}]}}"#,
        "basicAuth and bearerToken exclude each other",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "http": {"url": "http://a", "path": "/", "caCert": "x", "caCertFrom": {"name": "a", "key": "b"}}}]}}"#,
        "caCert and caCertFrom exclude each other",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "http": {"url": "http://a", "path": "/", "headers": [{"name": "a"}]}}]}}"#,
        "a header has either value or valueFrom",
    ),
    refusal(
        BACKUP,
        r#"{"hooks": {"actions": [{"name": "a", "namespace": "b", "mongo": {"connection": {}}}]}}"#,
        "exactly one of uriSecret, service and pods says where the deployment is",
    ),
    refusal(RESTORE, r#"{}"#, "exactly one of backupName and scheduleName must be set"),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "scheduleName": "b"}"#,
        "exactly one of backupName and scheduleName must be set",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "before": "2026-11-21T03:00:00Z"}"#,
        "before goes only with scheduleName",
    ),
    refusal(RESTORE, r#"{"scheduleName": "a", "before": "yesterday"}"#, "spec.before"),
    refusal(RESTORE, r#"{"backupName": "a", "fromCluster": "b"}"#, "fromCluster goes only with scheduleName"),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "allowPartiallyFailed": true}"#,
        "allowPartiallyFailed goes only with scheduleName",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "existingResourcePolicy": "Replace"}"#,
        "spec.existingResourcePolicy",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "namespaceMapping": {"prod": "Stage"}}"#,
        "namespaceMapping must map names of namespaces",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "namespaceMapping": {"*": "stage"}}"#,
        "namespaceMapping must map names of namespaces",
    ),
    refusal(RESTORE, r#"{"backupName": "a", "namespaceMapping": {"prod": ""}}"#, "spec.namespaceMapping"),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "storageClassMapping": {"old": ""}}"#,
        "spec.storageClassMapping",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "resourceModifiers": [{"conditions": {"groupResource": "pods"}}]}"#,
        "resourceModifiers: each rule needs either patches or mergePatches",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "resourceModifiers": [{"conditions": {}, "mergePatches": [{"patchData": "{}"}]}]}"#,
        "conditions.groupResource",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "resourceModifiers": [{"conditions": {"groupResource": "pods"}, "patches": [{"operation": "move", "path": "/a"}]}]}"#,
        "from: move and copy need it",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "resourceModifiers": [{"conditions": {"groupResource": "pods"}, "patches": [{"operation": "merge", "path": "/a"}]}]}"#,
        "patches[0].operation",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "resourceModifiers": [{"conditions": {"groupResource": "pods"}, "patches": [{"operation": "remove", "path": "a"}]}]}"#,
        "patches[0].path",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "hooks": {"resources": [{"name": "a", "postHooks": [{"init": {"initContainers": []}}]}]}}"#,
        "postHooks[0].init.initContainers",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "hooks": {"resources": [{"name": "a", "postHooks": [{"exec": {"command": ["x"], "waitTimeout": "soon"}}]}]}}"#,
        "postHooks[0].exec.waitTimeout",
    ),
    refusal(
        RESTORE,
        r#"{"backupName": "a", "rerunJobs": [{"name": "a", "labelSelector": {}}]}"#,
        "exactly one of name and labelSelector must be set",
    ),
    refusal(SCHEDULE, r#"{"schedule": "every day", "template": {}}"#, "schedule must be five cron fields"),
    refusal(SCHEDULE, r#"{"schedule": "0 3 * * * *", "template": {}}"#, "schedule must be five cron fields"),
    refusal(SCHEDULE, r#"{"schedule": "@daily"}"#, "spec.template"),
    refusal(SCHEDULE, r#"{"schedule": "@daily", "template": {"excludedResources": ["*"]}}"#, "spec.template"),
    refusal(
        SCHEDULE,
        r#"{"schedule": "@daily", "template": {}, "retention": {"minCount": 1}}"#,
        "retention needs maxAge or maxCount",
    ),
    refusal(
        SCHEDULE,
        r#"{"schedule": "@daily", "template": {}, "retention": {"minCount": 3, "maxCount": 2}}"#,
        "minCount cannot be more than maxCount",
    ),
    Refusal {
        kind: SCHEDULE,
        name: "s",
        spec: r#"{"schedule": "@daily", "template": {}}"#,
        says: "metadata.name must have at most 238 characters",
    },
    refusal(LOCATION, r#"{"provider": "azure", "bucket": "b"}"#, "spec.provider"),
    refusal(LOCATION, r#"{"provider": "s3"}"#, "exactly one of bucket and objectStorage must be set"),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "objectStorage": {"bucket": "bucket"}}"#,
        "exactly one of bucket and objectStorage must be set",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "syncPeriod": "0h0m0s"}"#,
        "a duration must be longer than zero",
    ),
    refusal(LOCATION, r#"{"provider": "s3", "bucket": "a/b"}"#, "bucket must be the name of a bucket"),
    refusal(LOCATION, r#"{"provider": "fs", "bucket": "backups"}"#, "bucket must be an absolute path"),
    refusal(LOCATION, r#"{"provider": "fs", "bucket": "/srv/../etc"}"#, "bucket must be an absolute path"),
    refusal(
        LOCATION,
        r#"{"provider": "fs", "bucket": "/srv", "config": {"region": "x"}}"#,
        "config and credential go only with provider s3",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "prefix": "/a"}"#,
        "prefix must have no `/` at its ends",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "prefix": "a/../b"}"#,
        "prefix must have no `/` at its ends",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "config": {"kmsKeyId": "k", "serverSideEncryption": "AES256"}}"#,
        "kmsKeyId goes only with serverSideEncryption",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "config": {"endpoint": "minio:9000"}}"#,
        "endpoint must be",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "config": {"publicUrl": "minio.example"}}"#,
        "publicUrl must be",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "config": {"serverSideEncryption": "rot13"}}"#,
        "spec.config.serverSideEncryption",
    ),
    refusal(
        LOCATION,
        r#"{"provider": "s3", "bucket": "bucket", "credential": {"name": "s"}}"#,
        "spec.credential.key",
    ),
    refusal("DeleteBackupRequest", r#"{"backupName": ""}"#, "spec.backupName"),
    refusal("DownloadRequest", r#"{"target": {"kind": "Everything", "name": "a"}}"#, "spec.target.kind"),
    refusal(
        "DownloadRequest",
        r#"{"target": {"kind": "BackupLog", "name": "a"}, "publicKey": "none"}"#,
        "spec.publicKey",
    ),
];
