//! Decides, by the policy, what to do about an item that is in the cluster already. Pure.

mod schema;
mod update;

pub use update::as_update;

use std::collections::BTreeMap;

use serde_json::Value;

use super::compare::{Difference, is_kubernetes_own};
use super::itself::is_own_definition;
use super::select::Inclusion;
use crate::api::{BACKUP_NAME_LABEL, ExistingResourcePolicy as Policy, RESTORE_NAME_LABEL, label_value};
use crate::model::traits::{is_custom, is_data};
use crate::model::{CRDS, GroupResource, ItemKey, NAMESPACES};
use schema::loses_properties;

/// The API group of roles and bindings.
const RBAC: &str = "rbac.authorization.k8s.io";

/// The decision about an item that is in the cluster already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingVerdict {
    /// The item is as it should be.
    Unchanged,
    /// The item differs and is left as it is.
    Leave(LeaveReason),
    /// The item is changed in place to what it was in the backup.
    Update,
    /// The item is deleted and created.
    Recreate,
    /// An earlier attempt of this restore made the item.
    Restored,
}

/// The reason why an item that differs is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The policy says so.
    Policy,
    /// The policy would delete the item, and with it something that no restore brings back.
    Data,
    /// The namespace mapping changed an item that all namespaces share.
    Mapped,
    /// The item only comes along with others, or came along into the backup, so that others in the
    /// cluster may rest on it.
    Along,
    /// The item is a CRD that has versions which the backup does not know.
    Versions,
    /// The item is a CRD whose schema has properties that the backup's has not.
    Schema,
    /// The item is one of Ark's own CRDs.
    Own,
    /// The control plane keeps the item up to date for its own version.
    ControlPlane,
    /// An update would change nothing of the item.
    Fixed,
}

/// Facts about an item in the cluster, beside its differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedItem {
    /// Whether the namespace mapping changed a cluster-scoped item.
    pub mapped: bool,
    /// Whether the CRD would have fewer versions than it has.
    pub fewer_versions: bool,
    /// Whether a version of the CRD would lose properties.
    pub fewer_properties: bool,
    /// Whether this restore, or an earlier attempt of it, made the item's namespace.
    pub made_namespace: bool,
    /// Whether a finalizer guards the item: its operator may take away more than the item when it
    /// is deleted.
    pub finalized: bool,
    /// Whether the item is a default role of Kubernetes, or a binding to one, that the API server
    /// keeps up to date.
    pub is_bootstrapped: bool,
    /// Whether the item controls PVCs, which would be deleted with it.
    pub owns_claims: bool,
    /// Whether the item is a PVC or a volume that only lacks the other, which this restore brings
    /// or frees.
    pub gets_its_other_half: bool,
}

impl ObservedItem {
    /// Reads the facts that the two bodies tell; the caller adds the rest. `live` is the object as
    /// the API server sent it.
    pub fn read(kind: &GroupResource, wanted: &Value, live: &Value) -> Self {
        let metadata = live.get("metadata");
        let finalizers = metadata.and_then(|metadata| metadata.get("finalizers")?.as_array());
        Self {
            fewer_versions: kind.as_str() == CRDS && has_fewer_versions(wanted, live),
            fewer_properties: kind.as_str() == CRDS && loses_properties(wanted, live),
            finalized: finalizers.is_some_and(|finalizers| is_guarded(kind, finalizers)),
            is_bootstrapped: kind.group() == RBAC && is_bootstrapped(&live["metadata"]),
            ..Self::default()
        }
    }
}

