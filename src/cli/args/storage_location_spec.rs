//! Converts a location URL into a `BackupStorageLocationSpec`. Pure, except that the files it names
//! are read.

use std::path::Path;

use crate::api::{BackupStorageLocationSpec, LocationConfig, Provider, VeleroLocation};
use crate::cli::exit::Failure;
use crate::store::Location;
use crate::store::location::{Content, Encryption, S3Location, checksums_setting};

/// Largest file in bytes: more than any credentials file or bundle of certificates holds, and less
/// than a Secret takes.
const LARGEST: usize = 512 << 10;

/// Returns the specification of a location, as the server needs it. `flag` is the flag with the
/// URL, `credential_flag` the one for credentials, both for messages.
pub fn spec_from_location(
    location: Location,
    flag: &str,
    credential_flag: &str,
) -> Result<BackupStorageLocationSpec, Failure> {
    match location {
        Location::Directory(folder) if folder.create_bucket => Err(Failure::usage(format!(
            "{flag}: createBucket does not go with file://; the folder is one that is mounted into the server's pods"
        ))),
        Location::Directory(folder) => {
            Ok(bare_spec(Provider::Fs, folder.path.to_string_lossy().into_owned()))
        }
        Location::S3(s3) => bucket(s3, flag, credential_flag),
    }
}

fn bare_spec(provider: Provider, bucket: String) -> BackupStorageLocationSpec {
    BackupStorageLocationSpec {
        provider,
        bucket,
        prefix: None,
        config: None,
        credential: None,
        access_mode: None,
        default: None,
        sync_period: None,
        validation_period: None,
        velero: VeleroLocation::default(),
    }
}

fn bucket(s3: S3Location, flag: &str, credential_flag: &str) -> Result<BackupStorageLocationSpec, Failure> {
    let S3Location {
        bucket,
        prefix,
        endpoint,
        public_url,
        region,
        force_path_style,
        encryption,
        ca_cert,
        checksums,
        profile,
        credentials,
        create_bucket,
    } = s3;
    if profile.is_some() || credentials.is_some() {
        return Err(Failure::usage(format!(
            "{flag} names a profile or a credentials file of this machine, which a pod does not have; use {credential_flag}"
        )));
    }
    let (server_side_encryption, kms_key_id) = match encryption {
        Encryption::BucketDefault => (None, None),
        Encryption::ServiceKey => (Some("AES256".to_owned()), None),
        Encryption::Kms(key) => (Some("aws:kms".to_owned()), key),
    };
    let config = LocationConfig {
        region,
        endpoint,
        public_url,
        force_path_style,
        server_side_encryption,
        kms_key_id,
        ca_cert: ca_cert.map(certificates).transpose()?,
        checksums: checksums.map(|always| checksums_setting(always).to_owned()),
        create_bucket: create_bucket.then_some(true),
        ..LocationConfig::default()
    };
    Ok(BackupStorageLocationSpec {
        prefix: (!prefix.is_empty()).then_some(prefix),
        config: (config != LocationConfig::default()).then_some(config),
        ..bare_spec(Provider::S3, bucket)
    })
}

fn certificates(content: Content) -> Result<String, Failure> {
    match content {
        Content::Text { origin: _, text } => Ok(text),
        Content::File(path) => String::from_utf8(read(&path)?).map_err(|_| {
            Failure::usage(format!(
                "{} holds no PEM certificates; caCert names a file of them",
                path.display()
            ))
        }),
    }
}

/// Reads a small file; fails if it is larger than [`LARGEST`].
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let content = std::fs::read(path)
        .map_err(|error| Failure::failed(&format!("reading {}", path.display()), &error))?;
    if content.len() > LARGEST {
        return Err(Failure::usage(format!("{} is too large to be the right file", path.display())));
    }
    Ok(content)
}
