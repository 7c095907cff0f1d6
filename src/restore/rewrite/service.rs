//! Services get addresses and node ports of the cluster they come back to, unless a person chose them. Pure.
//!
//! Must run before the field owners are taken off: they tell a chosen node port from one that the server allotted,
//! because the server allots after it has recorded who set which field.

use serde_json::Value;

use super::{LAST_APPLIED, shape};
use crate::model::Kind;

/// Takes off cluster addresses (a headless Service stays headless) and the node ports that nobody chose.
pub(super) fn rewrite(kind: &Kind, item: &mut Value, preserve_node_ports: bool) {
    if kind.as_str() != "services" {
        return;
    }
    let headless = shape::text(item, &["spec", "clusterIP"]) == Some("None");
    let chosen = if preserve_node_ports { Chosen::default() } else { Chosen::read(item) };
    let Some(spec) = shape::object_mut(item, &["spec"]) else { return };
    if !headless {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    if preserve_node_ports {
        return;
    }
    if !chosen.health_check {
        spec.remove("healthCheckNodePort");
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let known = chosen.ports.contains(&PortKey::of(port));
        if let Some(port) = port.as_object_mut().filter(|_| !known) {
            port.remove("nodePort");
        }
    }
}

/// What tells the ports of one Service apart.
#[derive(PartialEq)]
struct PortKey {
    port: Option<u64>,
    protocol: String,
}

impl PortKey {
    fn of(port: &Value) -> Self {
        Self {
            port: port.get("port").and_then(Value::as_u64),
            protocol: shape::text(port, &["protocol"]).unwrap_or("TCP").to_owned(),
        }
    }
}

/// Which node ports a person chose.
#[derive(Default)]
struct Chosen {
    ports: Vec<PortKey>,
    health_check: bool,
}

impl Chosen {
    fn read(item: &Value) -> Self {
        let mut chosen = Self::default();
        let applied = shape::text(item, &["metadata", "annotations", LAST_APPLIED]);
        if let Some(applied) = applied.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            chosen.read_applied(&applied);
        }
        for entry in shape::elements(item, &["metadata", "managedFields"]) {
            chosen.read_owned(entry);
        }
        chosen
    }

    fn read_applied(&mut self, applied: &Value) {
        let is_set = |port: &Value| port.get("nodePort").and_then(Value::as_u64).is_some_and(|port| port > 0);
        self.ports.extend(
            shape::elements(applied, &["spec", "ports"]).filter(|port| is_set(port)).map(PortKey::of),
        );
        let health_check = shape::at(applied, &["spec", "healthCheckNodePort"]).and_then(Value::as_u64);
        self.health_check |= health_check.is_some_and(|port| port > 0);
    }

    fn read_owned(&mut self, entry: &Value) {
        let Some(spec) = shape::at(entry, &["fieldsV1", "f:spec"]) else { return };
        self.health_check |= spec.get("f:healthCheckNodePort").is_some();
        for (key, fields) in shape::at(spec, &["f:ports"]).and_then(Value::as_object).into_iter().flatten() {
            // The key of a list element: k:{"port":80,"protocol":"TCP"}
            let named = key.strip_prefix("k:").and_then(|text| serde_json::from_str::<Value>(text).ok());
            if let (Some(named), Some(_)) = (named, fields.get("f:nodePort")) {
                self.ports.push(PortKey::of(&named));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rewritten(mut item: Value, preserve: bool) -> Value {
        rewrite(&Kind::new("services", ""), &mut item, preserve);
        item["spec"].take()
    }

    fn node_port_service(metadata: &Value) -> Value {
        json!({"metadata": metadata, "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"],
            "healthCheckNodePort": 31000, "ports": [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080},
            {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053}]}})
    }

    #[test]
    fn addresses_and_allotted_ports_go() {
        let spec = rewritten(node_port_service(&json!({})), false);
        assert_eq!(
            spec,
            json!({"type": "LoadBalancer", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]})
        );
    }

    #[test]
    fn a_headless_service_stays_headless() {
        let spec = json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": []});
        assert_eq!(rewritten(json!({"spec": spec.clone()}), false), spec);
    }

    #[test]
    fn ports_that_kubectl_applied_stay() {
        let applied = json!({"spec": {"healthCheckNodePort": 31000, "ports": [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]}});
        let spec =
            rewritten(node_port_service(&json!({"annotations": {LAST_APPLIED: applied.to_string()}})), false);
        assert_eq!(spec["ports"][0]["nodePort"], 30080);
        assert_eq!(spec["ports"][1].get("nodePort"), None);
        assert_eq!(spec["healthCheckNodePort"], 31000);
    }

    #[test]
    fn ports_that_a_field_owner_set_stay() {
        let owned = json!([{"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": {"f:ports": {".": {},
            "k:{\"port\":53,\"protocol\":\"UDP\"}": {"f:nodePort": {}}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:port": {}}}}}}]);
        let spec = rewritten(node_port_service(&json!({"managedFields": owned})), false);
        assert_eq!(spec["ports"][0].get("nodePort"), None);
        assert_eq!(spec["ports"][1]["nodePort"], 30053);
        assert_eq!(spec.get("healthCheckNodePort"), None);
    }

    #[test]
    fn every_node_port_stays_when_asked_for() {
        let spec = rewritten(node_port_service(&json!({})), true);
        assert_eq!(
            (&spec["ports"][0]["nodePort"], &spec["healthCheckNodePort"]),
            (&json!(30080), &json!(31000))
        );
        assert_eq!(spec.get("clusterIP"), None);
    }
}
