//! The specification of a BackupStorageLocation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Duration, Timestamp, VeleroConfig, VeleroLocation};

/// Where backups live. What it points at cannot be changed: another bucket is another location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "ark.heptio.com",
    version = "v1",
    kind = "BackupStorageLocation",
    namespaced,
    status = "BackupStorageLocationStatus",
    derive = "PartialEq",
    shortname = "bsl",
    category = "ark",
    doc = "A bucket or directory that holds backups.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".spec.bucket"),
    printcolumn(name = "Prefix", type_ = "string", json_path = ".spec.prefix"),
    printcolumn(name = "AccessMode", type_ = "string", json_path = ".spec.accessMode"),
    printcolumn(name = "Default", type_ = "boolean", json_path = ".spec.default"),
    printcolumn(name = "LastSynced", type_ = "date", json_path = ".status.lastSyncedTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(crates(serde = "crate::api::velero::copied"))]
#[x_kube(
    validation = Rule::new("has(self.bucket) != has(self.objectStorage)")
        .message("exactly one of bucket and objectStorage must be set"),
    validation = Rule::new("has(self.bucket) == has(oldSelf.bucket)")
        .message("bucket cannot be changed; create another location"),
    validation = Rule::new("self.provider == 'fs' || !has(self.bucket) || self.bucket.matches('^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$')")
        .message("bucket must be the name of a bucket when provider is s3: letters, digits, `.`, `_` and `-`"),
    validation = Rule::new("self.provider != 'fs' || !has(self.bucket) || (self.bucket.startsWith('/') && !self.bucket.matches('(^|/)[.][.](/|$)'))")
        .message("bucket must be an absolute path without `..` when provider is fs"),
    validation = Rule::new("self.provider != 'fs' || (!has(self.config) && !has(self.credential))")
        .message("config and credential go only with provider s3"),
    validation = Rule::new("has(self.prefix) == has(oldSelf.prefix)")
        .message("prefix cannot be changed; create another location"),
    validation = Rule::new("(has(self.config) ? (has(self.config.endpoint) ? self.config.endpoint : has(self.config.s3Url) ? self.config.s3Url : '') : '') == (has(oldSelf.config) ? (has(oldSelf.config.endpoint) ? oldSelf.config.endpoint : has(oldSelf.config.s3Url) ? oldSelf.config.s3Url : '') : '')")
        .message("config.endpoint cannot be changed; create another location"),
)]
pub struct BackupStorageLocationSpec {
    /// What kind of store it is; `aws`, as Velero says, is s3.
    #[schemars(schema_with = "provider")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("provider cannot be changed; create another location"))]
    pub provider: Provider,
    /// The bucket; for fs the directory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("bucket cannot be changed; create another location"))]
    pub bucket: String,
    /// Everything is below this prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("prefix cannot be changed; create another location"),
        validation = Rule::new("!self.startsWith('/') && !self.endsWith('/') && !self.contains('//') && !self.matches('(^|/)[.][.]?(/|$)')")
            .message("prefix must have no `/` at its ends, no empty part, no `.` and no `..`"),
    )]
    pub prefix: Option<String>,
    /// How to speak to S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<LocationConfig>,
    /// The Secret with the credentials; the server's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SecretKey>,
    /// Whether anything may be written; ReadWrite when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// Whether Backups that name no location go here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// How often to look for backups that other clusters made; the server's default when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_period: Option<Duration>,
    /// How often to check that the location can be used; the server's default when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_period: Option<Duration>,
    /// What only Velero says.
    #[serde(flatten)]
    pub velero: VeleroLocation,
}

/// Returns the schema of the provider, which may also be the name of a plug-in of Velero.
pub fn provider(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "enum": ["s3", "fs", "aws", "velero.io/aws"]})
}

/// What kind of store a location is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// S3, or what speaks it.
    #[serde(alias = "aws", alias = "velero.io/aws")]
    S3,
    /// A directory that the server has mounted.
    Fs,
}

/// Whether anything may be written to a location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AccessMode {
    /// It may.
    #[default]
    ReadWrite,
    /// Only restores; no backup, no deletion.
    ReadOnly,
}

/// How to speak to S3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(crates(serde = "crate::api::velero::copied"))]
#[x_kube(validation = Rule::new("!has(self.kmsKeyId) || !has(self.serverSideEncryption) || self.serverSideEncryption == 'aws:kms'")
    .message("kmsKeyId goes only with serverSideEncryption `aws:kms`"))]
pub struct LocationConfig {
    /// The region; the usual AWS sources when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
    /// The address of an S3 service other than AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+/?$')").message("endpoint must be `https://host[:port]` or `http://host[:port]`"))]
    pub endpoint: Option<String>,
    /// The address at which people reach the service, where that is another one: downloads are signed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+/?$')").message("publicUrl must be `https://host[:port]` or `http://host[:port]`"))]
    pub public_url: Option<String>,
    /// Whether the bucket is named in the path and not in the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,
    /// Encryption by the service: `AES256` or `aws:kms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["AES256", "aws:kms"]))]
    pub server_side_encryption: Option<String>,
    /// The key for `aws:kms`, which it implies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
    /// Certificate authorities to trust beside the system's, as PEM text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_cert: Option<String>,
    /// Whether uploads carry checksum headers: `WhenSupported` or `WhenRequired` (not at all); found out when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["WhenSupported", "WhenRequired"]))]
    pub checksums: Option<String>,
    /// Whether to create the bucket when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_bucket: Option<bool>,
    /// The profile of the credentials file; `default` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub profile: Option<String>,
    /// What only the configuration of Velero's plug-in says.
    #[serde(flatten)]
    pub velero: VeleroConfig,
}

/// A key of a Secret in the server's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it, whose value is an AWS credentials file.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// How a location fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStorageLocationStatus {
    /// Whether it can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<LocationPhase>,
    /// Why it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The identity in its `ark-location.json`; another one means another bucket under the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the service can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<LocationCapabilities>,
    /// When the list of backups was last compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced_time: Option<Timestamp>,
    /// When it was last checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_validation_time: Option<Timestamp>,
    /// What is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<LocationCounts>,
    /// The generation of the specification that all this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: whether it can be used, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Whether a location can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LocationPhase {
    /// It can.
    Available,
    /// It cannot.
    Unavailable,
}

/// What a storage service can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationCapabilities {
    /// Whether a name can be claimed atomically; if not, two clusters must not write the same names.
    pub conditional_writes: bool,
    /// Whether uploads carry checksum headers, once it is known; if not, only TLS and Ark's own hashes guard them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<bool>,
}

/// What is in a location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationCounts {
    /// Finished backups.
    #[serde(default)]
    pub backups: u64,
    /// Backups that were begun and not finished.
    #[serde(default)]
    pub partial: u64,
    /// Backups and Restores that are not shown, because other objects of the cluster have their names.
    #[serde(default)]
    pub hidden: u64,
}

/// Advice for messages: how to reach backups and restores that are not shown.
pub const HIDDEN: &str = "`ark restore run --location URL --from-backup NAME`, with the URL of the location, restores from one of \
    them; to have them shown, delete the objects that have their names, and before that the other location where these are of one";
