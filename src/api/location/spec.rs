//! The specification of a BackupStorageLocation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Duration, Timestamp, VeleroConfig, VeleroLocation};

/// Says where backups are kept. Provider, bucket, prefix and endpoint cannot be changed: another
/// bucket is another location.
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
    doc = "A bucket of an S3 service, or a folder in the server's pods, with a prefix, that holds backups and the \
           records of restores. Clusters that share one show each other's backups. Example: `spec: {provider: s3, \
           bucket: my-backups, prefix: clusters/east, config: {region: eu-central-1}}`.",
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
    /// Kind of store: `s3` for Amazon S3 and compatible services (`aws` and `velero.io/aws`, as
    /// Velero writes it, mean the same), `fs` for a folder that is mounted into the server's pods.
    /// Cannot be changed.
    #[schemars(schema_with = "provider")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("provider cannot be changed; create another location"))]
    pub provider: Provider,
    /// Name of the bucket, for example `my-backups`; with provider fs the absolute path of the
    /// folder, for example `/backups`. Required, unless objectStorage names the bucket. Cannot be
    /// changed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("bucket cannot be changed; create another location"))]
    pub bucket: String,
    /// Prefix of all keys in the bucket, without `/` at its ends, for example `clusters/east`;
    /// default: none, so that the whole bucket is used. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("prefix cannot be changed; create another location"),
        validation = Rule::new("!self.startsWith('/') && !self.endsWith('/') && !self.contains('//') && !self.matches('(^|/)[.][.]?(/|$)')")
            .message("prefix must have no `/` at its ends, no empty part, no `.` and no `..`"),
    )]
    pub prefix: Option<String>,
    /// Settings for S3; only with provider s3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<LocationConfig>,
    /// Key of a Secret that holds the credentials, for example `{name: minio, key: cloud}`; only
    /// with provider s3. Default: the server's own credentials, by the usual AWS chain
    /// (environment, role of its ServiceAccount or machine).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SecretKey>,
    /// Says whether anything may be written to the location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// Makes this location the one of Backups that name none; default: false. If several locations
    /// say so, the oldest is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// Time between two comparisons of the bucket with the cluster, by which backups of other
    /// clusters appear, for example `5m`; at least 1s. Default: the server's `--sync-period` (1m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_period: Option<Duration>,
    /// Time between two checks whether the location can be used, for example `5m`; at least 1s.
    /// Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_period: Option<Duration>,
    /// Fields that only Velero has.
    #[serde(flatten)]
    pub velero: VeleroLocation,
}

/// Returns the schema of the provider, which may also be the name of a plug-in of Velero.
pub fn provider(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "enum": ["s3", "fs", "aws", "velero.io/aws"]})
}

/// Kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Amazon S3, or a service that speaks S3.
    #[serde(alias = "aws", alias = "velero.io/aws")]
    S3,
    /// A folder that is mounted into the server's pods.
    Fs,
}

/// Says whether anything may be written to the location. ReadWrite (the default): backups are made
/// and deleted there. ReadOnly: the backups there can be restored, and none is made or deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AccessMode {
    /// Backups are made and deleted.
    #[default]
    ReadWrite,
    /// Backups can be restored, and none is made or deleted.
    ReadOnly,
}

/// Settings for S3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(crates(serde = "crate::api::velero::copied"))]
#[x_kube(validation = Rule::new("!has(self.kmsKeyId) || !has(self.serverSideEncryption) || self.serverSideEncryption == 'aws:kms'")
    .message("kmsKeyId goes only with serverSideEncryption `aws:kms`"))]
