//! Whether an item that is there already is the one that a restore would make, and what differs. Pure.
//!
//! Both sides have been through the rewriting, so that what a server sets is gone from both. What controllers and defaults
//! add by themselves is no difference.

use serde_json::{Map, Value};

use crate::api::{BACKUP_NAME_LABEL, RESTORE_NAME_LABEL};
use crate::model::Kind;

/// Differing paths that are named; the first few tell enough.
const NAMED: usize = 3;

/// How an item that is there differs from the one that would be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Paths that are missing in the cluster or have another value there.
    pub changed: Vec<String>,
    /// Paths that are in the cluster only.
    pub extra: Vec<String>,
}

impl Difference {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.changed.is_empty() && self.extra.is_empty()
    }

    /// The first differing paths, for a message.
    pub fn describe(&self) -> String {
        let named: Vec<&str> = self.changed.iter().chain(&self.extra).map(String::as_str).collect();
        let more = if named.len() > NAMED { ", …" } else { "" };
        format!("{}{more}", named.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
    }
}

/// Compares the item as it would be made with the one that is there.
pub fn compare(kind: &Kind, wanted: &Value, live: &Value) -> Difference {
    let mut difference = Difference::default();
    let (Some(wanted), Some(live)) = (wanted.as_object(), live.as_object()) else { return difference };
    for key in keys(wanted, live) {
        let (wanted, live) = (wanted.get(key), live.get(key));
        match key {
            "apiVersion" | "kind" | "status" => {}
            "revision" if counts_on(kind, wanted, live) => {}
            "metadata" => compare_metadata(wanted, live, &mut difference),
            _ => Walk { kind, difference: &mut difference }.value(key, wanted, live),
        }
    }
    difference
}

/// Whether a ControllerRevision's number is the stored one or a later one: the controller counts on by itself.
fn counts_on(kind: &Kind, wanted: Option<&Value>, live: Option<&Value>) -> bool {
    let number = |side: Option<&Value>| side.and_then(Value::as_u64);
    kind.as_str() == "controllerrevisions.apps" && number(live) >= number(wanted)
}

/// Of the metadata only labels and annotations are a person's; annotations are also where controllers keep notes.
fn compare_metadata(wanted: Option<&Value>, live: Option<&Value>, difference: &mut Difference) {
    let map = |side: Option<&Value>, key: &str| -> Map<String, Value> {
        side.and_then(|metadata| metadata.get(key)?.as_object().cloned()).unwrap_or_default()
    };
    for (field, extra_counts) in [("labels", true), ("annotations", false)] {
        let (wanted, live) = (map(wanted, field), map(live, field));
        for key in keys(&wanted, &live).filter(|key| !is_a_note(key)) {
            let path = || format!("metadata.{field}[{key}]");
            match (wanted.get(key), live.get(key)) {
                (Some(wanted), Some(live)) if wanted == live => {}
                (Some(_), _) => difference.changed.push(path()),
                (None, _) if extra_counts => difference.extra.push(path()),
                (None, _) => {}
            }
        }
    }
}

/// Ours, or a controller's, which change without anybody's doing.
fn is_a_note(key: &str) -> bool {
    const NOTES: [&str; 7] = [
        RESTORE_NAME_LABEL,
        BACKUP_NAME_LABEL,
        "kubectl.kubernetes.io/last-applied-configuration",
        "deployment.kubernetes.io/",
        "deprecated.daemonset.template.generation",
        "endpoints.kubernetes.io/",
        "pv.kubernetes.io/",
    ];
    NOTES.iter().any(|note| key == *note || (note.ends_with('/') && key.starts_with(note)))
}

struct Walk<'a> {
    kind: &'a Kind,
    difference: &'a mut Difference,
}

impl Walk<'_> {
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
            (Some(wanted), None) if is_empty(wanted) => {}
            (None, Some(live)) if is_empty(live) => {}
            (None, Some(_)) => self.difference.extra.push(path.to_owned()),
            (Some(_), _) => self.difference.changed.push(path.to_owned()),
            (None, None) => {}
        }
    }

    /// What a controller or an admission plugin fills in, whoever made the item.
    fn is_set_by_others(&self, path: &str) -> bool {
        let field = path.rsplit('.').next().unwrap_or(path);
        let set = match self.kind.as_str() {
            "persistentvolumeclaims" => path == "spec.volumeName",
            "persistentvolumes" => matches!(path, "spec.claimRef.uid" | "spec.claimRef.resourceVersion"),
            "serviceaccounts" => path == "secrets",
            "namespaces" => path == "spec.finalizers",
            "pods" => matches!(path, "spec.nodeName" | "spec.tolerations" | "spec.priority"),
            "services" => matches!(path, "spec.clusterIP" | "spec.clusterIPs" | "spec.healthCheckNodePort"),
            _ => false,
        };
        set || field == "caBundle"
    }
}

/// Nothing, however it is written.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// The keys of both, each once.
fn keys<'a>(one: &'a Map<String, Value>, other: &'a Map<String, Value>) -> impl Iterator<Item = &'a str> {
    let only_other = other.keys().filter(|key| !one.contains_key(*key));
    one.keys().chain(only_other).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differ(kind: &str, wanted: Value, live: Value) -> Difference {
        compare(&Kind::parse(kind), &wanted, &live)
    }

    #[test]
    fn what_servers_and_controllers_add_is_no_difference() {
        for (kind, wanted, live) in [
            (
                "configmaps",
                json!({"metadata": {"name": "a", "labels": {RESTORE_NAME_LABEL: "one"}}, "data": {"k": "v"}}),
                json!({"metadata": {"name": "a", "uid": "u", "annotations": {"controller": "note"}, "labels": {RESTORE_NAME_LABEL: "two"}}, "data": {"k": "v"}}),
            ),
            (
                "persistentvolumeclaims",
                json!({"spec": {"resources": {}}}),
                json!({"spec": {"volumeName": "pv-1"}}),
            ),
            (
                "deployments.apps",
                json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "3"}}}),
                json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}, "status": {"replicas": 1}}),
            ),
            (
                "serviceaccounts",
                json!({"metadata": {"name": "a"}}),
                json!({"metadata": {"name": "a"}, "secrets": [{"name": "a-token"}]}),
            ),
        ] {
            assert!(differ(kind, wanted.clone(), live.clone()).is_none(), "{kind} {wanted} {live}");
        }
    }

    #[test]
    fn a_revision_that_was_counted_anew_falls_back_and_one_that_went_on_is_let_be() {
        let revision = |number: u64| json!({"revision": number, "data": {"spec": 1}});
        let differ = |live| differ("controllerrevisions.apps", revision(3), revision(live)).changed;
        assert_eq!((differ(1), differ(3), differ(4)), (vec!["revision".to_owned()], vec![], vec![]));
    }

    #[test]
    fn what_a_person_changed_is_named_by_its_path() {
        let wanted = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 1, "ports": [{"port": 1}], "list": [1]}, "data": {"a": "1"}});
        let live = json!({"metadata": {"labels": {"app": "web", "x": "y"}}, "spec": {"replicas": 2, "ports": [{"port": 2}], "list": [1, 2]}, "data": {"a": "1", "b": "2"}});
        let Difference { changed, extra } = differ("things", wanted.clone(), live);
        assert_eq!(changed, ["spec.list", "spec.ports[0].port", "spec.replicas"]);
        assert_eq!(extra, ["data.b", "metadata.labels[x]"]);
        let gone = differ("things", wanted, json!({"metadata": {"labels": {}}, "spec": {}}));
        assert_eq!(gone.describe(), "data, metadata.labels[app], spec.list, …");
    }
}
