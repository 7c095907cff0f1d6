//! Converts the specification of a BackupStorageLocation into a [`Location`] of a store. Pure.

use std::path::Path;

use crate::api::{BackupStorageLocation, BackupStorageLocationSpec, LocationConfig, Provider};
use crate::store::location::{DirectoryLocation, Encryption, S3Location, parse_checksums, parse_endpoint};
use crate::store::{Content, InvalidLocation, Location};

use crate::api::AccessMode;

/// Returns the location of a store. Under `config.createBucket` a missing bucket is created only if
/// it may be written and never had an identity: one that vanished later is not replaced by an empty
/// one.
///
/// # Errors
/// If a setting of the location cannot be used.
pub fn of(
    location: &BackupStorageLocation,
    credentials: Option<Content>,
) -> Result<Location, InvalidLocation> {
    let BackupStorageLocationSpec { provider, bucket, prefix, config, .. } = &location.spec;
    let prefix = prefix.clone().unwrap_or_default();
    if *provider == Provider::Fs {
        let path = Path::new(bucket).join(prefix);
        return Ok(Location::Directory(DirectoryLocation { path, create_bucket: false }));
    }
    let LocationConfig {
        region,
        endpoint,
        public_url,
        force_path_style,
        server_side_encryption,
        kms_key_id,
        ca_cert,
        checksums,
        create_bucket,
        profile,
        velero: _,
    } = config.clone().unwrap_or_default();
    let known = location.status.as_ref().is_some_and(|status| status.id.is_some());
    Ok(Location::S3(S3Location {
        bucket: bucket.clone(),
        prefix,
        endpoint: endpoint.as_deref().map(|text| parse_endpoint("endpoint", text)).transpose()?,
        public_url: public_url.as_deref().map(|text| parse_endpoint("publicUrl", text)).transpose()?,
        checksums: checksums.as_deref().map(parse_checksums).transpose()?,
        region,
        force_path_style,
        encryption: Encryption::from_settings(server_side_encryption.as_deref(), kms_key_id)?,
        ca_cert: ca_cert.map(|text| Content::Text { origin: "the text".to_owned(), text }),
        profile,
        credentials,
        create_bucket: create_bucket == Some(true) && !is_read_only(location) && !known,
    }))
}

/// Returns true if nothing may be written to a location.
pub fn is_read_only(location: &BackupStorageLocation) -> bool {
    location.spec.access_mode == Some(AccessMode::ReadOnly)
}