pub struct LocationConfig {
    /// Region of the bucket, for example `eu-central-1`; default: that of the server's environment
    /// (`AWS_REGION`), AWS profile or, without an endpoint, machine, else `us-east-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
    /// Address of an S3 service other than Amazon's, as `https://host[:port]` or
    /// `http://host[:port]`, for example `https://minio.example.com:9000`; default: Amazon S3, or
    /// the server's `AWS_ENDPOINT_URL`. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+/?$')").message("endpoint must be `https://host[:port]` or `http://host[:port]`"))]
    pub endpoint: Option<String>,
    /// Address at which people reach the service, if the server reaches it elsewhere, as
    /// `https://host[:port]` or `http://host[:port]`; downloads are signed for it. Default: the
    /// endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+/?$')").message("publicUrl must be `https://host[:port]` or `http://host[:port]`"))]
    pub public_url: Option<String>,
    /// Names the bucket in the path of a request (true) or in its host name (false); default: true
    /// with an endpoint, false without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,
    /// Encryption by the service: `AES256` with keys of the service, or `aws:kms`; default: as the
    /// bucket is configured, or `aws:kms` with kmsKeyId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["AES256", "aws:kms"]))]
    pub server_side_encryption: Option<String>,
    /// Key for `aws:kms`, by id, alias or ARN; default: the account's default key for S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
    /// Certificate authorities to trust for the service, as PEM text; those of the system are not
    /// trusted then. Default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_cert: Option<String>,
    /// Says whether uploads carry checksum headers: `WhenSupported` (yes) or `WhenRequired` (no,
    /// for a service that refuses them). Default: the first upload finds out what the service
    /// accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["WhenSupported", "WhenRequired"]))]
    pub checksums: Option<String>,
    /// Creates the bucket if it is missing when the location is first used; default: false. Has no
    /// effect with accessMode ReadOnly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_bucket: Option<bool>,
    /// Profile of the AWS credentials file to use; default: `default`, or without a credential the
    /// server's `AWS_PROFILE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub profile: Option<String>,
    /// Fields that only Velero's plug-in has.
    #[serde(flatten)]
    pub velero: VeleroConfig,
}

/// A key of a Secret in the server's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in the Secret, for example `cloud`. Its value is an AWS credentials file with
    /// `aws_access_key_id` and `aws_secret_access_key` below `[default]` or the `config.profile`.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// State of the location; written by the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStorageLocationStatus {
    /// State of the location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<LocationPhase>,
    /// Reason why the location cannot be used, or a remark on one that can; empty if there is
    /// nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Identity of the location: the `id` in its `ark-location.json`. If the bucket has another id
    /// later, it is another bucket, and the location becomes Unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Features of the service, found out by the checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<LocationCapabilities>,
    /// Time at which the backups in the bucket were last compared with the cluster (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced_time: Option<Timestamp>,
    /// Time at which the location was last checked (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_validation_time: Option<Timestamp>,
    /// Number of backups in the location, by state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<LocationCounts>,
    /// Generation of the specification (`metadata.generation`) to which this status belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions; the type Ready says whether the location can be used, and if not, why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// State of the location. Available: it can be used. Unavailable: it cannot; `message` says why.
/// Empty until a server has checked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LocationPhase {
    /// The location can be used.
    Available,
    /// The location cannot be used.
    Unavailable,
}

/// Features of the storage service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationCapabilities {
    /// Says whether the service writes a key only if it does not exist yet. If not, clusters that
    /// share the location must not use the same names for backups.
    pub conditional_writes: bool,
    /// Says whether uploads carry checksum headers; empty until it is known. Without them, TLS and
    /// Ark's own hashes guard the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<bool>,
}

/// Number of backups in the location, by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationCounts {
    /// Number of complete backups.
    #[serde(default)]
    pub backups: u64,
    /// Number of backups that were begun and are not complete.
    #[serde(default)]
    pub partial: u64,
    /// Number of Backups and Restores in the bucket that are not shown, because other objects in
    /// the cluster have their names; `ark location describe` says how to get at them.
    #[serde(default)]
    pub hidden: u64,
}

/// Advice for messages: how to reach backups and restores that are not shown.
pub const HIDDEN: &str = "`ark restore run --location URL --from-backup NAME`, with the URL of the location, restores from one of \
    them; to have them shown, delete the objects that have their names (and first the other location, if these objects belong to one)";
