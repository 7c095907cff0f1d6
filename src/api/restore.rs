//! Restore: the backup, the items, the changes to them, and the status of the run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mapping::{check_mapping, check_namespace_mapping};
use super::{
    CompiledSelection, Duration, Filter, InvalidSpec, LocalReference, Origin, ResourceModifier, StoredObject,
    Timestamp, VeleroRestore, conditions, schema,
};

/// From which backup, which items, and how they are changed on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "ark.heptio.com",
    version = "v1",
    kind = "Restore",
    namespaced,
    status = "RestoreStatus",
    derive = "PartialEq",
    shortname = "rst",
    category = "ark",
    doc = "Brings the objects of a backup back, there or in another cluster.",
    printcolumn(name = "Backup", type_ = "string", json_path = ".spec.backupName"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Errors", type_ = "integer", json_path = ".status.errors"),
    printcolumn(name = "Warnings", type_ = "integer", json_path = ".status.warnings"),
    printcolumn(name = "Items", type_ = "integer", json_path = ".status.progress.itemsRestored"),
    printcolumn(name = "Waiting", type_ = "string", json_path = ".status.conditions[?(@.type==\"Waiting\")].reason"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.scheduleName", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase == 'New' || self.spec == oldSelf.spec")
        .message("spec cannot be changed once the restore has begun; create another Restore")
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(crates(serde = "crate::api::velero::copied"))]
#[x_kube(
    validation = Rule::new("(has(self.backupName) && self.backupName != '') != (has(self.scheduleName) && self.scheduleName != '')")
        .message("exactly one of backupName and scheduleName must be set"),
    validation = Rule::new("!has(self.before) || (has(self.scheduleName) && self.scheduleName != '')")
        .message("before goes only with scheduleName"),
    validation = Rule::new("!has(self.fromCluster) || (has(self.scheduleName) && self.scheduleName != '')")
        .message("fromCluster goes only with scheduleName"),
    validation = Rule::new("!has(self.allowPartiallyFailed) || (has(self.scheduleName) && self.scheduleName != '')")
        .message("allowPartiallyFailed goes only with scheduleName"),
)]
pub struct RestoreSpec {
    /// The Backup to restore from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub backup_name: Option<String>,
    /// Instead: the Schedule whose newest Completed Backup to restore from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub schedule_name: Option<String>,
    /// With scheduleName: only Backups begun before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// With scheduleName: the uid of the cluster whose Backups are meant; this cluster's when left out, or, where it has none, those
    /// of the only other one that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub from_cluster: Option<String>,
    /// With scheduleName: whether a Backup that PartiallyFailed may be the newest; false when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_partially_failed: Option<bool>,
    /// Which items of the backup; namespaces by their names in the backup.
    #[serde(flatten)]
    pub filter: Filter,
    /// Namespaces to restore under another name: from the name in the backup to the one in the cluster.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::namespace_mapping")]
    pub namespace_mapping: BTreeMap<String, String>,
    /// What to do about an item that is there already; None when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "policy_schema")]
    pub existing_resource_policy: Option<ExistingResourcePolicy>,
    /// Whether to bring volumes back: where there is data for them when left out.
    #[serde(default, rename = "restorePVs", skip_serializing_if = "Option::is_none")]
    pub restore_pvs: Option<bool>,
    /// Kinds whose status comes back too; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_status: Option<StatusFilter>,
    /// Whether Services keep their node ports; false when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_node_ports: Option<bool>,
    /// Changes to items on their way back, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub resource_modifiers: Vec<ResourceModifier>,
    /// A ConfigMap of the server's namespace with more of them, in Velero's format; they come after resourceModifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_modifier: Option<LocalReference>,
    /// Storage classes to replace: from the old name to the new.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::mapping")]
    pub storage_class_mapping: BTreeMap<String, String>,
    /// Container images to replace: from the beginning of the old name to that of the new.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::mapping")]
    pub image_mapping: BTreeMap<String, String>,
    /// Commands to run in restored pods: not yet; refused when there are any.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "schema::any_object")]
    pub hooks: Map<String, Value>,
    /// Workloads to scale down for the time of the restore: not yet; refused when there are any.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "schema::any_object")]
    pub scale: Map<String, Value>,
    /// Jobs to run again afterwards: not yet; refused when there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::any_objects")]
    pub rerun_jobs: Vec<Map<String, Value>>,
    /// Refuse when a target namespace holds anything that the restore would collide with; false when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_empty: Option<bool>,
    /// How long the record of the restore is kept once it has ended; as long as its Backup when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// What only Velero says.
    #[serde(flatten)]
    pub velero: VeleroRestore,
}

