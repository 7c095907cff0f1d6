//! Accepts Velero's YAML: a field that is only spelled otherwise becomes Ark's own field as it is
//! read, so that the rest of the program sees one spelling. A field without a counterpart is kept:
//! `validate` refuses it where it would be wrong to go on without it, else `ignored` tells of it.
//! Fields that ask for nothing, `hooks: {}` or `snapshotMoveData: false`, are dropped. Pure.
//!
//! The definitions name both spellings, since the API server prunes fields that they do not name.
//! A field that neither Ark nor Velero knows is therefore removed before the server sees it, and
//! only `kubectl` (`--validate=strict`, its default) can refuse it.

mod backup;
mod lenient;
mod location;
mod modifiers;
mod restore;

pub use backup::{BackupMetadata, VeleroBackup};
pub use location::{VeleroConfig, VeleroLocation, VeleroStorage};
pub use modifiers::velero_rules;
pub use restore::{LocalReference, VeleroRestore};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    BackupHook, BackupSpec, BackupStorageLocationSpec, InvalidSpec, LocationConfig, RestoreHook, RestoreSpec,
    ScheduleSpec, schema,
};
use lenient::{LabelMap, adopt, forget_empty, forget_hollow, forget_off, forget_zero, said, twice};

/// The derived codecs of these types read and write every field as it is spelled (`remote =
/// "Self"`); they are wrapped here.
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

/// Replaces the codec that KubeSchema derives for its copy of a specification: nothing would use
/// the codec of a wrapped one.
pub mod copied {
    pub use std::cmp::PartialEq as Serialize;
}

/// Fields that only Velero's Schedules have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VeleroSchedule {
    /// Velero's name of useOwnerReferences, with the same meaning. Refused if both are set to
    /// different values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_owner_references_in_backup: Option<bool>,
}

impl ScheduleSpec {
    fn respell(&mut self) {
        adopt(&mut self.use_owner_references, &mut self.velero.use_owner_references_in_backup);
    }
}

impl VeleroSchedule {
    /// Returns the fields that cannot be accepted.
    pub(super) fn refused(&self) -> Vec<InvalidSpec> {
        let given = self.use_owner_references_in_backup.is_some();
        given.then(|| twice("useOwnerReferencesInBackup", "useOwnerReferences")).into_iter().collect()
    }
}

/// Returns the schema of a text that is kept as it is written.
fn text(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 1024})
}

#[cfg(test)]
mod tests;
