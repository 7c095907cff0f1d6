//! DeleteBackupRequest, DownloadRequest, ServerStatusRequest: one request each, as in Velero,
//! whose status records the outcome.

#![expect(clippy::duplicated_attributes, reason = "each print column has a type of its own")]

use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BACKUP_NAME_LABEL, BACKUP_UID_LABEL, Backup, STORED_IN, Timestamp, label_value, synced_from};

/// Names the Backup to delete.
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
    doc = "Asks the server to delete a Backup, all that the bucket has of it, and the records of its restores. \
           `ark backup delete` makes one; `status` says how far the deletion is and what it waits for. \
           Example: `spec: {backupName: nightly-20261121030000}`.",
    printcolumn(name = "Backup", type_ = "string", json_path = ".spec.backupName"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DeleteBackupRequestSpec {
    /// Name of the Backup to delete, in the same namespace. Its restores' records are deleted with
    /// it. Cannot be changed.
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

/// Progress and result of the request; written by the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteBackupRequestStatus {
    /// Progress of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<DeletePhase>,
    /// While the request is InProgress: what the deletion waits for. Once it is Processed: why
    /// nothing, or not everything, was deleted; empty if everything was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The uid of the Backup to delete, from the request's label `ark.heptio.com/backup-uid` or as
    /// the server first found it. Another Backup of the same name is not deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_uid: Option<String>,
    /// Says that the bucket holds nothing of the backup any more; the Backup object is deleted
    /// last. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Time at which the request was answered (RFC 3339, UTC); the server deletes the request an
    /// hour later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_timestamp: Option<Timestamp>,
}

/// Progress of the request. New: not begun. InProgress: the deletion has begun and goes on until
/// everything is gone; `errors` says what it waits for. Processed: answered; `errors` is empty if
/// the backup is deleted. Empty until a server has seen the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletePhase {
    /// Not begun.
    #[default]
    New,
    /// The deletion has begun.
    InProgress,
    /// The request is answered.
    Processed,
}

/// Names the file to download and the key to which the answer is sealed. `ark backup logs` and
/// other commands make these requests.
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
    doc = "Asks the server for an address at which one file of a Backup or Restore can be downloaded. \
           `ark backup logs` and other commands make one each; the address is sealed to `spec.publicKey` and good \
           for ten minutes.",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.target.kind"),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.target.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DownloadRequestSpec {
    /// File of a Backup or Restore to download. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("target cannot be changed; create another request"))]
    pub target: DownloadTarget,
    /// Asks for an address at the server, behind the API server, instead of one at the bucket, for
    /// a person who does not reach the bucket; default: false. A location that cannot sign
    /// addresses, for example a folder, is always read through the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through_server: Option<bool>,
    /// X25519 public key, 64 lower-case hexadecimal digits, to which the address is sealed: whoever
    /// knows the address can read the file. `ark` makes a key for each request. A request without a
    /// key gets no address. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("publicKey cannot be changed; create another request"))]
    pub public_key: Option<String>,
}

/// File of a Backup or Restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadTarget {
    /// Kind of the file: BackupContents (the tarball), BackupResourceList and RestoreResourceList
    /// (the index of items), BackupResults and RestoreResults (warnings and errors), BackupLog and
    /// RestoreLog (the log of the run). BackupVolumeInfos is refused, since backups have no such
    /// file.
    pub kind: DownloadKind,
    /// Name of the Backup (kinds Backup…) or Restore (kinds Restore…), in the same namespace.
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

/// Answer of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadRequestStatus {
    /// Progress of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<DownloadPhase>,
    /// Address of the file, as hexadecimal digits that only the owner of publicKey's private key
    /// can decrypt. Empty if there is no address; `message` says why.
    #[serde(default, rename = "sealedURL", skip_serializing_if = "Option::is_none")]
    pub sealed_url: Option<String>,
    /// Time until which the address can be used (RFC 3339, UTC): ten minutes after the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Timestamp>,
    /// Reason why there is no address; empty if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Time at which the request was answered (RFC 3339, UTC); the server deletes the request an
    /// hour later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_timestamp: Option<Timestamp>,
}

/// Progress of the request. New: not answered. Processed: answered, with sealedURL or with
/// `message`. Empty until a server has seen the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DownloadPhase {
    /// Not answered.
    #[default]
    New,
    /// Answered, with an address or with the reason why there is none.
    Processed,
}

/// Asks the server for its version; has no fields.
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
    doc = "Asks the server for its version, which it writes into `status`. `ark version --server` makes one.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.serverVersion"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ServerStatusRequestSpec {}

/// Answer of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatusRequestStatus {
    /// Progress of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ServerStatusPhase>,
    /// Time at which the server answered (RFC 3339, UTC); the server deletes the request an hour
    /// later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_timestamp: Option<Timestamp>,
    /// Version of the server that answered, for example `0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
}

/// Progress of the request: Processed once the server has answered, New or empty before. A request
/// that stays unanswered means that no server runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ServerStatusPhase {
    /// Not answered.
    #[default]
    New,
    /// Answered.
    Processed,
}