/// What to do about an item that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExistingResourcePolicy {
    /// Leave it; a warning when it differs.
    #[default]
    #[serde(alias = "none")]
    None,
    /// Make it as it was in the backup, in place.
    #[serde(alias = "update")]
    Update,
    /// Delete it, wait until it is gone, create it. What it owned stays, and belongs to the new one where it is restored, too.
    #[serde(alias = "recreate")]
    Recreate,
}

impl fmt::Display for ExistingResourcePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f) // the variants are named as the API server spells them
    }
}

impl FromStr for ExistingResourcePolicy {
    type Err = InvalidPolicy;
    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "update" => Ok(Self::Update),
            "recreate" => Ok(Self::Recreate),
            _ => Err(InvalidPolicy(text.to_owned())),
        }
    }
}

/// A text that is not an [`ExistingResourcePolicy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no policy for existing resources: use None, Update or Recreate")]
pub struct InvalidPolicy(String);

/// Returns the schema of the policy, which Velero writes in lower case, so that both spellings are
/// accepted.
fn policy_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "enum": ["None", "Update", "Recreate", "none", "update", "recreate"]})
}

/// Kinds whose status comes back too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusFilter {
    /// Kinds to include; nothing means none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 253)))]
    pub included_resources: Vec<String>,
    /// Kinds to leave out all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 253)))]
    pub excluded_resources: Vec<String>,
}

/// The most findings that a status keeps; the schema allows no more.
pub const MAX_STATUS_FINDINGS: usize = 50;

/// What became of a Restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStatus {
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RestorePhase>,
    /// The Backup that is restored, when the specification names a Schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_name: Option<String>,
    /// Which run that Backup stands for, by the uid that it had where it was made: no other of its name is restored. It is noted
    /// when the Restore waits or begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_run: Option<String>,
    /// What somebody might not expect of that Backup: it is another cluster's, or newer ones were passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 2000)))]
    pub choice: Vec<String>,
    /// When its work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<Timestamp>,
    /// When its work ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<Timestamp>,
    /// How many items so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RestoreProgress>,
    /// Items that were created.
    #[serde(default)]
    pub created: u64,
    /// Items that were there and were changed.
    #[serde(default)]
    pub updated: u64,
    /// Items that were left out, or were there and left alone.
    #[serde(default)]
    pub skipped: u64,
    /// Number of warnings.
    #[serde(default)]
    pub warnings: u64,
    /// Number of errors.
    #[serde(default)]
    pub errors: u64,
    /// Why it failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// The first warnings and errors, errors before warnings, of a Restore from a ReadOnly location: nothing else keeps them.
    /// Of any other they are in the bucket (`ark restore describe`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 2000)))]
    pub findings: Vec<String>,
    /// What was wrong with its specification.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// Which attempt this is, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How often its server ended in good order and left it to the next one; such attempts count for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<u32>,
    /// Who is doing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Which run it stands for, and whose that was; the server writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What its record consists of in the bucket, the Restore document itself aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<StoredObject>,
    /// Details by condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// How far a Restore is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RestorePhase {
    /// Not begun.
    #[default]
    New,
    /// Begun.
    InProgress,
    /// Done, with everything that was asked for.
    Completed,
    /// Done, with errors on single items or kinds.
    PartiallyFailed,
    /// Ended by an error.
    Failed,
    /// Never begun: the specification is wrong.
    FailedValidation,
}

