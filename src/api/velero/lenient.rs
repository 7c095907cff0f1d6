//! Reading what Velero's objects say without meaning it: empty lists, zeros, what is off.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::{Duration, InvalidSpec};

/// Takes over what is spelled in Velero's way; where Ark's own field says something else, both stay, to be refused.
pub fn adopt<T: PartialEq>(own: &mut Option<T>, theirs: &mut Option<T>) {
    if own.is_none() {
        *own = theirs.take();
    } else if own == theirs {
        *theirs = None;
    }
}

/// That a thing is said twice, and differently.
pub fn twice(theirs: &str, own: &str) -> InvalidSpec {
    InvalidSpec::new(
        theirs,
        format!("says something else than {own}, which means the same; keep one of them"),
    )
}

/// Forgets a switch that is off, and so asks for nothing.
pub fn forget_off(switch: &mut Option<bool>) {
    *switch = switch.filter(|on| *on);
}

/// Forgets a text that is empty.
pub fn forget_empty(text: &mut Option<String>) {
    text.take_if(|text| text.is_empty());
}

/// Forgets a map of which no value holds anything: `{}`, `{resources: []}`.
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

/// Forgets a duration of nothing, which Velero writes for its default.
pub fn forget_zero(duration: &mut Option<Duration>) {
    duration.take_if(|duration| duration.is_zero());
}

/// Says of a field that it means nothing here, and why.
pub fn said(field: &str, given: bool, why: &str) -> Option<String> {
    given.then(|| format!("spec.{field} has no meaning here and is ignored: {why}"))
}

/// Labels by key.
pub type LabelMap = BTreeMap<String, String>;
