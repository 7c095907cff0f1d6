//! Backup: the items to take, how long and where to keep them, and the status of the run.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    BackupHooks, BackupMetadata, CompiledSelection, Duration, Filter, InvalidSpec, Origin, PendingUndo,
    ScopedKinds, Timestamp, VeleroBackup, conditions, duration, schema,
};

/// Selects what is backed up and where to, and says how long the backup is kept. A Backup that has
/// begun cannot be changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "ark.heptio.com",
    version = "v1",
    kind = "Backup",
    namespaced,
    status = "BackupStatus",
    derive = "PartialEq",
    shortname = "bkp",
    category = "ark",
    doc = "A backup of the cluster's objects as they were at one instant, in a bucket. Creating a Backup makes \
           the server run it once. `ark backup delete` removes it from the bucket; a Backup that is only \
           deleted with kubectl comes back as long as the bucket has it. Example: `spec: {includedNamespaces: \
           [shop], ttl: 720h}`.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Errors", type_ = "integer", json_path = ".status.errors"),
    printcolumn(name = "Warnings", type_ = "integer", json_path = ".status.warnings"),
    printcolumn(name = "Items", type_ = "integer", json_path = ".status.progress.itemsBackedUp"),
    printcolumn(name = "Location", type_ = "string", json_path = ".spec.storageLocation"),
    printcolumn(name = "Started", type_ = "date", json_path = ".status.startTimestamp"),
    printcolumn(name = "Waiting", type_ = "string", json_path = ".status.conditions[?(@.type==\"Waiting\")].reason"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiration", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase == 'New' || self.spec == oldSelf.spec")
        .message("spec cannot be changed once the backup has begun; create another Backup")
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(crates(serde = "crate::api::velero::copied"))]
pub struct BackupSpec {
    /// Selection of items by namespace, kind and label.
    #[serde(flatten)]
    pub filter: Filter,
    /// Selection of kinds in Velero's newer way.
    #[serde(flatten)]
    pub scoped: ScopedKinds,
    /// Asks for snapshots of volumes. Not supported yet: `true` is refused (phase
    /// FailedValidation); `false` changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_volumes: Option<bool>,
    /// Time for which the backup is kept, counted from its start: numbers with the units s, m, h,
    /// d, w or y, for example `30d`, `720h` or `1h30m`. Garbage collection deletes the backup
    /// afterwards. Default: the server's `--default-ttl` (720h); `0s`, as Velero writes it, means
    /// the default, too. The longest is `100y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub ttl: Option<Duration>,
    /// Name of the BackupStorageLocation to write to, in the same namespace. Default: the location
    /// whose `default` is true, or else the one that the server's `--default-location` names
    /// (`default`). The server writes its choice into this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_location: Option<String>,
    /// Commands to run in pods before and after the instant of the backup; pods may also ask for
    /// them by annotation, which wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<BackupHooks>,
    /// Databases to dump with the backup. Not supported yet: a Backup with dumps is refused (phase
    /// FailedValidation).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::any_objects")]
    pub dumps: Vec<Map<String, Value>>,
    /// Labels for the Backups of a Schedule; has an effect only in the template of a Schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BackupMetadata>,
    /// Fields that only Velero has.
    #[serde(flatten)]
    pub velero: VeleroBackup,
}

