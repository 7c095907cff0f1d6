//! Compares an item that is in the cluster already with the one that a restore would make. Pure.
//!
//! Both sides have been rewritten, so that what a server sets is gone from both. What controllers
//! and defaults add by themselves is no difference.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::rewrite::{LAST_APPLIED, OwnerView, Rewritten};
use crate::api::{BACKUP_NAME_LABEL, RESTORE_NAME_LABEL};
use crate::model::GroupResource;
use crate::model::traits::is_custom;

/// Most differing paths that a message names; the first few tell enough.
const NAMED: usize = 3;

/// An item as a restore would make it.
#[derive(Clone, Copy, Debug)]
pub struct Intended<'a> {
    /// The object.
    pub body: &'a Value,
    /// References to owners that are to come, as in [`Rewritten::awaited`].
    pub awaited: &'a [Value],
    /// The status that the restore writes, or `None` if it writes none.
    pub status: Option<&'a Value>,
}

/// The differences between the item in the cluster and the one that would be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Paths that are missing in the cluster or have another value there.
    pub changed: Vec<String>,
    /// Paths that are in the cluster only.
    pub extra: Vec<String>,
}

impl Difference {
    /// Returns whether there is no difference.
    pub fn is_none(&self) -> bool {
        self.changed.is_empty() && self.extra.is_empty()
    }

