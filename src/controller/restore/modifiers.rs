//! Resource modifiers of a Restore: its own, then those of a ConfigMap in Velero's format.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;

use crate::api::{Restore, RestoreSpec, velero_rules};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::restore;

/// Returns the specification with all its modifiers, or in the inner result why the ConfigMap
/// cannot be used.
///
/// # Errors
/// If the API server cannot be asked.
pub async fn of(
    context: &Context,
    restore: &Restore,
) -> Result<Result<RestoreSpec, String>, ControllerError> {
    let Some(reference) = &restore.spec.resource_modifier else { return Ok(Ok(restore.spec.clone())) };
    let (name, namespace) = (&reference.name, &context.settings.namespace);
    let doing = format!("read ConfigMap `{name}` of Restore `{}`", restore.name_any());
    let found = ControllerError::within(doing, context.api::<ConfigMap>().get_opt(name)).await?;
    let extended = match found {
        None => Err(format!("there is no ConfigMap `{name}` in namespace {namespace}")),
        Some(found) => extend(restore.spec.clone(), found),
    };
    Ok(extended.map_err(|why| format!("spec.resourceModifier: {why}")))
}

/// Returns the specification with the rules of a ConfigMap after its own.
fn extend(mut spec: RestoreSpec, map: ConfigMap) -> Result<RestoreSpec, String> {
    let name = map.name_any();
    let texts: Vec<String> = map.data.unwrap_or_default().into_values().collect();
    let [text] = &*texts else {
        return Err(format!(
            "ConfigMap `{name}` has {} keys, and must have one that holds the rules",
            texts.len()
        ));
    };
    spec.resource_modifiers.extend(velero_rules(text).map_err(|why| format!("ConfigMap `{name}`: {why}"))?);
    let wrong: Vec<String> = restore::check(&spec).iter().map(ToString::to_string).collect();
    if wrong.is_empty() {
        Ok(spec)
    } else {
        Err(format!("with the rules of ConfigMap `{name}`, {}", wrong.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const RULES: &str = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: persistentvolumeclaims}\n  \
                         patches:\n  - {operation: replace, path: /spec/storageClassName, value: premium}\n";

    fn extended(data: Value) -> Result<RestoreSpec, String> {
        let spec = json!({"backupName": "a", "resourceModifier": {"kind": "ConfigMap", "name": "rules"},
            "resourceModifiers": [{"conditions": {"groupResource": "pods"}, "mergePatches": [{"patchData": "{}"}]}]});
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rules"}, "data": data});
        extend(serde_json::from_value(spec).unwrap(), serde_json::from_value(map).unwrap())
    }

    #[test]
    fn the_rules_of_the_config_map_come_after_those_of_the_restore() {
        let spec = extended(json!({"rules.yaml": RULES})).unwrap();
        let kinds: Vec<&str> =
            spec.resource_modifiers.iter().map(|rule| rule.conditions.group_resource.as_str()).collect();
        assert_eq!(kinds, ["pods", "persistentvolumeclaims"]);
    }

    #[test]
    fn a_config_map_that_holds_no_rules_is_refused_with_the_reason() {
        for (data, says) in [
            (json!({}), "has 0 keys"),
            (json!({"a": RULES, "b": RULES}), "has 2 keys"),
            (json!({"a": "x"}), "not a document of resource modifier rules"),
            (json!({"a": RULES.replace("v1", "v2")}), "Ark reads only `v1`"),
            (json!({"a": RULES.replace("/spec", "spec")}), "resourceModifiers[1]"),
        ] {
            let refused = extended(data).unwrap_err();
            assert!(refused.contains("`rules`") && refused.contains(says), "{refused}");
        }
    }
}