/// Progress and result of the Backup; written by the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Progress of the Backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<BackupPhase>,
    /// Version of the bucket format in which the backup is written: `2`. Empty until the backup is
    /// complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format_version: Option<String>,
    /// Time at which the ttl ends (RFC 3339, UTC); garbage collection deletes the backup after it.
    /// A Backup with the condition KeptAsLastGood is kept nevertheless. Empty until the work has
    /// begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Timestamp>,
    /// Time at which the work began (RFC 3339, UTC); of a complete backup, the instant of which it
    /// shows the cluster. Empty until the work has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<Timestamp>,
    /// Time at which the work ended (RFC 3339, UTC); empty until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<Timestamp>,
    /// resourceVersion of the cluster at which every kind was read, except kindsOutsideCut. Empty
    /// until the backup is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Kinds of which items were read later than at `revision`, as `plural.group`, for example
    /// `widgets.example.com`; a warning names each. Usually empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds_outside_cut: Vec<String>,
    /// Number of items written and number of items known so far; updated about once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<BackupProgress>,
    /// Number of warnings; `ark backup describe NAME --details` lists them.
    #[serde(default)]
    pub warnings: u64,
    /// Number of errors, each an item or a kind that is missing in the backup, or a hook that
    /// failed; `ark backup describe NAME --details` lists them.
    #[serde(default)]
    pub errors: u64,
    /// Reason why the backup failed as a whole (phase Failed); otherwise empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// Reasons why the Backup was refused (phase FailedValidation), one entry each, which begins
    /// with the field where one is wrong, for example `spec.ttl: …`. Otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// Number of the current or last attempt, from 1. An attempt whose server dies is followed by
    /// the next one; after the third the Backup is Failed. Empty until the work has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Process that makes or made the backup: the name of the server's pod, or `host/process id` of
    /// a server or a command outside of a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Cluster of which the backup is; empty until the backup is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterReference>,
    /// Identity of the run that this object stands for: location, cluster, server and Schedule.
    /// Only the server writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Files of the backup in the bucket, with size and hash; the document `ark-backup.json` itself
    /// is not among them. Empty until the backup is complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<StoredObject>,
    /// Number of hooks that were run; empty if there were none, or the backup is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HookCounts>,
    /// What the backup changed outside of the bucket and has yet to undo, by the name of the
    /// document below `obligations/` in the bucket that says the same. Empty as soon as it is
    /// undone; a server undoes what another one left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub obligations: BTreeMap<String, Vec<PendingUndo>>,
    /// Conditions by type: Complete or Failed once the work has ended (the reason is the phase),
    /// Waiting (why the backup does not begin or go on), Stored (the document is in the bucket),
    /// KeptAsLastGood (why the backup is kept beyond its ttl), NameTaken (another run has the name
    /// in the bucket), Deletion (since when it is being deleted), HooksSucceeded (whether all hooks
    /// did; the reason says what failed, for example ForeignLock).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Progress of the Backup. New: not begun; the condition Waiting may say why. InProgress: the work
/// has begun. Completed: the backup is complete, without errors. PartiallyFailed: the backup can be
/// restored from, but single items or kinds are missing, or hooks failed. Failed: there is no
/// backup; see failureReason. FailedValidation: refused before any work; see validationErrors.
/// Deleting: the backup is being removed from the bucket. Empty until a server has seen the Backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BackupPhase {
    /// Not begun.
    #[default]
    New,
    /// The work has begun.
    InProgress,
    /// The work has ended without errors.
    Completed,
    /// The work has ended with errors on single items, kinds or hooks.
    PartiallyFailed,
    /// The work has ended by an error; there is nothing to restore from.
    Failed,
    /// The Backup was refused before any work.
    FailedValidation,
    /// The backup is being removed from the bucket.
    Deleting,
}

impl BackupStatus {
    /// Returns the uid of the cluster that made the backup, or `None` if the status does not say.
    /// Earlier versions recorded it in `status.cluster` alone.
    pub fn made_in(&self) -> Option<&str> {
        let origin = self.origin.as_ref().and_then(|origin| origin.cluster.as_deref());
        origin.or(self.cluster.as_ref().map(|cluster| cluster.uid.as_str()))
    }

    /// Sets the conditions `Complete` and `Failed` by the phase.
    pub fn conclude(&mut self, generation: Option<i64>) {
        let items = self.progress.as_ref().map_or(0, |progress| progress.items_backed_up);
        let mut message = format!("{items} items, {} warnings, {} errors", self.warnings, self.errors);
        if !self.validation_errors.is_empty() {
            message = self.validation_errors.join("; ");
        } else if let Some(reason) = &self.failure_reason {
            message.clone_from(reason);
        }
        let (phase, ended) = (self.phase.unwrap_or_default().to_string(), self.completion_timestamp);
        conditions::conclude(&mut self.conditions, &phase, message, ended, generation);
    }
}

impl BackupPhase {
    /// Returns true if the run has ended, well or not.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::PartiallyFailed | Self::Failed | Self::FailedValidation)
    }
}

impl fmt::Display for BackupPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f) // the variants are named as the API server spells them
    }
}

/// Number of items written and number of items known so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupProgress {
    /// Number of items known so far; grows while kinds are listed.
    #[serde(default)]
    pub total_items: u64,
    /// Number of items written so far.
    #[serde(default)]
    pub items_backed_up: u64,
    /// Size of the items written so far, in bytes before compression.
    #[serde(default)]
    pub bytes: u64,
}

/// A cluster, by uid and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReference {
    /// The uid of the namespace `kube-system`, which identifies the cluster.
    pub uid: String,
    /// Version of the API server.
    pub version: String,
}

/// A file of a backup or restore in the bucket, with what is needed to verify it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredObject {
    /// Key of the file below the location's prefix, for example
    /// `backups/nightly/1-3f9c2e7b41d0/nightly.tar.zst`.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, 64 hexadecimal digits.
    pub sha256: String,
}

