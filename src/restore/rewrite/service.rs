//! Lets Services get addresses and node ports of the cluster they come back to, unless a person
//! chose them. Pure.
//!
//! Must run before the field owners are taken off; see `chosen`.

use serde_json::Value;

use super::chosen::Choices;
use super::shape;
use crate::model::GroupResource;

/// Removes the addresses, address families and node ports that nobody chose; a headless Service
/// stays headless. Returns whether a field stays because a person chose it.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value, preserve_node_ports: bool) -> bool {
    if kind.as_str() != "services" {
        return false;
    }
    let choices = Choices::read(item);
    let headless = shape::text(item, &["spec", "clusterIP"]) == Some("None");
    let every_address = headless || choices.has("clusterIPs");
    let address = every_address || choices.has("clusterIP");
    let health_check = choices.has("healthCheckNodePort");
    let families: Vec<&str> =
        ["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|field| !choices.has(field)).collect();
    let ports: Vec<bool> =
        shape::elements(item, &["spec", "ports"]).map(|port| choices.has_node_port(port)).collect();
    let kept = (address && !headless) || health_check || families.len() < 2 || ports.contains(&true);

    let Some(spec) = shape::object_mut(item, &["spec"]) else { return false };
    if !address {
        spec.remove("clusterIP");
    }
    // From a chosen `clusterIP` the server makes the list again, and allots the address beside it.
    if !every_address {
        spec.remove("clusterIPs");
    }
    for field in families {
        spec.remove(field);
    }
    if preserve_node_ports {
        return kept;
    }
    if !health_check {
        spec.remove("healthCheckNodePort");
    }
    let listed = spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
    for (port, chosen) in listed.zip(ports) {
        if let Some(port) = port.as_object_mut().filter(|_| !chosen) {
            port.remove("nodePort");
        }
    }
    kept
}

/// Returns whether the Service asks for a port or an address that another Service, made before it,
/// could take.
pub(super) fn wants_fixed_address(kind: &GroupResource, item: &Value) -> bool {
    let address = || shape::text(item, &["spec", "clusterIP"]).is_some_and(|ip| !["", "None"].contains(&ip));
    let number = |place: Option<&Value>| place.and_then(Value::as_u64).is_some_and(|port| port > 0);
    kind.as_str() == "services"
        && (address()
            || number(shape::at(item, &["spec", "healthCheckNodePort"]))
            || shape::elements(item, &["spec", "ports"]).any(|port| number(port.get("nodePort"))))
}

#[cfg(test)]
mod tests {
    use super::super::LAST_APPLIED;
    use super::*;
    use serde_json::json;

    fn rewritten(mut item: Value, preserve: bool) -> Value {
        rewrite(&GroupResource::parse("services"), &mut item, preserve);
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

    fn owned(manager: &str, spec: &Value) -> Value {
        json!({"managedFields": [{"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": spec}}]})
    }

    #[test]
    fn an_address_that_somebody_chose_stays_and_one_allotted_beside_it_goes() {
        let service = |metadata: &Value| {
            json!({"metadata": metadata, "spec": {"clusterIP": "10.0.77.10", "clusterIPs": ["10.0.77.10", "fd00::1"],
                "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}})
        };
        for (metadata, expected) in [
            (json!({}), json!({})),
            (owned("ark", &json!({"f:clusterIP": {}, "f:ipFamilies": {}})), json!({})),
            (owned("before-first-apply", &json!({"f:clusterIP": {}})), json!({})),
            (owned("kubectl", &json!({"f:clusterIP": {}})), json!({"clusterIP": "10.0.77.10"})),
            (
                owned("flux", &json!({"f:clusterIPs": {}, "f:ipFamilyPolicy": {}})),
                json!({"clusterIP": "10.0.77.10", "clusterIPs": ["10.0.77.10", "fd00::1"], "ipFamilyPolicy": "PreferDualStack"}),
            ),
            (
                json!({"annotations": {LAST_APPLIED: r#"{"spec": {"clusterIP": "10.0.77.10", "ipFamilies": ["IPv4"]}}"#}}),
                json!({"clusterIP": "10.0.77.10", "ipFamilies": ["IPv4", "IPv6"]}),
            ),
            (json!({"annotations": {LAST_APPLIED: r#"{"spec": {"clusterIP": ""}}"#}}), json!({})),
        ] {
            let mut item = service(&metadata);
            let kept = rewrite(&GroupResource::parse("services"), &mut item, false);
            assert_eq!((&item["spec"], kept), (&expected, expected != json!({})), "{metadata}");
            assert_eq!(
                wants_fixed_address(&GroupResource::parse("services"), &item),
                expected.get("clusterIP").is_some()
            );
        }
    }

    #[test]
    fn ports_that_an_earlier_restore_kept_are_nobodys_choice() {
        let port = json!({"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:nodePort": {}}}});
        let mut item = node_port_service(&owned("ark", &port));
        assert!(!rewrite(&GroupResource::parse("services"), &mut item, false));
        assert!(!wants_fixed_address(&GroupResource::parse("services"), &item), "{item}");
        let mut item = node_port_service(&owned("helm", &port));
        assert!(rewrite(&GroupResource::parse("services"), &mut item, false));
        assert!(wants_fixed_address(&GroupResource::parse("services"), &item), "{item}");
    }
}
