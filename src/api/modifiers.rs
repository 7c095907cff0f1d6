//! Resource modifiers: changes to items on their way back, in the shape of Velero's resource modifier rules. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{InvalidSpec, filter, schema};
use crate::model::NamePatterns;

/// Changes the items that its conditions select, by JSON Patch or by merge patch; needs exactly one
/// of patches and mergePatches. Names, namespaces, apiVersion, kind and ownerReferences cannot be
/// changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.patches) && size(self.patches) > 0) != (has(self.mergePatches) && size(self.mergePatches) > 0)")
    .message("resourceModifiers: each rule needs either patches or mergePatches"))]
pub struct ResourceModifier {
    /// Selects the items to change.
    pub conditions: ModifierConditions,
    /// JSON Patch operations (RFC 6902), applied in this order; 64 at most. Either all of them are
    /// applied to an item or none. For example
    /// `{operation: replace, path: /spec/replicas, value: 1}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub patches: Vec<ResourcePatch>,
    /// Merge patches (RFC 7396), applied in this order; 64 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub merge_patches: Vec<MergePatch>,
}

/// Selects items; an item must meet all the conditions that are given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModifierConditions {
    /// Namespaces of the items in the backup, before any mapping, as names or globs, for example
    /// `shop-*`; default: all, and cluster-scoped items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub namespaces: Vec<String>,
    /// Kind of the items, as plural with group or as a glob, for example `persistentvolumeclaims`,
    /// `deployments.apps`, `*.apps` or `*` for all; short names do not work here.
    #[schemars(length(min = 1, max = 253))]
    pub group_resource: String,
    /// Regular expression that must match a part of the item's name; `^` and `$` bind it to the
    /// whole name, for example `^web-[0-9]+$`. Default: any name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub resource_name_regex: Option<String>,
    /// Selects items by label; default: any labels. Same form as a Deployment's `selector`, for
    /// example `matchLabels: {app: web}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Values that the item must have as it would be created; default: none. For example
    /// `{path: /spec/storageClassName, value: gp2}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub matches: Vec<PathMatch>,
}

/// A value that the item must have at a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct PathMatch {
    /// Place in the item as a JSON pointer, for example `/spec/storageClassName`; `/` within a key
    /// is written `~1`.
    #[schemars(length(max = 1024), regex(pattern = r"^(/.*)?$"))]
    pub path: String,
    /// Value at the path, any JSON; without it, the path must exist.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_value")]
    pub value: Option<Value>,
}

/// One JSON Patch operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.operation in ['move', 'copy']) == has(self.from)")
    .message("from: move and copy need it, the other operations take none"))]
pub struct ResourcePatch {
    /// Operation: add (also inserts into an array), remove, replace, move, copy, or test, which
    /// leaves the item unchanged if the value differs.
    pub operation: PatchOperation,
    /// Place in the item as a JSON pointer, for example `/spec/storageClassName` or
    /// `/metadata/annotations/example.com~1owner` (`/` within a key is written `~1`).
    #[schemars(length(max = 1024), regex(pattern = r"^(/.*)?$"))]
    pub path: String,
    /// Place, as a JSON pointer, from which move and copy take the value; only with these, and
    /// required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = r"^(/.*)?$"))]
    pub from: Option<String>,
    /// Value for add, replace and test, any JSON, and required there. Text stays text: `"3"` is not
    /// the number 3.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_value")]
    pub value: Option<Value>,
}

/// The operations of RFC 6902.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PatchOperation {
    /// Puts a value at the path, whether or not there is one; inserts into an array.
    Add,
    /// Removes the value at the path.
    Remove,
    /// Replaces the value that is at the path.
    Replace,
    /// Moves the value from another path.
    Move,
    /// Copies the value from another path.
    Copy,
    /// Leaves the item unchanged if the value at the path differs.
    Test,
}

/// One merge patch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MergePatch {
    /// An object in JSON or YAML, as text, for example `{"spec": {"replicas": 1}}`; null removes a
    /// field.
    #[schemars(length(min = 1, max = 65536))]
    pub patch_data: String,
}

/// A value that is there, be it null; absence is [`None`].
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl ResourceModifier {
    /// Everything that is wrong with the rule; `field` names it in errors.
    pub(super) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { conditions, patches, merge_patches } = self;
        let mut wrong = conditions.validate(&format!("{field}.conditions"));
        if patches.is_empty() == merge_patches.is_empty() {
            wrong.push(InvalidSpec::new(field, "needs either patches or mergePatches"));
        }
        for (at, patch) in patches.iter().enumerate() {
            let field = format!("{field}.patches[{at}]");
            wrong.extend(patch.complaints().into_iter().map(|why| InvalidSpec::new(&*field, why)));
        }
        for (at, MergePatch { patch_data }) in merge_patches.iter().enumerate() {
            let field = format!("{field}.mergePatches[{at}].patchData");
            match serde_saphyr::from_str::<Value>(patch_data) {
                Ok(Value::Object(_)) => {}
                Ok(_) => wrong.push(InvalidSpec::new(field, "is not an object; a merge patch names fields")),
                Err(error) => {
                    wrong.push(InvalidSpec::new(field, format!("is neither JSON nor YAML: {error}")));
                }
            }
        }
        wrong
    }
}

