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
    CompiledSelection, Duration, Filter, HookCounts, InvalidSpec, LocalReference, Origin, RerunJob,
    ResourceModifier, RestoreHooks, StoredObject, Timestamp, VeleroRestore, conditions, schema,
};

/// Names the backup, selects its items and says how they are changed; fixed once the work has
/// begun.
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
    doc = "Creates the objects of a Backup again, in the cluster that was backed up or in another one. Creating a Restore makes the server run it once. \
           What exists already is left as it is unless existingResourcePolicy says otherwise. Example: `spec: {backupName: nightly, namespaceMapping: {shop: shop-copy}}`.",
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
    /// Name of the Backup to restore; exactly one of backupName and scheduleName must be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub backup_name: Option<String>,
    /// Name of the Schedule whose newest Completed Backup is restored, instead of backupName.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub schedule_name: Option<String>,
    /// With scheduleName: takes only Backups begun before this time, as `2026-11-21T03:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// With scheduleName: uid of the cluster that made the Backup. Default: this cluster, or if it
    /// has none of the Schedule, the only other cluster that has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub from_cluster: Option<String>,
    /// With scheduleName: takes a Backup that PartiallyFailed, too; default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_partially_failed: Option<bool>,
    /// Selection of items of the backup; namespaces by their names in the backup.
    #[serde(flatten)]
    pub filter: Filter,
    /// Restores namespaces under other names, for example `{shop: shop-copy}`; default: the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::namespace_mapping")]
    pub namespace_mapping: BTreeMap<String, String>,
    /// Treatment of items that exist and differ from the backup: None (the default) leaves them and
    /// warns, Update changes them in place, Recreate deletes them and creates them anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "policy_schema")]
    pub existing_resource_policy: Option<ExistingResourcePolicy>,
    /// Brings PersistentVolumes (not their data) back: `true` all, `false` none, so that PVCs get
    /// empty ones. Default: all but those with the reclaim policy Delete.
    #[serde(default, rename = "restorePVs", skip_serializing_if = "Option::is_none")]
    pub restore_pvs: Option<bool>,
    /// Kinds whose status is restored as well; default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_status: Option<StatusFilter>,
    /// Asks for all node ports as in the backup; default: false, only for those a person chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_node_ports: Option<bool>,
    /// Rules that change items before they are created, in this order; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub resource_modifiers: Vec<ResourceModifier>,
    /// ConfigMap in the server's namespace with more rules, in Velero's format, applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_modifier: Option<LocalReference>,
    /// Replaces storage classes, from the old name to the new, for example `{gp2: premium}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::mapping")]
    pub storage_class_mapping: BTreeMap<String, String>,
    /// Replaces the beginning of container images, at most up to a `/`, `:` or `@`, for example
    /// `{registry.old: registry.new, "busybox:1": "busybox:2"}`; the longest match wins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::mapping")]
    pub image_mapping: BTreeMap<String, String>,
    /// Init containers for restored pods, and commands to run in them; default: none but those that
    /// pods ask for by annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<RestoreHooks>,
    /// Workloads to scale down during the restore. Not supported yet: refused (FailedValidation).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "schema::any_object")]
    pub scale: Map<String, Value>,
    /// Jobs to run again after the hooks, one after the other; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub rerun_jobs: Vec<RerunJob>,
    /// Refuses the Restore, before any change, if a namespaced item exists already; default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_empty: Option<bool>,
    /// Time to keep the record after the restore, as `7d` or `12h`; default: as long as the Backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Fields that only Velero has.
    #[serde(flatten)]
    pub velero: VeleroRestore,
}

/// Says what is done with an item that exists and differs from the backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExistingResourcePolicy {
    /// Leaves the item and warns.
    #[default]
    #[serde(alias = "none")]
    None,
    /// Changes the item in place to what the backup has.
    #[serde(alias = "update")]
    Update,
    /// Deletes the item, waits until it is gone, and creates it. What it owned stays.
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

/// Selects the kinds whose status is restored as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusFilter {
    /// Kinds whose status is restored, for example `widgets.example.com`; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 253)))]
    pub included_resources: Vec<String>,
    /// Kinds whose status is not restored, even if included; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 253)))]
    pub excluded_resources: Vec<String>,
}

/// The most findings that a status keeps; the schema allows no more.
pub const MAX_STATUS_FINDINGS: usize = 50;

/// Progress and result of the Restore; written by the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStatus {
    /// Progress of the Restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RestorePhase>,
    /// Name of the Backup that is restored, also if the spec names a Schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_name: Option<String>,
    /// The uid of that Backup where it was made; no other Backup of its name is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_run: Option<String>,
    /// Notes on the choice of the Backup, for example that newer ones were passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 2000)))]
    pub choice: Vec<String>,
    /// Time at which the first attempt began (RFC 3339, UTC); empty until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<Timestamp>,
    /// Time at which the work ended (RFC 3339, UTC); empty until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<Timestamp>,
    /// Number of items done and number of items to restore; updated about once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RestoreProgress>,
    /// Number of items that were created.
    #[serde(default)]
    pub created: u64,
    /// Number of items that existed and were changed.
    #[serde(default)]
    pub updated: u64,
    /// Number of items that were left out, or that existed and were left as they are.
    #[serde(default)]
    pub skipped: u64,
    /// Number of warnings; `ark restore describe NAME --details` lists them.
    #[serde(default)]
    pub warnings: u64,
    /// Number of errors; `ark restore describe NAME --details` lists them.
    #[serde(default)]
    pub errors: u64,
    /// Number of hooks that were run afterwards; empty if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HookCounts>,
    /// Reason why the restore ended early (phase Failed); otherwise empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// First 50 findings, errors first, of a Restore from a ReadOnly location; otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 2000)))]
    pub findings: Vec<String>,
    /// Reasons why the Restore was refused (phase FailedValidation), one entry each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// Number of the attempt, from 1. The Restore is Failed after three that died with the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Number of attempts that ended in good order with their server; these do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<u32>,
    /// Process that does the work: the name of the server's pod, or `host/process id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Identity of the run that this object stands for. Only the server writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Files of the record in the bucket, except the document `ark-restore.json` itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<StoredObject>,
    /// Conditions: Complete or Failed, Waiting, Stored and Deletion, each with reason and message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Progress of the Restore: New (not begun), InProgress, Completed (no errors), PartiallyFailed
/// (errors on single items, kinds or hooks), Failed (ended early; see failureReason),
/// FailedValidation (refused; see validationErrors). Empty until a server has seen the Restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RestorePhase {
    /// Not begun.
    #[default]
    New,
    /// The work has begun.
    InProgress,
    /// The work has ended without errors.
    Completed,
    /// The work has ended with errors on single items or kinds.
    PartiallyFailed,
    /// The work has ended early, by an error.
    Failed,
    /// The Restore was refused before any work.
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

/// Number of items done and number of items to restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreProgress {
    /// Number of items to restore.
    #[serde(default)]
    pub total_items: u64,
    /// Number of items done so far, whether created, changed, left or failed.
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
        wrong.extend(self.hooks.iter().flat_map(RestoreHooks::validate));
        let jobs = self.rerun_jobs.iter().zip(0..);
        wrong.extend(jobs.flat_map(|(job, at)| job.validate(&format!("rerunJobs[{at}]"))));
        if !self.scale.is_empty() {
            let why = "Ark does not scale workloads down for the time of a restore yet; leave it out, and do it by other means";
            wrong.push(InvalidSpec::new("scale", why));
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
