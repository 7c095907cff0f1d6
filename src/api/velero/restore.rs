//! The fields that only Velero's Restores have. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{InvalidSpec, RestoreHook, RestoreSpec, forget_empty, forget_hollow, said, schema};

/// A reference to an object in the server's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalReference {
    /// API group of the object; default: the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub api_group: Option<String>,
    /// Kind of the object; must be `ConfigMap`.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Name of the object.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// Fields of Velero's Restores that Ark does not have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VeleroRestore {
    /// Velero's field. Ignored, since Ark has no operations that go on after the restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub item_operation_timeout: Option<String>,
    /// Velero's field. Ignored, since Ark does not restore the data in volumes yet.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "schema::any_object")]
    pub uploader_config: Map<String, Value>,
    /// Velero's field. Refused (phase FailedValidation), since Ark reads no resource policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<LocalReference>,
}

impl RestoreSpec {
    pub(super) fn respell(&mut self) {
        forget_empty(&mut self.backup_name);
        forget_empty(&mut self.schedule_name);
        self.hooks.take_if(|hooks| hooks.resources.is_empty());
        self.hooks.iter_mut().flat_map(|hooks| &mut hooks.resources).for_each(RestoreHook::respell);
        forget_hollow(&mut self.scale);
        self.resource_modifier.take_if(|modifier| modifier.name.is_empty());
        let VeleroRestore { item_operation_timeout, uploader_config, resource_policy } = &mut self.velero;
        forget_empty(item_operation_timeout);
        forget_hollow(uploader_config);
        resource_policy.take_if(|policy| policy.name.is_empty());
    }

    /// Returns the fields that are given and have no effect here, each with the reason. None of
    /// them changes what is restored.
    pub fn ignored(&self) -> Vec<String> {
        let VeleroRestore { item_operation_timeout, uploader_config, resource_policy: _ } = &self.velero;
        let timeout = item_operation_timeout.is_some();
        [
            said("itemOperationTimeout", timeout, "no work goes on after a restore has ended"),
            said(
                "uploaderConfig",
                !uploader_config.is_empty(),
                "Ark does not bring back what was in volumes yet",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl VeleroRestore {
    /// Returns the fields that are refused: without their effect the restore would be wrong.
    pub(in crate::api) fn refused(&self) -> Vec<InvalidSpec> {
        let policy = self.resource_policy.iter().map(|_| {
            InvalidSpec::new(
                "resourcePolicy",
                "Ark does not read resource policies, so that other items would be restored than the policy says; leave \
                 it out, and select items by namespace, kind and label",
            )
        });
        policy.collect()
    }
}

impl LocalReference {
    /// Returns a fault if the reference does not name a ConfigMap; `field` names it in errors.
    pub(in crate::api) fn check_config_map(&self, field: &str) -> Option<InvalidSpec> {
        let core = self.api_group.as_deref().is_none_or(str::is_empty);
        (!core || !self.kind.eq_ignore_ascii_case("configmap")).then(|| {
            let why = format!(
                "`{}` is not a kind that holds rules; put them into a ConfigMap in the server's namespace",
                self.kind
            );
            InvalidSpec::new(format!("{field}.kind"), why)
        })
    }
}