/// Returns whether the API server resets an object to what its own version says each time that it
/// starts. An annotation on the object turns that off for good.
fn is_bootstrapped(metadata: &Value) -> bool {
    metadata["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"
        && metadata["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] == "true"
}

/// Returns whether somebody has a say in the deletion of an item. Finalizers that Kubernetes adds
/// to its own kinds are removed without anybody's doing.
fn is_guarded(kind: &GroupResource, finalizers: &[Value]) -> bool {
    let own = |finalizer: &Value| finalizer.as_str().is_some_and(is_kubernetes_own);
    finalizers.iter().any(|finalizer| is_custom(kind) || !own(finalizer))
}

fn has_fewer_versions(wanted: &Value, live: &Value) -> bool {
    let versions = |definition: &Value| -> Vec<String> {
        let versions = definition.get("spec").and_then(|spec| spec.get("versions")?.as_array());
        let name = |version: &Value| Some(version.get("name")?.as_str()?.to_owned());
        versions.into_iter().flatten().filter_map(name).collect()
    };
    let wanted = versions(wanted);
    versions(live).iter().any(|version| !wanted.contains(version))
}

/// Tells by labels what restores of a backup made: Ark labels everything that it creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    restore: String,
    backup: String,
}

impl Earlier {
    /// Makes the test for what `restore` made of the items of `backup`.
    pub fn new(restore: &str, backup: &str) -> Self {
        Self { restore: label_value(restore), backup: label_value(backup) }
    }

    /// Returns whether any restore of the backup made the object with these labels.
    pub fn made_any(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(BACKUP_NAME_LABEL) == Some(&self.backup)
    }

    /// Returns whether this restore made the object with these labels, from the same backup.
    pub fn made(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(RESTORE_NAME_LABEL) == Some(&self.restore)
            && labels.get(BACKUP_NAME_LABEL) == Some(&self.backup)
    }
}

/// Returns the verdict about an item. An item whose `inclusion` is not `Selected` only comes
/// along, and is left as it is.
pub fn decide(
    item: &ItemKey,
    inclusion: Inclusion,
    difference: &Difference,
    policy: Policy,
    observed: ObservedItem,
) -> ExistingVerdict {
    let kind = item.resource.as_str();
    if difference.is_none() || observed.gets_its_other_half {
        return ExistingVerdict::Unchanged;
    }
    // Whatever the policy says, a change of the following would harm others in the cluster, or be
    // undone.
    if observed.mapped {
        return ExistingVerdict::Leave(LeaveReason::Mapped);
    }
    if inclusion != Inclusion::Selected {
        return ExistingVerdict::Leave(LeaveReason::Along);
    }
    if is_own_definition(&item.resource, &item.name) {
        return ExistingVerdict::Leave(LeaveReason::Own);
    }
    if observed.fewer_versions {
        return ExistingVerdict::Leave(LeaveReason::Versions);
    }
    if observed.fewer_properties {
        return ExistingVerdict::Leave(LeaveReason::Schema);
    }
    if observed.is_bootstrapped {
        return ExistingVerdict::Leave(LeaveReason::ControlPlane);
    }
    // The namespace's controller was faster than the restore. Where the namespace was there
    // before, its default account is an item like any other.
    if is_default_account(item) && observed.made_namespace {
        return ExistingVerdict::Update;
    }
    // Nobody but the controller chooses the number, and it counts anew; see `compare`.
    if kind == "controllerrevisions.apps" && difference.changed == ["revision"] && difference.extra.is_empty()
    {
        return ExistingVerdict::Update;
    }
    match policy {
        Policy::None => ExistingVerdict::Leave(LeaveReason::Policy),
        Policy::Update => ExistingVerdict::Update,
        Policy::Recreate if holds_others(item) || is_right(item, difference) => ExistingVerdict::Update,
        Policy::Recreate if is_data(&item.resource) || observed.finalized || observed.owns_claims => {
            ExistingVerdict::Leave(LeaveReason::Data)
        }
        Policy::Recreate => ExistingVerdict::Recreate,
    }
}

/// Returns whether deleting the item would take others with it: a namespace all that is in it, a
/// CRD its resources, an account the tokens that pods use. A CronJob that is made anew does not
/// know the Job that runs.
fn holds_others(item: &ItemKey) -> bool {
    [NAMESPACES, CRDS, "serviceaccounts", "cronjobs.batch"].contains(&item.resource.as_str())
}

/// Returns whether the item is a role or a binding that can be changed in place: rights that are
/// gone for a moment may be those by which the restore runs. Only `roleRef` of a binding cannot be
/// changed.
fn is_right(item: &ItemKey, difference: &Difference) -> bool {
    item.resource.group() == RBAC && !difference.changed.iter().any(|path| path.starts_with("roleRef"))
}

/// Returns the verdict about what an earlier attempt of this restore made: the item counts as
/// restored, whatever has become of it since. Only an update is repeated, which does no harm and
/// may have been cut short.
pub fn go_on(verdict: ExistingVerdict) -> ExistingVerdict {
    if verdict == ExistingVerdict::Update { verdict } else { ExistingVerdict::Restored }
}

/// Returns the verdict, with an update that would change nothing (`changes` returns false) turned
/// into a warning: otherwise every run would write the item.
pub fn unless_fixed(verdict: ExistingVerdict, changes: impl FnOnce() -> bool) -> ExistingVerdict {
    if verdict == ExistingVerdict::Update && !changes() {
        ExistingVerdict::Leave(LeaveReason::Fixed)
    } else {
        verdict
    }
}

/// Returns whether the item is the account that a controller makes in every namespace, mostly
/// before the restore does.
pub fn is_default_account(item: &ItemKey) -> bool {
    item.resource.as_str() == "serviceaccounts" && item.name == "default"
}

/// Returns the account with the secrets that it has in the cluster besides: secrets are added,
/// never taken away.
pub fn merge_account(wanted: &Value, live: &Value) -> Value {
    let mut merged = wanted.clone();
    for list in ["secrets", "imagePullSecrets"] {
        let entries = |side: &Value| side.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut both = entries(live);
        for entry in entries(wanted) {
            if !both.contains(&entry) {
                both.push(entry);
            }
        }
        if !both.is_empty() {
            merged[list] = both.into();
        }
    }
    merged
}

impl ExistingVerdict {
    /// Returns a warning about an item that is left as it is, or `None` for any other verdict.
    pub fn warning(self, difference: &Difference) -> Option<String> {
        let Self::Leave(reason) = self else { return None };
        let why = match reason {
            LeaveReason::Policy => "; existingResourcePolicy Update or Recreate changes it",
            LeaveReason::Data => {
                ", because deleting it may delete its data, or somebody's finalizer guards it; existingResourcePolicy Update changes it in place"
            }
            LeaveReason::Mapped => {
                ", because it belongs to no namespace, and what the namespace mapping makes of it would take it from those who use it now; change it by hand"
            }
            LeaveReason::Along => {
                ", because it only comes along with what needs it, and others may rest on it; what needs it may not work as it did; a restore that names its kind changes it"
            }
            LeaveReason::Versions => {
                ", because it has versions that the backup does not know, and without them the cluster would lose what is stored in them; existing resources of it are restored all the same"
            }
            LeaveReason::Schema => {
                ", because its schema has properties that the backup's has not, and every resource would lose what it has there; what the backup has besides, add by hand"
            }
            LeaveReason::Fixed => {
                ", because the cluster does not let that be changed in place; existingResourcePolicy Recreate makes anew what holds no data"
            }
            LeaveReason::ControlPlane => {
                ", because it is Kubernetes' own and kept as its version needs it; what somebody added to it, add by hand"
            }
            LeaveReason::Own => {
                ", because it defines a kind of Ark, and what is installed is not set back by a restore; `ark install` or the chart changes it"
            }
        };
        let paths = difference.describe();
        Some(format!("it is in the cluster already, differs in {paths}, and was left as it is{why}"))
    }
}

/// Returns a warning about an item that was changed and still differs, or `None`; `changed` says
/// how it was changed, as `updated`.
pub fn still_differs(changed: &str, difference: &Difference) -> Option<String> {
    (!difference.is_none()).then(|| {
        format!(
            "it was {changed} and still differs from the backup in {}: somebody in the cluster sets that, or it cannot be changed in place",
            difference.describe()
        )
    })
}

#[cfg(test)]
mod tests;