impl RestoreStatus {
    /// Sets the conditions `Complete` and `Failed` by the phase.
    pub fn conclude(&mut self, generation: Option<i64>) {
        let Self { created, updated, skipped, warnings, errors, .. } = self;
        let mut message = format!(
            "{created} created, {updated} updated, {skipped} skipped, {warnings} warnings, {errors} errors"
        );
        if !self.validation_errors.is_empty() {
            message = self.validation_errors.join("; ");
        } else if let Some(reason) = &self.failure_reason {
            message.clone_from(reason);
        }
        let (phase, ended) = (self.phase.unwrap_or_default().to_string(), self.completion_timestamp);
        conditions::conclude(&mut self.conditions, &phase, message, ended, generation);
    }
}

impl RestorePhase {
    /// Returns true if the run has ended, well or not.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::New | Self::InProgress)
    }
}

impl fmt::Display for RestorePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f) // the variants are named as the API server spells them
    }
}

/// How many items so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreProgress {
    /// Items to restore.
    #[serde(default)]
    pub total_items: u64,
    /// Items dealt with.
    #[serde(default)]
    pub items_restored: u64,
}

impl RestoreSpec {
    /// Compiles the selection of the backup's items.
    ///
    /// # Errors
    /// Everything that is wrong with the selection.
    pub fn selection(&self) -> Result<CompiledSelection, Vec<InvalidSpec>> {
        self.filter.compile()
    }

    /// Returns everything that is wrong with the specification; empty if it is valid.
    pub fn validate(&self) -> Vec<InvalidSpec> {
        let mut wrong = self.validate_source();
        wrong.extend(self.filter.compile().err().unwrap_or_default());
        wrong.extend(check_namespace_mapping(&self.namespace_mapping, &self.filter.included_namespaces));
        wrong.extend(check_mapping("storageClassMapping", &self.storage_class_mapping));
        wrong.extend(check_mapping("imageMapping", &self.image_mapping));
        for (at, modifier) in self.resource_modifiers.iter().enumerate() {
            wrong.extend(modifier.validate(&format!("resourceModifiers[{at}]")));
        }
        let reference = self.resource_modifier.as_ref();
        wrong.extend(reference.and_then(|reference| reference.check_config_map("resourceModifier")));
        if let Some(Err(error)) = self.ttl.as_ref().map(Duration::length) {
            wrong.push(InvalidSpec::new("ttl", error));
        }
        for (field, asked, what) in [
            ("hooks", !self.hooks.is_empty(), "run hooks"),
            ("scale", !self.scale.is_empty(), "scale workloads down for the time of a restore"),
            ("rerunJobs", !self.rerun_jobs.is_empty(), "run jobs again"),
        ] {
            if asked {
                let why = format!("Ark does not {what} yet; leave it out, and do it by other means");
                wrong.push(InvalidSpec::new(field, why));
            }
        }
        wrong.extend(self.velero.refused());
        wrong
    }

    fn validate_source(&self) -> Vec<InvalidSpec> {
        let given = |name: &Option<String>| name.as_deref().is_some_and(|name| !name.is_empty());
        let mut wrong = Vec::new();
        match (given(&self.backup_name), given(&self.schedule_name)) {
            (true, true) => {
                wrong.push(InvalidSpec::new(
                    "backupName",
                    "cannot be set together with scheduleName; keep one of them",
                ));
            }
            (false, false) => {
                wrong.push(InvalidSpec::new(
                    "backupName",
                    "is needed, or scheduleName for that Schedule's newest Backup",
                ));
            }
            _ => {}
        }
        let only = [
            ("before", self.before.is_some()),
            ("fromCluster", self.from_cluster.is_some()),
            ("allowPartiallyFailed", self.allow_partially_failed.is_some()),
        ];
        for (field, _) in only.iter().filter(|(_, set)| *set && !given(&self.schedule_name)) {
            wrong.push(InvalidSpec::new(*field, "goes only with scheduleName"));
        }
        wrong
    }
}

#[cfg(test)]
mod tests;
