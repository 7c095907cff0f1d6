//! Velero's YAML, taken: what only is spelled otherwise becomes Ark's own field as it is read, so that the rest of the program
//! sees one spelling. What has no counterpart is kept: where it would be wrong to go on without it, `validate` refuses it, and
//! where it is not, `ignored` says so. What asks for nothing, `hooks: {}` or `snapshotMoveData: false`, is dropped. Pure.
//!
//! The definitions name both spellings, since the API server prunes what they do not name; what neither Ark nor Velero knows
//! is therefore gone before the server sees it, and only `kubectl` (`--validate=strict`, its default) can refuse it.

mod backup;
mod location;
mod modifiers;
mod restore;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    BackupSpec, BackupStorageLocationSpec, Duration, InvalidSpec, LocationConfig, RestoreSpec, ScheduleSpec,
    schema,
};
pub use backup::{BackupMetadata, VeleroBackup};
pub use location::{VeleroConfig, VeleroLocation, VeleroStorage};
pub use modifiers::velero_rules;
pub use restore::{LocalReference, VeleroRestore};

/// The derived codecs of these read and write every field as it is spelled (`remote = "Self"`); here they are wrapped.
macro_rules! respelled {
    ($($kind:ident),* $(,)?) => {
        $(
            impl<'de> Deserialize<'de> for $kind {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let mut spelled = $kind::deserialize(deserializer)?;
                    spelled.respell();
                    Ok(spelled)
                }
            }

            impl Serialize for $kind {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    $kind::serialize(self, serializer)
                }
            }
        )*
    };
}

respelled!(BackupSpec, RestoreSpec, ScheduleSpec, BackupStorageLocationSpec, LocationConfig);

/// What KubeSchema derives for its copy of a specification, instead of a codec: of one that is wrapped, nothing would use it.
pub mod copied {
    pub use std::cmp::PartialEq as Serialize;
}

/// What only Velero's Schedules say; a Backup of its template says the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VeleroSchedule {
    /// Velero's word for useOwnerReferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_owner_references_in_backup: Option<bool>,
}

impl ScheduleSpec {
    fn respell(&mut self) {
        adopt(&mut self.use_owner_references, &mut self.velero.use_owner_references_in_backup);
    }
}

impl VeleroSchedule {
    /// What cannot be taken as it is.
    pub(super) fn refused(&self) -> Vec<InvalidSpec> {
        let given = self.use_owner_references_in_backup.is_some();
        given.then(|| twice("useOwnerReferencesInBackup", "useOwnerReferences")).into_iter().collect()
    }
}

/// Takes over what is spelled in Velero's way; where Ark's own field says something else, both stay, to be refused.
fn adopt<T: PartialEq>(own: &mut Option<T>, theirs: &mut Option<T>) {
    if own.is_none() {
        *own = theirs.take();
    } else if own == theirs {
        *theirs = None;
    }
}

/// That a thing is said twice, and differently.
fn twice(theirs: &str, own: &str) -> InvalidSpec {
    InvalidSpec::new(
        theirs,
        format!("says something else than {own}, which means the same; keep one of them"),
    )
}

/// Forgets a switch that is off, and so asks for nothing.
fn forget_off(switch: &mut Option<bool>) {
    *switch = switch.filter(|on| *on);
}

/// Forgets a text that is empty.
fn forget_empty(text: &mut Option<String>) {
    text.take_if(|text| text.is_empty());
}

/// Forgets a map of which no value holds anything: `{}`, `{resources: []}`.
fn forget_hollow(map: &mut Map<String, Value>) {
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
fn forget_zero(duration: &mut Option<Duration>) {
    duration.take_if(|duration| duration.is_zero());
}

/// A text that is kept as it is written.
fn text(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 1024})
}

/// Says of a field that it means nothing here, and why.
fn said(field: &str, given: bool, why: &str) -> Option<String> {
    given.then(|| format!("spec.{field} has no meaning here and is ignored: {why}"))
}

/// Labels by key.
type LabelMap = BTreeMap<String, String>;

#[cfg(test)]
mod tests;
