//! DeleteBackupRequest, DownloadRequest, ServerStatusRequest: one request each, as in Velero,
//! whose status records the outcome.

#![expect(clippy::duplicated_attributes, reason = "each print column has a type of its own")]

use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BACKUP_NAME_LABEL, BACKUP_UID_LABEL, Backup, STORED_IN, Timestamp, label_value, synced_from};

/// Asks for a Backup to be deleted, with its objects in the bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "ark.heptio.com",
    version = "v1",
    kind = "DeleteBackupRequest",
    namespaced,
    status = "DeleteBackupRequestStatus",
    derive = "PartialEq",
    shortname = "dbr",
    category = "ark",
    doc = "Asks for a backup to be deleted, with its objects in the bucket.",
    printcolumn(name = "Backup", type_ = "string", json_path = ".spec.backupName"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DeleteBackupRequestSpec {
    /// The Backup to delete.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("backupName cannot be changed; create another request"))]
    pub backup_name: String,
}

impl DeleteBackupRequest {
    /// Creates a request for this very Backup: another Backup that has its name by then is kept.
    pub fn of(backup: &Backup, name: &str) -> Self {
        let backup_name = backup.name_any();
        let mut request = Self::new(name, DeleteBackupRequestSpec { backup_name: backup_name.clone() });
        request.labels_mut().insert(BACKUP_NAME_LABEL.to_owned(), label_value(&backup_name));
        request.labels_mut().extend(backup.uid().map(|uid| (BACKUP_UID_LABEL.to_owned(), uid)));
        let origin = backup.status.as_ref().and_then(|status| status.origin.as_ref());
        let made_in = origin.and_then(|origin| origin.location.as_deref());
        if let Some(id) = synced_from(&backup.metadata).or(made_in) {
            request.annotations_mut().insert(STORED_IN.to_owned(), id.to_owned());
        }
        request
    }
}

/// What became of a DeleteBackupRequest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteBackupRequestStatus {
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<DeletePhase>,
    /// What went wrong; nothing when the Backup is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The uid of the Backup that is meant, as a label of the request says or as it was when the server first looked: no other of
    /// its name is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_uid: Option<String>,
    /// Whether the bucket has nothing of the Backup any more; its object goes last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// When it was done; the request goes an hour later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_timestamp: Option<Timestamp>,
}

/// How far a DeleteBackupRequest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletePhase {
    /// Not begun.
    #[default]
    New,
    /// Begun.
    InProgress,
    /// Done, well or not.
    Processed,
}

/// Asks for an address at which one part of a Backup or Restore can be had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "ark.heptio.com",
    version = "v1",
    kind = "DownloadRequest",
    namespaced,
    status = "DownloadRequestStatus",
    derive = "PartialEq",
    shortname = "dlr",
    category = "ark",
    doc = "Asks for an address at which one part of a backup or restore can be downloaded.",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.target.kind"),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.target.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DownloadRequestSpec {
    /// What to download.
    #[x_kube(validation = Rule::new("self == oldSelf").message("target cannot be changed; create another request"))]
    pub target: DownloadTarget,
    /// Whether the server hands it out itself, through the API server: for whoever does not reach the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through_server: Option<bool>,
    /// The X25519 key, as hexadecimal digits, to which the address is sealed, since whoever has the address has what is behind it.
    /// `ark` makes one for each request; without one there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("publicKey cannot be changed; create another request"))]
    pub public_key: Option<String>,
}

/// What to download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadTarget {
    /// Which part.
    pub kind: DownloadKind,
    /// Of which Backup or Restore.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A part of a Backup or Restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DownloadKind {
    /// A Backup's log.
    BackupLog,
    /// A Backup's tarball.
    BackupContents,
    /// A Backup's index: what is in it.
    BackupResourceList,
    /// A Backup's warnings and errors.
    BackupResults,
    /// A Backup's volumes.
    BackupVolumeInfos,
    /// A Restore's log.
    RestoreLog,
    /// A Restore's index: what was done to each item.
    RestoreResourceList,
    /// A Restore's warnings and errors.
    RestoreResults,
}

/// What became of a DownloadRequest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadRequestStatus {
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<DownloadPhase>,
    /// Where the part can be had: an address that only who asked can read.
    #[serde(default, rename = "sealedURL", skip_serializing_if = "Option::is_none")]
    pub sealed_url: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Timestamp>,
    /// Why it cannot be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was answered; the request goes an hour later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_timestamp: Option<Timestamp>,
}

/// How far a DownloadRequest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DownloadPhase {
    /// Not looked at yet.
    #[default]
    New,
    /// Answered, with an address or with the reason why there is none.
    Processed,
}

/// Asks the server who it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "ark.heptio.com",
    version = "v1",
    kind = "ServerStatusRequest",
    namespaced,
    status = "ServerStatusRequestStatus",
    derive = "PartialEq",
    shortname = "ssr",
    category = "ark",
    doc = "Asks the server for its version.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.serverVersion"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ServerStatusRequestSpec {}

/// The server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatusRequestStatus {
    /// Whether it has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ServerStatusPhase>,
    /// When it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_timestamp: Option<Timestamp>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
}

/// Whether the server has answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ServerStatusPhase {
    /// Not yet.
    #[default]
    New,
    /// It has.
    Processed,
}
