//! Reads fields that Velero writes without a meaning: empty lists, zeros, switches that are off.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::{Duration, InvalidSpec};

/// Moves a field of Velero's spelling to Ark's own. If Ark's field has another value, both stay,
/// to be refused.
pub fn adopt<T: PartialEq>(own: &mut Option<T>, theirs: &mut Option<T>) {
    if own.is_none() {
        *own = theirs.take();
    } else if own == theirs {
        *theirs = None;
    }
}

/// Returns the fault of a setting that is given twice with different values.
pub fn twice(theirs: &str, own: &str) -> InvalidSpec {
    InvalidSpec::new(theirs, format!("differs from {own}, which means the same; keep one of them"))
}

/// Removes a switch that is off, which asks for nothing.
pub fn forget_off(switch: &mut Option<bool>) {
    *switch = switch.filter(|on| *on);
}

/// Removes an empty text.
pub fn forget_empty(text: &mut Option<String>) {
    text.take_if(|text| text.is_empty());
}

/// Empties a map whose values are all empty: `{}`, `{resources: []}`.
pub fn forget_hollow(map: &mut Map<String, Value>) {
    let hollow = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if map.values().all(hollow) {
        map.clear();
    }
}

/// Removes a duration of zero, which Velero writes for its default.
pub fn forget_zero(duration: &mut Option<Duration>) {
    duration.take_if(|duration| duration.is_zero());
}

/// Returns a sentence that a field has no effect here, and why; `None` if the field is not given.
pub fn said(field: &str, given: bool, why: &str) -> Option<String> {
    given.then(|| format!("spec.{field} has no meaning here and is ignored: {why}"))
}

/// Labels by key.
pub type LabelMap = BTreeMap<String, String>;
