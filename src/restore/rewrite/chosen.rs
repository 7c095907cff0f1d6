//! Tells which fields a person chose and which the server filled in, by the field owners: the API
//! server records who set what before it allots addresses and ports. Pure.
//!
//! Must be asked before the field owners are taken off the item.

use std::collections::HashSet;

use serde_json::Value;

use super::{LAST_APPLIED, shape};

/// The field manager of what a restore writes: never a choice, or what one restore kept would
/// count as chosen in the next.
pub(super) const OURSELVES: &str = "ark";

/// The field manager of everything in an object from before field owners were recorded: it owns
/// all fields, chosen or not.
const EVERYBODY: &str = "before-first-apply";

/// Prefixes of the field managers of tools that people and pipelines write with. Where a tool
/// names none, the API server takes the beginning of its User-Agent: `Mozilla` is a browser,
/// `OpenAPI-Generator` Python and Ansible, `node-fetch` Lens.
const TOOLS: [&str; 21] = [
    "Helm",
    "HashiCorp",
    "Lens",
    "Mozilla",
    "OpenAPI-Generator",
    "Swagger-Codegen",
    "Terraform",
    "argocd",
    "curl",
    "dashboard",
    "flux",
    "headlamp",
    "helm",
    "k9s",
    "kapp",
    "kubectl",
    "kustomize-controller",
    "node-fetch",
    "pulumi",
    "python-requests",
    "terraform",
];

/// OpenShift's kubectl, compared as a whole: other managers begin with the same two letters.
const OC: &str = "oc";

/// Returns the annotations of an object, as the API server sent it, that a person set with such a
/// tool.
pub fn annotations_by_hand(item: &Value) -> HashSet<String> {
    let by_hand = |entry: &&Value| {
        let manager = shape::text(entry, &["manager"]).unwrap_or_default();
        manager == OC || TOOLS.iter().any(|tool| manager.starts_with(tool))
    };
    shape::elements(item, &["metadata", "managedFields"])
        .filter(by_hand)
        .filter_map(|entry| shape::at(entry, &["fieldsV1", "f:metadata", "f:annotations"])?.as_object())
        .flat_map(|annotations| annotations.keys())
        .filter_map(|key| key.strip_prefix("f:").map(str::to_owned))
        .collect()
}

/// The choices that people made in one item.
pub(super) struct Choices<'a> {
    applied: Option<Value>,
    owned: Vec<&'a Value>,
}

impl<'a> Choices<'a> {
    /// Reads the choices from the field owners and from what kubectl last applied.
    pub(super) fn read(item: &'a Value) -> Self {
        let applied = shape::text(item, &["metadata", "annotations", LAST_APPLIED]);
        let people = |entry: &&Value| {
            let manager = shape::text(entry, &["manager"]);
            ![Some(OURSELVES), Some(EVERYBODY)].contains(&manager)
        };
        Self {
            applied: applied.and_then(|text| serde_json::from_str(text).ok()),
            owned: shape::elements(item, &["metadata", "managedFields"])
                .filter(people)
                .filter_map(|entry| entry.get("fieldsV1"))
                .collect(),
        }
    }

    /// Returns whether a person chose the field of `spec`.
    pub(super) fn has(&self, field: &str) -> bool {
        let owned = format!("f:{field}");
        self.applied.as_ref().is_some_and(|applied| is_set(shape::at(applied, &["spec", field])))
            || self.owned.iter().any(|fields| shape::at(fields, &["f:spec", &owned]).is_some())
    }

    /// Returns whether a person chose the node port of a Service's port.
    pub(super) fn has_node_port(&self, port: &Value) -> bool {
        let key = PortKey::of(port);
        let applied = self.applied.iter().flat_map(|applied| shape::elements(applied, &["spec", "ports"]));
        let mut applied = applied.filter(|port| is_set(port.get("nodePort")));
        applied.any(|port| PortKey::of(port) == key)
            || self.owned.iter().any(|fields| owns_node_port(fields, &key))
    }
}

/// Returns whether a value is a choice: zero and empty values leave the choice to the server.
fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(value) => value.as_u64() != Some(0),
    }
}

fn owns_node_port(fields: &Value, wanted: &PortKey) -> bool {
    let ports = shape::at(fields, &["f:spec", "f:ports"]).and_then(Value::as_object);
    ports.into_iter().flatten().any(|(key, fields)| {
        // The key of a list element has the form k:{"port":80,"protocol":"TCP"}.
        let named = key.strip_prefix("k:").and_then(|text| serde_json::from_str::<Value>(text).ok());
        fields.get("f:nodePort").is_some() && named.is_some_and(|named| PortKey::of(&named) == *wanted)
    })
}

/// The identity of a port within its Service: number and protocol.
#[derive(PartialEq)]
pub struct PortKey {
    port: Option<u64>,
    protocol: String,
}

impl PortKey {
    /// Returns the key of an element of `spec.ports`.
    pub fn of(port: &Value) -> Self {
        Self {
            port: port.get("port").and_then(Value::as_u64),
            protocol: shape::text(port, &["protocol"]).unwrap_or("TCP").to_owned(),
        }
    }
}