    /// Returns the first differing paths, for a message.
    pub fn describe(&self) -> String {
        let named: Vec<&str> = self.changed.iter().chain(&self.extra).map(String::as_str).collect();
        let more = if named.len() > NAMED { ", …" } else { "" };
        format!("{}{more}", named.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
    }
}

/// Compares an item as it would be made with the one in the cluster, which
/// [`super::rewrite::Rewriter::plain`] has rewritten. `by_hand` holds the annotations of the
/// latter that a person set, as [`super::rewrite::annotations_by_hand`] tells.
pub fn compare(
    kind: &GroupResource,
    wanted: Intended<'_>,
    live: &Rewritten,
    by_hand: &HashSet<String>,
) -> Difference {
    let mut difference = Difference::default();
    let (Some(body), Some(there)) = (wanted.body.as_object(), live.body.as_object()) else {
        return difference;
    };
    let controlled = is_controlled(there);
    for key in keys(body, there) {
        let (one, other) = (body.get(key), there.get(key));
        match key {
            "apiVersion" | "kind" => {}
            "revision" if counts_on(kind, one, other) => {}
            // The rules of an aggregated role are put together by a controller from the roles that
            // it chooses.
            "rules" if is_aggregated(kind, body) => {}
            "metadata" => {
                compare_maps(one, other, by_hand, &mut difference);
                compare_owners(one, wanted.awaited, other, &mut difference);
                compare_finalizers(one, other, &mut difference);
            }
            _ => Comparer { kind, controlled, difference: &mut difference }.value(key, one, other),
        }
    }
    if let Some(status) = wanted.status {
        let there = live.status.as_ref().or_else(|| there.get("status"));
        let mut found = Difference::default();
        Comparer { kind, controlled, difference: &mut found }.value("status", Some(status), there);
        // Controllers go on writing the status; what they add takes nothing away from the stored
        // one.
        difference.changed.extend(found.changed);
    }
    difference
}

/// Returns whether a ControllerRevision's number is the stored one or a later one: its controller
/// counts on by itself.
fn counts_on(kind: &GroupResource, wanted: Option<&Value>, live: Option<&Value>) -> bool {
    let number = |side: Option<&Value>| side.and_then(Value::as_u64);
    kind.as_str() == "controllerrevisions.apps" && number(live) >= number(wanted)
}

/// Returns whether a controller owns the object.
pub fn is_controlled(object: &Map<String, Value>) -> bool {
    let owners = list(object.get("metadata"), "ownerReferences");
    owners.iter().any(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
}

/// Returns whether a ClusterRole gathers its rules from others.
pub fn is_aggregated(kind: &GroupResource, role: &Map<String, Value>) -> bool {
    kind.as_str() == "clusterroles.rbac.authorization.k8s.io"
        && role.get("aggregationRule").is_some_and(|rule| !rule.is_null())
}

/// Compares labels and annotations. Labels are a person's; in annotations controllers keep notes,
/// too.
fn compare_maps(
    wanted: Option<&Value>,
    live: Option<&Value>,
    by_hand: &HashSet<String>,
    difference: &mut Difference,
) {
    let map = |side: Option<&Value>, key: &str| -> Map<String, Value> {
        side.and_then(|metadata| metadata.get(key)?.as_object().cloned()).unwrap_or_default()
    };
    for field in ["labels", "annotations"] {
        let (wanted, live) = (map(wanted, field), map(live, field));
        for key in keys(&wanted, &live).filter(|key| !is_a_note(key)) {
            let path = || format!("metadata.{field}[{key}]");
            match (wanted.get(key), live.get(key)) {
                (Some(wanted), Some(live)) if wanted == live => {}
                (Some(_), _) => difference.changed.push(path()),
                (None, _) if field == "annotations" && is_a_programs(key, by_hand) => {}
                (None, _) => difference.extra.push(path()),
            }
        }
    }
}

/// Compares the owners. A reference to an owner that is to come is given later, and only then can
/// it be missing. A controller that is an owner in the cluster only has adopted the item, which is
/// no difference.
fn compare_owners(
    wanted: Option<&Value>,
    awaited: &[Value],
    live: Option<&Value>,
    difference: &mut Difference,
) {
    let (wanted, live) = (list(wanted, "ownerReferences"), list(live, "ownerReferences"));
    let same = |one: &Value, other: &Value, with_uid: bool| {
        let (Some(one), Some(other)) = (OwnerView::read(one), OwnerView::read(other)) else { return false };
        one.is_same_object(&other) && (!with_uid || one.uid == other.uid)
    };
    let path = |reference: &Value| {
        let owner = OwnerView::read(reference);
        format!("metadata.ownerReferences[{}]", owner.map(|owner| owner.to_string()).unwrap_or_default())
    };
    let missing = |one: &&Value| !live.iter().any(|other| same(one, other, true));
    difference.changed.extend(wanted.iter().filter(missing).map(path));
    let unknown = |other: &&Value| {
        let adopted = other.get("controller").and_then(Value::as_bool) == Some(true);
        !adopted && !wanted.iter().chain(awaited).any(|one| same(one, other, false))
    };
    difference.extra.extend(live.iter().filter(unknown).map(path));
}

/// Compares the finalizers. Controllers add theirs to what they look after, so that only a missing
/// one counts, and none of Kubernetes' own.
fn compare_finalizers(wanted: Option<&Value>, live: Option<&Value>, difference: &mut Difference) {
    let live = list(live, "finalizers");
    let missing = |one: &&Value| !live.contains(one) && !one.as_str().is_some_and(is_kubernetes_own);
    difference.changed.extend(
        list(wanted, "finalizers")
            .iter()
            .filter(missing)
            .map(|one| format!("metadata.finalizers[{}]", one.as_str().unwrap_or_default())),
    );
}

/// Returns whether Kubernetes or a part of it sets the finalizer by itself.
pub fn is_kubernetes_own(finalizer: &str) -> bool {
    let domain = finalizer.split('/').next().unwrap_or_default();
    !finalizer.contains('/')
        || ["kubernetes.io", "k8s.io"]
            .iter()
            .any(|own| domain.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

fn list<'a>(metadata: Option<&'a Value>, field: &str) -> &'a [Value] {
    metadata.and_then(|metadata| metadata.get(field)?.as_array()).map(Vec::as_slice).unwrap_or_default()
}

/// Returns whether an annotation is a program's: programs put their domain before the name, and
/// keys without one are a person's. An annotation by which a person tells a program something has
/// that program's domain as well; it is a person's if a person set it (`by_hand`).
pub fn is_a_programs(annotation: &str, by_hand: &HashSet<String>) -> bool {
    is_a_note(annotation) || (annotation.contains('/') && !by_hand.contains(annotation))
}

/// Returns whether a label or an annotation is Ark's own, or a note of a controller, which changes
/// without anybody's doing.
pub fn is_a_note(key: &str) -> bool {
    const NOTES: [&str; 7] = [
        RESTORE_NAME_LABEL,
        BACKUP_NAME_LABEL,
        LAST_APPLIED,
        "deployment.kubernetes.io/",
        "deprecated.daemonset.template.generation",
        "endpoints.kubernetes.io/",
        "pv.kubernetes.io/",
    ];
    NOTES.iter().any(|note| key == *note || (note.ends_with('/') && key.starts_with(note)))
}

struct Comparer<'a> {
    kind: &'a GroupResource,
    /// Whether a controller owns the item.
    controlled: bool,
    difference: &'a mut Difference,
}

impl Comparer<'_> {
    fn value(&mut self, path: &str, wanted: Option<&Value>, live: Option<&Value>) {
        match (wanted, live) {
            _ if self.is_set_by_others(path) => {}
            (Some(Value::Object(wanted)), Some(Value::Object(live))) => {
                for key in keys(wanted, live) {
                    self.value(&format!("{path}.{key}"), wanted.get(key), live.get(key));
                }
            }
            (Some(Value::Array(wanted)), Some(Value::Array(live))) if wanted.len() == live.len() => {
                for (at, (wanted, live)) in wanted.iter().zip(live).enumerate() {
                    self.value(&format!("{path}[{at}]"), Some(wanted), Some(live));
                }
            }
            (Some(wanted), Some(live)) if wanted == live => {}
            (Some(wanted), None) if self.is_nothing(path, wanted) => {}
            (None, Some(live)) if self.is_nothing(path, live) || self.is_allotted(path, live) => {}
            (None, Some(_)) => self.difference.extra.push(path.to_owned()),
            (Some(_), _) => self.difference.changed.push(path.to_owned()),
            (None, None) => {}
        }
    }

