//! References in PVCs, volumes, snapshots and ResourceClaims to cluster-scoped items. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{STORAGE, Sink, VOLUMES};

pub(super) const DRIVERS: &str = "csidrivers.storage.k8s.io";
const ATTRIBUTES: &str = "volumeattributesclasses.storage.k8s.io";
const DEVICES: &str = "deviceclasses.resource.k8s.io";

/// A PVC, its template, or a volume: they name their classes by the same fields.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct VolumeClaim {
    metadata: Option<Annotated>,
    spec: Option<ClaimSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotated {
    name: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSpec {
    volume_name: Option<String>,
    storage_class_name: Option<String>,
    volume_attributes_class_name: Option<String>,
    csi: Option<Driven>,
}

/// An object that a driver serves: a volume, or a class of snapshots.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Driven {
    pub(super) driver: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StorageClass {
    provisioner: Option<String>,
}

impl StorageClass {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        sink.need(DRIVERS, self.provisioner);
    }
}

impl VolumeClaim {
    /// Returns `metadata.name`, which a template has, too.
    pub(super) fn name(&self) -> Option<String> {
        self.metadata.as_ref()?.name.clone()
    }

    pub(super) fn refer(self, sink: &mut impl Sink) {
        // The annotation is older than the field, and is obeyed before it.
        let annotated = annotation(self.metadata, "volume.beta.kubernetes.io/storage-class");
        sink.need(STORAGE, annotated);
        let spec = self.spec.unwrap_or_default();
        sink.need(VOLUMES, spec.volume_name);
        sink.need(STORAGE, spec.storage_class_name);
        sink.need(ATTRIBUTES, spec.volume_attributes_class_name);
        sink.need(DRIVERS, spec.csi.and_then(|csi| csi.driver));
    }
}

pub(super) fn annotation(metadata: Option<Annotated>, key: &str) -> Option<String> {
    metadata.and_then(|metadata| metadata.annotations)?.remove(key)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Snapshot {
    spec: Option<SnapshotSpec>,
    status: Option<SnapshotStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SnapshotSpec {
    driver: Option<String>,
    volume_snapshot_class_name: Option<String>,
    source: Option<SnapshotSource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SnapshotSource {
    volume_snapshot_content_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SnapshotStatus {
    bound_volume_snapshot_content_name: Option<String>,
}

impl Snapshot {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        let spec = self.spec.unwrap_or_default();
        sink.need(DRIVERS, spec.driver);
        sink.need("volumesnapshotclasses.snapshot.storage.k8s.io", spec.volume_snapshot_class_name);
        let asked = spec.source.and_then(|source| source.volume_snapshot_content_name);
        let bound = self.status.and_then(|status| status.bound_volume_snapshot_content_name);
        for content in [asked, bound] {
            sink.need("volumesnapshotcontents.snapshot.storage.k8s.io", content);
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupSnapshot {
    spec: Option<GroupSnapshotSpec>,
    status: Option<GroupSnapshotStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GroupSnapshotSpec {
    driver: Option<String>,
    volume_group_snapshot_class_name: Option<String>,
    source: Option<GroupSnapshotSource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GroupSnapshotSource {
    volume_group_snapshot_content_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GroupSnapshotStatus {
    bound_volume_group_snapshot_content_name: Option<String>,
}

impl GroupSnapshot {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        let spec = self.spec.unwrap_or_default();
        sink.need(DRIVERS, spec.driver);
        let class = spec.volume_group_snapshot_class_name;
        sink.need("volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io", class);
        let asked = spec.source.and_then(|source| source.volume_group_snapshot_content_name);
        let bound = self.status.and_then(|status| status.bound_volume_group_snapshot_content_name);
        for content in [asked, bound] {
            sink.need("volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io", content);
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DeviceSpec {
    devices: Option<Devices>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Devices {
    requests: Option<Vec<DeviceRequest>>,
}

/// A request for a device. Until v1beta1 the request itself named the class; since then one of two
/// fields does.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeviceRequest {
    device_class_name: Option<String>,
    exactly: Option<Box<DeviceRequest>>,
    first_available: Option<Vec<DeviceRequest>>,
}

impl DeviceSpec {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        let requests = self.devices.and_then(|devices| devices.requests);
        requests.into_iter().flatten().for_each(|request| request.refer(sink));
    }
}

impl DeviceRequest {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        sink.need(DEVICES, self.device_class_name);
        self.exactly.into_iter().for_each(|request| request.refer(sink));
        self.first_available.into_iter().flatten().for_each(|request| request.refer(sink));
    }
}
