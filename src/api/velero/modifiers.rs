//! Converts Velero's document of resource modifier rules, as it is in a ConfigMap or a file, into
//! Ark's own rules. Pure.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::ResourceModifier;

/// The fields of a rule.
const KNOWN: [&str; 4] = ["conditions", "patches", "mergePatches", "strategicPatches"];

/// The document of rules.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    version: Option<String>,
    resource_modifier_rules: Vec<Map<String, Value>>,
}

/// Parses Velero's resource modifier rules. A value is a text there that stands for JSON: `3` and
/// `"3"` are the number, `true` is the boolean, `"\"3\""` is a text.
///
/// # Errors
/// The faults of the document, for its author.
pub fn velero_rules(text: &str) -> Result<Vec<ResourceModifier>, String> {
    let document: Document = serde_saphyr::from_str(text)
        .map_err(|error| format!("it is not a document of resource modifier rules: {error}"))?;
    let Document { version, resource_modifier_rules } = document;
    if let Some(version) = version.filter(|version| version != "v1") {
        return Err(format!("its version is `{version}`, and Ark reads only `v1`"));
    }
    resource_modifier_rules
        .into_iter()
        .enumerate()
        .map(|(at, rule)| read(rule).map_err(|why| format!("rule {}: {why}", at + 1)))
        .collect()
}

fn read(mut rule: Map<String, Value>) -> Result<ResourceModifier, String> {
    if let Some(unknown) = rule.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!(
            "`{unknown}` is not a field of a rule; a rule has conditions, and patches or mergePatches"
        ));
    }
    let strategic = rule.remove("strategicPatches");
    if strategic.as_ref().and_then(Value::as_array).is_some_and(|patches| !patches.is_empty()) {
        return Err(
            "Ark has no strategicPatches, because these need the schema of each kind; write the change as patches or mergePatches"
                .to_owned(),
        );
    }
    let mean = |entries: Option<&mut Value>| {
        let entries = entries.and_then(Value::as_array_mut).into_iter().flatten();
        entries.filter_map(|entry| entry.get_mut("value")).for_each(meant);
    };
    mean(rule.get_mut("patches"));
    mean(rule.get_mut("conditions").and_then(|conditions| conditions.get_mut("matches")));
    serde_json::from_value(Value::Object(rule)).map_err(|error| error.to_string())
}

/// Replaces a text by the JSON that it stands for.
fn meant(value: &mut Value) {
    let Some(text) = value.as_str() else { return };
    let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    let meant = if quoted {
        Value::String(text[1..text.len() - 1].to_owned())
    } else {
        // A text that is no JSON stands for itself.
        serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
    };
    *value = meant;
}