impl ModifierConditions {
    fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { namespaces, group_resource, resource_name_regex, label_selector, matches } = self;
        let mut wrong = Vec::new();
        if group_resource.is_empty() {
            wrong.push(InvalidSpec::new(
                format!("{field}.groupResource"),
                "is empty; name a kind, or `*` for all",
            ));
        }
        for pattern in namespaces {
            if let Err(error) = NamePatterns::new(std::slice::from_ref(pattern), &[]) {
                wrong.push(InvalidSpec::new(format!("{field}.namespaces"), error));
            }
        }
        if let Some(Err(error)) = resource_name_regex.as_deref().map(regex::Regex::new) {
            wrong.push(InvalidSpec::new(format!("{field}.resourceNameRegex"), error));
        }
        if let Some(selector) = label_selector {
            let requirements = filter::label_requirements(&format!("{field}.labelSelector"), selector);
            wrong.extend(requirements.err().into_iter().flatten());
        }
        let relative = matches.iter().filter(|each| !is_pointer(&each.path));
        wrong.extend(
            relative.map(|each| InvalidSpec::new(format!("{field}.matches"), not_a_pointer(&each.path))),
        );
        wrong
    }
}

impl ResourcePatch {
    fn complaints(&self) -> Vec<String> {
        let Self { operation, path, from, value } = self;
        let mut found = Vec::new();
        found.extend(
            [Some(path), from.as_ref()]
                .into_iter()
                .flatten()
                .filter(|path| !is_pointer(path))
                .map(|path| not_a_pointer(path)),
        );
        let moves = matches!(operation, PatchOperation::Move | PatchOperation::Copy);
        let needs_value =
            matches!(operation, PatchOperation::Add | PatchOperation::Replace | PatchOperation::Test);
        if moves && from.is_none() {
            found.push("move and copy need `from`".to_owned());
        }
        if !moves && from.is_some() {
            found.push("only move and copy take `from`".to_owned());
        }
        if needs_value && value.is_none() {
            found.push("add, replace and test need `value`; write `value: null` for null".to_owned());
        }
        found
    }
}

fn is_pointer(path: &str) -> bool {
    path.is_empty() || path.starts_with('/')
}

fn not_a_pointer(path: &str) -> String {
    format!("`{path}` is not a path: begin it with `/`, as in `/spec/replicas`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Value) -> Vec<String> {
        let rule: ResourceModifier = serde_json::from_value(rule).unwrap();
        rule.validate("resourceModifiers[0]").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_in_veleros_shape_is_taken() {
        let none: [String; 0] = [];
        assert_eq!(
            check(serde_json::json!({
                "conditions": {"groupResource": "persistentvolumeclaims", "resourceNameRegex": "^mysql.*$", "namespaces": ["bar"],
                    "matches": [{"path": "/spec/storageClassName", "value": "premium"}]},
                "patches": [{"operation": "replace", "path": "/spec/storageClassName", "value": "standard"},
                    {"operation": "remove", "path": "/metadata/labels/test"},
                    {"operation": "add", "path": "/metadata/annotations", "value": null}],
            })),
            none
        );
        let merge = serde_json::json!({"conditions": {"groupResource": "pods"}, "mergePatches": [{"patchData": "metadata:\n  labels: {a: b}\n"}]});
        assert_eq!(check(merge), none);
    }

    #[test]
    fn a_value_of_null_is_not_an_absent_value() {
        let patch: ResourcePatch =
            serde_json::from_value(serde_json::json!({"operation": "add", "path": "/a", "value": null}))
                .unwrap();
        assert_eq!(patch.value, Some(Value::Null));
        assert!(serde_json::to_string(&patch).unwrap().contains("\"value\":null"));
    }

    #[test]
    fn everything_wrong_with_a_rule_is_named() {
        let found = check(serde_json::json!({
            "conditions": {"groupResource": "", "resourceNameRegex": "(", "namespaces": ["{a}"], "matches": [{"path": "spec"}]},
            "patches": [{"operation": "add", "path": "spec"}, {"operation": "move", "path": "/a"}],
            "mergePatches": [{"patchData": "[1]"}],
        }));
        for part in [
            "conditions.groupResource",
            "conditions.resourceNameRegex",
            "conditions.namespaces",
            "conditions.matches",
            "patches[0]: `spec` is not a path",
            "patches[0]: add, replace and test need `value`",
            "patches[1]: move and copy need `from`",
            "mergePatches[0].patchData: is not an object",
            "[0]: needs either",
        ] {
            assert!(found.iter().any(|line| line.contains(part)), "{part} in {found:#?}");
        }
        assert_eq!(found.len(), 9);
    }
}