/// Number of hooks that were run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookCounts {
    /// Number of hooks that were begun.
    #[serde(default)]
    pub attempted: u64,
    /// Number of hooks that failed.
    #[serde(default)]
    pub failed: u64,
    /// How long each database was locked, in the order in which they were released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<LockTime>,
}

/// How long a database was locked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockTime {
    /// Name of the action that locked it.
    pub action: String,
    /// Time from the first lock taken to the last one released, in milliseconds.
    pub held_milliseconds: u64,
}

impl StoredObject {
    /// Returns true if the file is the tarball of a backup.
    pub fn is_tarball(&self) -> bool {
        self.key.ends_with(".tar.zst")
    }
}

impl BackupSpec {
    /// Compiles the selection of items.
    ///
    /// # Errors
    /// Everything that is wrong with the selection.
    pub fn selection(&self) -> Result<CompiledSelection, Vec<InvalidSpec>> {
        self.scoped.compile(&self.filter)
    }

    /// Yields the labels that a Schedule with this template gives its Backups.
    pub fn labels(&self) -> impl Iterator<Item = (&String, &String)> {
        self.metadata.iter().flat_map(|metadata| &metadata.labels)
    }

    /// Returns everything that is wrong with the specification; empty if it is valid.
    pub fn validate(&self) -> Vec<InvalidSpec> {
        let Self {
            filter,
            scoped,
            snapshot_volumes,
            ttl,
            storage_location,
            hooks,
            dumps,
            metadata: _,
            velero,
        } = self;
        let mut wrong = scoped.compile(filter).err().unwrap_or_default();
        if let Some(Err(error)) = ttl.as_ref().map(Duration::length) {
            wrong.push(InvalidSpec::new("ttl", error));
        }
        if storage_location.as_deref() == Some("") {
            wrong
                .push(InvalidSpec::new("storageLocation", "is empty; leave it out for the default location"));
        }
        if *snapshot_volumes == Some(true) {
            let why = "Ark takes no snapshots of volumes yet; leave it out or set it to false, and back the data up by other means";
            wrong.push(InvalidSpec::new("snapshotVolumes", why));
        }
        wrong.extend(hooks.iter().flat_map(BackupHooks::validate));
        if !dumps.is_empty() {
            let why = "Ark does not dump databases yet; leave them out, and back the databases up with their own tools";
            wrong.push(InvalidSpec::new("dumps", why));
        }
        wrong.extend(velero.refused());
        wrong
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_there_yet_is_refused_where_it_is_asked_for() {
        let refused = |spec: Value| {
            let spec: BackupSpec = serde_json::from_value(spec).unwrap();
            spec.validate().into_iter().map(|wrong| wrong.to_string()).collect::<Vec<_>>()
        };
        for (spec, says) in [
            (json!({"dumps": [{"name": "db"}]}), "spec.dumps: Ark does not dump databases yet"),
            (json!({"snapshotVolumes": true}), "spec.snapshotVolumes: Ark takes no snapshots of volumes yet"),
        ] {
            let said = refused(spec.clone());
            assert!(matches!(&*said, [one] if one.starts_with(says)), "{spec}: {said:?}");
        }
        let nothing = json!({"hooks": {"resources": []}, "dumps": [], "snapshotVolumes": false});
        assert_eq!(refused(nothing), Vec::<String>::new());
        assert_eq!(refused(json!({"hooks": {}})), Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_found_in_one_pass() {
        let spec = BackupSpec {
            ttl: serde_json::from_str("\"-1h\"").unwrap(),
            storage_location: Some(String::new()),
            filter: Filter { excluded_namespaces: vec!["*".into()], ..Filter::default() },
            ..BackupSpec::default()
        };
        let fields: Vec<String> = spec.validate().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["excludedNamespaces", "ttl", "storageLocation"]);
    }

    #[test]
    fn a_backup_reads_back_as_it_was_written() {
        let mut backup =
            Backup::new("a", BackupSpec { ttl: Some("30d".parse().unwrap()), ..BackupSpec::default() });
        backup.status = Some(BackupStatus {
            phase: Some(BackupPhase::Completed),
            expiration: Some(Timestamp::now()),
            objects: vec![StoredObject { key: "backups/a/a.tar.zst".into(), size: 1, sha256: "00".into() }],
            ..BackupStatus::default()
        });
        let text = serde_json::to_string(&backup).unwrap();
        assert_eq!(serde_json::from_str::<Backup>(&text).unwrap(), backup);
    }
}
