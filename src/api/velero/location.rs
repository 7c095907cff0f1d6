//! The spelling of a location in Velero and its plug-in for S3. Pure.

use k8s_openapi::ByteString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    BackupStorageLocationSpec, InvalidSpec, LocationConfig, adopt, forget_empty, said, schema, twice,
};
use crate::api::Duration;

/// Velero's names of fields of a location.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VeleroLocation {
    /// Velero's place for bucket, prefix and config.caCert, for example
    /// `{bucket: my-backups, prefix: clusters/east}`; set instead of bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_storage: Option<VeleroStorage>,
    /// Velero's name of syncPeriod, with the same meaning. Refused if both are set to different
    /// values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_sync_period: Option<Duration>,
    /// Velero's name of validationPeriod, with the same meaning. Refused if both are set to
    /// different values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_frequency: Option<Duration>,
}

/// Velero's place for bucket, prefix and certificate authorities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.prefix) == has(oldSelf.prefix)").message("prefix cannot be changed; create another location"))]
pub struct VeleroStorage {
    /// Name of the bucket, for example `my-backups`. Cannot be changed.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("bucket cannot be changed; create another location"))]
    pub bucket: String,
    /// Prefix of all keys in the bucket, for example `clusters/east`; default: none. Cannot be
    /// changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("prefix cannot be changed; create another location"))]
    pub prefix: Option<String>,
    /// Certificate authorities to trust for the service, as PEM text in base64; those of the system
    /// are not trusted then. Default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 131072))]
    pub ca_cert: Option<String>,
    /// Velero's field. Refused: write the certificates into config.caCert, as PEM text.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "schema::any_object")]
    pub ca_cert_ref: Map<String, Value>,
}

/// Settings that only Velero's plug-in for S3 has; all of them are text there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VeleroConfig {
    /// Velero's name of endpoint, with the same meaning. Refused if both are set to different
    /// values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub s3_url: Option<String>,
    /// Velero's name of forcePathStyle, as text: `"true"` or `"false"`. Refused if both are set to
    /// different values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub s3_force_path_style: Option<String>,
    /// Velero's field. `"true"` is refused, since Ark always checks certificates: write the
    /// certificate authority into caCert. `"false"` changes nothing.
    #[serde(default, rename = "insecureSkipTLSVerify", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub insecure_skip_tls_verify: Option<String>,
    /// Velero's field. Any value other than `"4"` is refused, since Ark signs with version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub signature_version: Option<String>,
    /// Velero's field. Refused, since Ark does not support keys of customers; use
    /// serverSideEncryption `aws:kms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub customer_key_encryption_file: Option<String>,
    /// Velero's field. Refused, since Ark does not support keys of customers; use
    /// serverSideEncryption `aws:kms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub customer_key_encryption_secret: Option<String>,
    /// Velero's field. Refused, since Ark reads credentials from a Secret: name it in the
    /// location's credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub credentials_file: Option<String>,
    /// Velero's field. Ignored, since Ark reads the server's AWS files wherever no credential is
    /// named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub enable_shared_config: Option<String>,
    /// Velero's field. Ignored, since Ark finds out by itself whether the service accepts
    /// checksums; see checksums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub checksum_algorithm: Option<String>,
    /// Velero's field. Ignored, since Ark puts no tags on objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::text")]
    pub tagging: Option<String>,
}

impl BackupStorageLocationSpec {
    pub(super) fn respell(&mut self) {
        let VeleroLocation { object_storage, backup_sync_period, validation_frequency } = &mut self.velero;
        adopt(&mut self.sync_period, backup_sync_period);
        adopt(&mut self.validation_period, validation_frequency);
        if !self.bucket.is_empty() || self.prefix.is_some() {
            return; // both spellings: `refused` says so
        }
        let Some(VeleroStorage { bucket, prefix, ca_cert, ca_cert_ref }) = object_storage.take() else {
            return;
        };
        self.bucket = bucket;
        self.prefix =
            prefix.map(|prefix| prefix.trim_matches('/').to_owned()).filter(|prefix| !prefix.is_empty());
        let mut ca_cert = ca_cert.filter(|text| !text.is_empty()).map(decoded);
        if ca_cert.is_some() {
            adopt(&mut self.config.get_or_insert_default().ca_cert, &mut ca_cert);
        }
        if ca_cert.is_some() || !ca_cert_ref.is_empty() {
            *object_storage = Some(VeleroStorage { ca_cert, ca_cert_ref, ..VeleroStorage::default() });
        }
    }

