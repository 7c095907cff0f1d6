//! The first location and its credentials, as manifests. Pure, except that the files that are named
//! are read.

use std::path::Path;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::super::args::storage_location_spec::{read, spec_from_location};
use super::super::exit::Failure;
use crate::api::{AccessMode, BackupStorageLocation, BackupStorageLocationSpec, SecretKey};
use crate::store::{Location, objection_to_credentials};

/// The key in the Secret; its value is an AWS credentials file.
const KEY: &str = "cloud";

/// Returns the manifest of the location `name` in `namespace`, which is marked as the default.
pub fn location(
    url: &str,
    (name, namespace): (&str, &str),
    credential: Option<&str>,
    read_only: bool,
) -> Result<Value, Failure> {
    let location = Location::from_url(url)?;
    if matches!(location, Location::Directory(_)) {
        return Err(Failure::usage(
            "--location names a folder, which a pod does not have; name a bucket, or mount a volume with the Helm \
             chart (extraVolumes) and create a BackupStorageLocation with provider fs",
        ));
    }
    let specification = BackupStorageLocationSpec {
        credential: credential.map(|secret| SecretKey { name: secret.to_owned(), key: KEY.to_owned() }),
        access_mode: read_only.then_some(AccessMode::ReadOnly),
        default: Some(true),
        ..spec_from_location(location, "--location", "--credentials-file")?
    };
    let mut location = BackupStorageLocation::new(name, specification);
    location.metadata.namespace = Some(namespace.to_owned());
    serde_json::to_value(location).map_err(|error| Failure::failed("writing the location as JSON", &error))
}

/// Returns the manifest of the Secret `name` in `namespace`, with the content of the file.
pub fn credentials(file: &Path, (name, namespace): (&str, &str)) -> Result<Value, Failure> {
    let content = read(file)?;
    if let Some(why) = objection_to_credentials(&content) {
        return Err(Failure::usage(format!("the credentials in {} cannot be used: {why}", file.display())));
    }
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": name, "namespace": namespace },
        "data": { KEY: ByteString(content) },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: (&str, &str) = ("default", "heptio-ark");

    #[test]
    fn a_url_becomes_a_location_that_says_no_more_than_the_url() {
        let made = location("s3://bucket", PLACE, None, false).unwrap();
        assert_eq!(made["spec"], json!({ "provider": "s3", "bucket": "bucket", "default": true }));
        let url = "s3://bucket/a/b?region=eu-central-1&serverSideEncryption=aws:kms&kmsKeyId=k";
        let spec = location(url, PLACE, Some("ark-credentials"), true).unwrap()["spec"].clone();
        assert_eq!(
            spec["config"],
            json!({ "region": "eu-central-1", "serverSideEncryption": "aws:kms", "kmsKeyId": "k" })
        );
        assert_eq!(spec["credential"], json!({ "name": "ark-credentials", "key": "cloud" }));
        assert_eq!((&spec["prefix"], &spec["accessMode"]), (&json!("a/b"), &json!("ReadOnly")));
    }

    #[test]
    fn what_only_this_machine_has_is_refused() {
        for url in ["file:///backups", "s3://bucket?profile=x", "s3://bucket?credentialsFile=/x"] {
            assert!(location(url, PLACE, None, false).is_err(), "{url}");
        }
    }

    #[test]
    fn a_file_that_holds_no_credentials_is_refused_without_being_repeated() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[default]\naws_secret_access_key = hidden\n").unwrap();
        let refused = credentials(file.path(), PLACE).unwrap_err();
        assert!(!refused.message().contains("hidden"), "{}", refused.message());
        assert!(refused.message().contains("no aws_access_key_id"), "{}", refused.message());
        std::fs::write(file.path(), "[default]\naws_access_key_id = a\naws_secret_access_key = b\n").unwrap();
        assert_eq!(credentials(file.path(), PLACE).unwrap()["kind"], "Secret");
    }
}