    /// Returns whether a controller or an admission plugin fills in the field, whoever made the
    /// item.
    fn is_set_by_others(&self, path: &str) -> bool {
        let field = path.rsplit('.').next().unwrap_or(path);
        let set = match self.kind.as_str() {
            "persistentvolumes" => matches!(path, "spec.claimRef.uid" | "spec.claimRef.resourceVersion"),
            "namespaces" => path == "spec.finalizers",
            // The Deployment that owns it scales it.
            "replicasets.apps" => self.controlled && path == "spec.replicas",
            "pods" => matches!(path, "spec.nodeName" | "spec.tolerations" | "spec.priority"),
            _ => false,
        };
        set || (field == "caBundle" && !is_custom(self.kind))
    }

    /// Returns whether a value says no more than its absence. Versions of Kubernetes write empty
    /// values differently; but an empty selector selects everything and an absent one nothing, and
    /// a custom resource comes back as its writer wrote it.
    fn is_nothing(&self, path: &str, value: &Value) -> bool {
        let means = is_custom(self.kind) || path.ends_with("elector");
        match value {
            Value::Null => true,
            Value::Object(map) => map.is_empty() && !means,
            Value::Array(list) => list.is_empty() && !means,
            _ => false,
        }
    }

    /// Returns whether the cluster allots the field to an item that does not ask for a value. A
    /// headless Service (`clusterIP: None`) asks for having no address.
    fn is_allotted(&self, path: &str, live: &Value) -> bool {
        let field = path.rsplit('.').next().unwrap_or(path);
        let headless = *live == "None" || live.get(0).is_some_and(|first| first == "None");
        match self.kind.as_str() {
            "services" => {
                !headless
                    && matches!(
                        field,
                        "clusterIP"
                            | "clusterIPs"
                            | "ipFamilies"
                            | "ipFamilyPolicy"
                            | "healthCheckNodePort"
                            | "nodePort"
                    )
            }
            // A PVC that lost its source in the restore, or did not name one, may have been filled
            // from one all the same.
            "persistentvolumeclaims" => {
                matches!(path, "spec.volumeName" | "spec.dataSource" | "spec.dataSourceRef")
            }
            _ => false,
        }
    }
}

/// Returns the keys of both maps, each once.
fn keys<'a>(one: &'a Map<String, Value>, other: &'a Map<String, Value>) -> impl Iterator<Item = &'a str> {
    let only_other = other.keys().filter(|key| !one.contains_key(*key));
    one.keys().chain(only_other).map(String::as_str)
}

#[cfg(test)]
mod tests;