    /// Returns the fields that are given and have no effect here, each with the reason.
    pub fn ignored(&self) -> Vec<String> {
        let config = self.config.as_ref().map(|config| config.velero.clone()).unwrap_or_default();
        let shared = config.enable_shared_config.is_some();
        [
            said(
                "config.enableSharedConfig",
                shared,
                "the files of the AWS tools are read wherever no credential is named",
            ),
            said(
                "config.checksumAlgorithm",
                config.checksum_algorithm.is_some(),
                "whether uploads carry checksums is found out when the location is checked",
            ),
            said("config.tagging", config.tagging.is_some(), "Ark puts no tags on objects"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Decodes base64; a text that is none is taken as it is.
fn decoded(text: String) -> String {
    let bytes = serde_json::from_value::<ByteString>(Value::String(text.clone())).ok();
    bytes.and_then(|ByteString(bytes)| String::from_utf8(bytes).ok()).unwrap_or(text)
}

impl LocationConfig {
    pub(super) fn respell(&mut self) {
        let VeleroConfig {
            s3_url,
            s3_force_path_style,
            insecure_skip_tls_verify,
            signature_version,
            customer_key_encryption_file,
            customer_key_encryption_secret,
            credentials_file,
            enable_shared_config,
            checksum_algorithm: _,
            tagging,
        } = &mut self.velero;
        let texts = [customer_key_encryption_file, customer_key_encryption_secret, credentials_file, tagging];
        texts.into_iter().for_each(forget_empty);
        [&mut *s3_url, &mut *s3_force_path_style, &mut self.profile].into_iter().for_each(forget_empty);
        adopt(&mut self.endpoint, s3_url);
        let mut path_style = s3_force_path_style.as_deref().and_then(|text| text.parse().ok());
        if path_style.is_some() {
            adopt(&mut self.force_path_style, &mut path_style);
            s3_force_path_style.take_if(|_| path_style.is_none());
        }
        let off = |text: &mut String| text.is_empty() || text == "false";
        insecure_skip_tls_verify.take_if(off);
        enable_shared_config.take_if(off);
        signature_version.take_if(|version| version.is_empty() || version == "4");
        // As in Velero, a key alone selects the encryption.
        if self.kms_key_id.is_some() && self.server_side_encryption.is_none() {
            self.server_side_encryption = Some("aws:kms".to_owned());
        }
    }
}

impl VeleroLocation {
    /// Returns the fields that cannot be accepted.
    pub(in crate::api) fn refused(&self) -> Vec<InvalidSpec> {
        let Self { object_storage, backup_sync_period, validation_frequency } = self;
        let mut wrong = Vec::new();
        if let Some(VeleroStorage { bucket, prefix: _, ca_cert, ca_cert_ref }) = object_storage {
            if !bucket.is_empty() {
                let why =
                    "cannot be set together with bucket and prefix, which mean the same; keep one of them";
                wrong.push(InvalidSpec::new("objectStorage", why));
            } else if ca_cert.is_some() {
                wrong.push(twice("objectStorage.caCert", "config.caCert"));
            }
            if !ca_cert_ref.is_empty() {
                let why = "Ark takes certificates from no Secret; write them into config.caCert, as PEM text";
                wrong.push(InvalidSpec::new("objectStorage.caCertRef", why));
            }
        }
        wrong.extend(backup_sync_period.iter().map(|_| twice("backupSyncPeriod", "syncPeriod")));
        wrong.extend(validation_frequency.iter().map(|_| twice("validationFrequency", "validationPeriod")));
        wrong
    }
}

impl VeleroConfig {
    /// Returns the fields that cannot be accepted.
    pub(in crate::api) fn refused(&self) -> Vec<InvalidSpec> {
        let Self {
            s3_url,
            s3_force_path_style,
            insecure_skip_tls_verify,
            signature_version,
            customer_key_encryption_file,
            customer_key_encryption_secret,
            credentials_file,
            enable_shared_config: _,
            checksum_algorithm: _,
            tagging: _,
        } = self;
        let keys = "Ark does not encrypt with keys that the customer sends (SSE-C); use serverSideEncryption `aws:kms`";
        let style = match s3_force_path_style.as_deref() {
            Some("true" | "false") => "differs from config.forcePathStyle; keep one of them",
            _ => "must be \"true\" or \"false\"",
        };
        [
            ("s3Url", s3_url, "differs from config.endpoint; keep one of them"),
            ("s3ForcePathStyle", s3_force_path_style, style),
            (
                "insecureSkipTLSVerify",
                insecure_skip_tls_verify,
                "Ark always checks certificates; write the certificate authority into config.caCert",
            ),
            ("signatureVersion", signature_version, "Ark signs with version 4 only; leave it out"),
            ("customerKeyEncryptionFile", customer_key_encryption_file, keys),
            ("customerKeyEncryptionSecret", customer_key_encryption_secret, keys),
            (
                "credentialsFile",
                credentials_file,
                "Ark reads credentials from a Secret; name it in spec.credential",
            ),
        ]
        .into_iter()
        .filter(|(_, given, _)| given.is_some())
        .map(|(field, _, why)| InvalidSpec::new(format!("config.{field}"), why))
        .collect()
    }
}
