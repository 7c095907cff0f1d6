//! Backup: the items to take, how long and where to keep them, and the status of the run.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    BackupHooks, BackupMetadata, CompiledSelection, Duration, Filter, InvalidSpec, Origin, ScopedKinds,
    Timestamp, VeleroBackup, conditions, duration, schema,
};

/// What to take, how long to keep it, and where.
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
    doc = "A backup of the cluster's objects at one instant, in a bucket.",
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
    /// Which items.
    #[serde(flatten)]
    pub filter: Filter,
    /// Which kinds, in Velero's newer way.
    #[serde(flatten)]
    pub scoped: ScopedKinds,
    /// Whether to snapshot volumes: not yet; refused when true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_volumes: Option<bool>,
    /// How long to keep the backup, as `30d` or `720h0m0s`; the server's default when left out, or zero as Velero writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub ttl: Option<Duration>,
    /// The BackupStorageLocation to write to; the default one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_location: Option<String>,
    /// Commands to run in pods before and after the cut: not yet; refused when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<BackupHooks>,
    /// Databases to dump: not yet; refused when there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::any_objects")]
    pub dumps: Vec<Map<String, Value>>,
    /// Metadata of the Backups of a Schedule, where this is its template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BackupMetadata>,
    /// What only Velero says.
    #[serde(flatten)]
    pub velero: VeleroBackup,
}

/// What became of a Backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<BackupPhase>,
    /// The format of its bytes in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format_version: Option<String>,
    /// When it may be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Timestamp>,
    /// When its work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<Timestamp>,
    /// When its work ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<Timestamp>,
    /// The cut: the revision of the cluster at which every kind was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Kinds that could not be read at the cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds_outside_cut: Vec<String>,
    /// How many items so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<BackupProgress>,
    /// Number of warnings.
    #[serde(default)]
    pub warnings: u64,
    /// Number of errors.
    #[serde(default)]
    pub errors: u64,
    /// Why it failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// What was wrong with its specification.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// Which attempt this is, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Who is making it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The cluster it was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterReference>,
    /// Which run it stands for, and whose that was; the server writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What it consists of in the bucket, the Backup document itself aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<StoredObject>,
    /// How many hooks were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HookCounts>,
    /// Details by condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// How far a Backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BackupPhase {
    /// Not begun.
    #[default]
    New,
    /// Begun.
    InProgress,
    /// Done, with everything that was asked for.
    Completed,
    /// Done, with errors on single items or kinds.
    PartiallyFailed,
    /// Ended by an error; nothing to restore from.
    Failed,
    /// Never begun: the specification is wrong.
    FailedValidation,
    /// Being deleted.
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

/// How many items so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupProgress {
    /// Items known so far.
    #[serde(default)]
    pub total_items: u64,
    /// Items written.
    #[serde(default)]
    pub items_backed_up: u64,
    /// Bytes of the items written, before compression.
    #[serde(default)]
    pub bytes: u64,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReference {
    /// The uid of its namespace `kube-system`.
    pub uid: String,
    /// The version of its API server.
    pub version: String,
}

/// One object in the bucket, so that it can be verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredObject {
    /// Its key, below the location's prefix.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// How many hooks were run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookCounts {
    /// Begun.
    #[serde(default)]
    pub attempted: u64,
    /// Failed.
    #[serde(default)]
    pub failed: u64,
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
        if hooks.is_some() {
            let why = "Ark does not run hooks yet; leave them out, and bring the application to rest by other means before the backup";
            wrong.push(InvalidSpec::new("hooks", why));
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
        let hook = json!({"resources": [{"name": "freeze", "pre": [{"exec": {"command": ["/bin/true"], "onError": "Fail"}}]}]});
        for (spec, says) in [
            (json!({"hooks": hook}), "spec.hooks: Ark does not run hooks yet"),
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
