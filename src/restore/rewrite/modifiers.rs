//! Applies a person's own rules, in the shape of Velero's: they are compiled beforehand, with
//! everything that is wrong told at once, and applied last. Pure.
//!
//! Conditions see namespaces as they are in the backup and the rest of the item as it would be
//! created. A rule is applied whole or not at all: a `test` that fails skips the rule, and any
//! other failure is the item's error.

use json_patch::PatchOperation;
use regex::Regex;
use serde_json::{Value, json};

use super::fitted::Fitted;
use super::{RewriteError, shape};
use crate::api::{
    MergePatch, ModifierConditions, PatchOperation as Operation, ResourceModifier, ResourcePatch,
    label_requirements,
};
use crate::model::{GroupResource, ItemKey, LabelQuery, LabelSet, NamePatterns};

/// One thing that is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resource modifier {rule}: {field}: {why}")]
pub struct InvalidModifier {
    /// The number of the rule, from 1.
    pub rule: usize,
    /// The field of the rule.
    pub field: String,
    /// The reason why the field is wrong.
    pub why: String,
}

/// Rules that are ready to be applied.
#[derive(Clone, Debug, Default)]
pub struct CompiledModifiers(Vec<CompiledRule>);

#[derive(Clone, Debug)]
struct CompiledRule {
    namespaces: NamePatterns,
    kinds: NamePatterns,
    name: Option<Regex>,
    labels: LabelQuery,
    matches: Vec<(String, Option<Value>)>,
    patches: Vec<PatchOperation>,
    merges: Vec<Value>,
    fitted: Fitted,
}

impl CompiledModifiers {
    /// Compiles every rule.
    ///
    /// # Errors
    /// With everything that is wrong with any rule.
    pub fn compile(modifiers: &[ResourceModifier]) -> Result<Self, Vec<InvalidModifier>> {
        let mut wrong = Vec::new();
        let mut rules = Vec::new();
        for (at, modifier) in modifiers.iter().enumerate() {
            let mut note = |field: &str, why: &dyn std::fmt::Display| {
                wrong.push(InvalidModifier { rule: at + 1, field: field.to_owned(), why: why.to_string() });
            };
            rules.extend(compile(modifier, &mut note));
        }
        if wrong.is_empty() { Ok(Self(rules)) } else { Err(wrong) }
    }

    /// Applies the rules whose conditions the item meets, in order. `key` is the item's name in
    /// the backup.
    pub(super) fn apply(
        &self,
        kind: &GroupResource,
        key: &ItemKey,
        item: &mut Value,
    ) -> Result<(), RewriteError> {
        for (at, rule) in self.0.iter().enumerate() {
            if rule.selects(kind, key, item) {
                rule.fitted.note();
                rule.apply(at + 1, key, item)?;
            }
        }
        Ok(())
    }

    /// Returns the places of the rules whose conditions no item has met, from 0.
    pub(super) fn without_effect(&self) -> impl Iterator<Item = usize> {
        let idle = |(_, rule): &(usize, &CompiledRule)| !rule.fitted.is_noted();
        self.0.iter().enumerate().filter(idle).map(|(at, _)| at)
    }
}

/// The objection to a rule that changes owner references: they are set aside until their owners
/// are there, so that no rule reaches them.
const NO_OWNERS: &str = "ownerReferences follow the owners that are there and cannot be changed by a rule; change them once the restore has ended";

type Note<'a> = dyn FnMut(&str, &dyn std::fmt::Display) + 'a;

