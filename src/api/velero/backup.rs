//! The fields that only Velero's Backups have. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    BackupHook, BackupSpec, InvalidSpec, LabelMap, LocalReference, forget_empty, forget_hollow, forget_off,
    forget_zero, said, schema,
};

/// Metadata of the Backups of a Schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupMetadata {
    /// Labels that each Backup of the Schedule gets, for example `{team: web}`; default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: LabelMap,
}

/// Fields of Velero's Backups that Ark does not have: refused or ignored with a message where they
/// ask for something, dropped where they do not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VeleroBackup {
    /// Velero's field. `true` is refused (phase FailedValidation), since Ark does not copy the data
    /// in volumes yet; `false` changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_move_data: Option<bool>,
    /// Velero's field. `true` is refused (phase FailedValidation), since Ark does not copy the data
    /// in volumes yet; `false` changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_volumes_to_fs_backup: Option<bool>,
    /// Velero's older name of defaultVolumesToFsBackup. `true` is refused (phase FailedValidation);
    /// `false` changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_volumes_to_restic: Option<bool>,
    /// Velero's field. Refused (phase FailedValidation), since Ark reads no resource policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<LocalReference>,
    /// Velero's field. Ignored, since Ark takes no snapshots of volumes yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub volume_snapshot_locations: Vec<String>,
    /// Velero's field. Ignored, since every item is read as of one instant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::order")]
    pub ordered_resources: BTreeMap<String, String>,
    /// Velero's field. Ignored, since Ark takes no snapshots of volumes yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub csi_snapshot_timeout: Option<String>,
    /// Velero's field. Ignored, since Ark has no operations that go on after the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub item_operation_timeout: Option<String>,
    /// Velero's field. Ignored, since Ark does not copy the data in volumes yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub datamover: Option<String>,
    /// Velero's field. Ignored, since Ark does not copy the data in volumes yet.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "schema::any_object")]
    pub uploader_config: Map<String, Value>,
    /// Velero's field. Ignored, since Ark takes no snapshots of volumes yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub volume_group_snapshot_label_key: Option<String>,
}

impl BackupSpec {
    pub(super) fn respell(&mut self) {
        forget_zero(&mut self.ttl);
        self.hooks.take_if(|hooks| hooks.resources.is_empty() && hooks.actions.is_empty());
        self.hooks.iter_mut().flat_map(|hooks| &mut hooks.resources).for_each(BackupHook::respell);
        self.metadata.take_if(|metadata| metadata.labels.is_empty());
        let VeleroBackup {
            snapshot_move_data,
            default_volumes_to_fs_backup,
            default_volumes_to_restic,
            resource_policy,
            datamover,
            uploader_config,
            csi_snapshot_timeout,
            item_operation_timeout,
            volume_group_snapshot_label_key,
            volume_snapshot_locations: _,
            ordered_resources: _,
        } = &mut self.velero;
        [snapshot_move_data, default_volumes_to_fs_backup, default_volumes_to_restic]
            .into_iter()
            .for_each(forget_off);
        [datamover, csi_snapshot_timeout, item_operation_timeout, volume_group_snapshot_label_key]
            .into_iter()
            .for_each(forget_empty);
        resource_policy.take_if(|policy| policy.name.is_empty());
        forget_hollow(uploader_config);
    }

    /// Returns the fields that are given and have no effect here, each with the reason. None of
    /// them changes what the backup holds.
    pub fn ignored(&self) -> Vec<String> {
        const SNAPSHOTS: &str = "Ark takes no snapshots of volumes yet";
        const DATA: &str = "Ark does not copy what is in volumes yet";
        let VeleroBackup {
            volume_snapshot_locations,
            ordered_resources,
            csi_snapshot_timeout,
            item_operation_timeout,
            datamover,
            uploader_config,
            volume_group_snapshot_label_key,
            ..
        } = &self.velero;
        [
            said("volumeSnapshotLocations", !volume_snapshot_locations.is_empty(), SNAPSHOTS),
            said(
                "orderedResources",
                !ordered_resources.is_empty(),
                "every item is taken as it was at one instant, in whatever order",
            ),
            said("csiSnapshotTimeout", csi_snapshot_timeout.is_some(), SNAPSHOTS),
            said(
                "itemOperationTimeout",
                item_operation_timeout.is_some(),
                "no work goes on after a backup has ended",
            ),
            said("datamover", datamover.is_some(), DATA),
            said("uploaderConfig", !uploader_config.is_empty(), DATA),
            said("volumeGroupSnapshotLabelKey", volume_group_snapshot_label_key.is_some(), SNAPSHOTS),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl VeleroBackup {
    /// Returns the fields that are refused: without their effect the backup would lack something.
    pub(in crate::api) fn refused(&self) -> Vec<InvalidSpec> {
        const DATA: &str = "Ark does not copy what is in volumes yet; leave it out or set it to false, and back the data up by \
                            other means";
        let asked = [
            ("snapshotMoveData", self.snapshot_move_data),
            ("defaultVolumesToFsBackup", self.default_volumes_to_fs_backup),
            ("defaultVolumesToRestic", self.default_volumes_to_restic),
        ];
        let mut wrong: Vec<InvalidSpec> = asked
            .into_iter()
            .filter(|(_, asked)| *asked == Some(true))
            .map(|(field, _)| InvalidSpec::new(field, DATA))
            .collect();
        if self.resource_policy.is_some() {
            wrong.push(InvalidSpec::new(
                "resourcePolicy",
                "Ark does not read resource policies, so that the backup would hold other items than the policy says; leave \
                 it out, and select items by namespace, kind and label",
            ));
        }
        wrong
    }
}