/// Compiles a rule, or returns `None` if it notes a fault that leaves no rule.
fn compile(modifier: &ResourceModifier, note: &mut Note<'_>) -> Option<CompiledRule> {
    let ResourceModifier { conditions, patches, merge_patches } = modifier;
    let ModifierConditions { namespaces, group_resource, resource_name_regex, label_selector, matches } =
        conditions;
    if patches.is_empty() == merge_patches.is_empty() {
        note("patches", &"give either patches or mergePatches");
    }
    for each in matches.iter().filter(|each| !each.path.is_empty() && !each.path.starts_with('/')) {
        note("conditions.matches", &format!("`{}` is not a path: begin it with `/`", each.path));
    }
    let kinds = NamePatterns::new(&[group_resource.to_lowercase()], &[])
        .map_err(|error| note("conditions.groupResource", &error));
    let namespaces =
        NamePatterns::new(namespaces, &[]).map_err(|error| note("conditions.namespaces", &error));
    let name = resource_name_regex
        .as_deref()
        .map(Regex::new)
        .transpose()
        .map_err(|error| note("conditions.resourceNameRegex", &error));
    let labels = label_selector
        .as_ref()
        .map(|selector| label_requirements("labelSelector", selector))
        .transpose()
        .map_err(|errors| errors.iter().for_each(|error| note("conditions.labelSelector", &error.why)));
    let patches = patches
        .iter()
        .enumerate()
        .filter_map(|(at, patch)| {
            if patch.path.starts_with("/metadata/ownerReferences") {
                note(&format!("patches[{at}]"), &NO_OWNERS);
            }
            operation(patch).map_err(|error| note(&format!("patches[{at}]"), &error)).ok()
        })
        .collect();
    let merges = merge_patches.iter().enumerate().filter_map(|(at, MergePatch { patch_data })| {
        match serde_saphyr::from_str::<Value>(patch_data) {
            Ok(patch @ Value::Object(_)) => {
                if shape::at(&patch, &["metadata", "ownerReferences"]).is_some() {
                    note(&format!("mergePatches[{at}]"), &NO_OWNERS);
                }
                return Some(patch);
            }
            Ok(_) => note(&format!("mergePatches[{at}]"), &"is not an object; a merge patch names fields"),
            Err(error) => note(&format!("mergePatches[{at}]"), &error),
        }
        None
    });
    let merges = merges.collect();
    Some(CompiledRule {
        namespaces: namespaces.ok()?,
        kinds: kinds.ok()?,
        name: name.ok()?,
        labels: LabelQuery::new(labels.ok()?.into_iter().collect()),
        matches: matches.iter().map(|each| (each.path.clone(), each.value.clone())).collect(),
        patches,
        merges,
        fitted: Fitted::default(),
    })
}

fn operation(patch: &ResourcePatch) -> Result<PatchOperation, serde_json::Error> {
    let ResourcePatch { operation, path, from, value } = patch;
    let mut wire = json!({"op": operation, "path": path});
    if let Some(from) = from {
        wire["from"] = json!(from);
    }
    // An `add` without a value would be read as adding null, which must be written down.
    if let Some(value) = value {
        wire["value"] = value.clone();
    } else if matches!(operation, Operation::Add | Operation::Replace | Operation::Test) {
        return Err(<serde_json::Error as serde::de::Error>::custom(
            "add, replace and test need `value`; write `value: null` for null",
        ));
    }
    serde_json::from_value(wire)
}

impl CompiledRule {
    fn selects(&self, kind: &GroupResource, key: &ItemKey, item: &Value) -> bool {
        let in_namespace = self.namespaces.is_everything()
            || key.namespace.as_deref().is_some_and(|namespace| self.namespaces.takes(namespace));
        in_namespace
            && self.kinds.takes(kind.as_str())
            && self.name.as_ref().is_none_or(|name| name.is_match(&key.name))
            && (self.labels.is_everything() || self.labels.matches(&labels_of(item)))
            && self.matches.iter().all(|(path, expected)| match (item.pointer(path), expected) {
                (Some(found), Some(expected)) => found == expected,
                (found, None) => found.is_some(),
                (None, Some(_)) => false,
            })
    }

    fn apply(&self, rule: usize, key: &ItemKey, item: &mut Value) -> Result<(), RewriteError> {
        let mut changed = item.clone();
        if let Err(source) = json_patch::patch_unsafe(&mut changed, &self.patches) {
            if matches!(self.patches.get(source.operation), Some(PatchOperation::Test(_))) {
                return Ok(());
            }
            return Err(RewriteError::Modifier { key: key.clone(), rule, source });
        }
        for merge in &self.merges {
            json_patch::merge(&mut changed, merge);
        }
        for path in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"] {
            if changed.pointer(path) != item.pointer(path) {
                return Err(RewriteError::Identity { key: key.clone(), rule, path });
            }
        }
        *item = changed;
        Ok(())
    }
}

fn labels_of(item: &Value) -> LabelSet {
    shape::at(item, &["metadata", "labels"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests;
