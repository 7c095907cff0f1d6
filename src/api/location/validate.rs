//! The faults of a BackupStorageLocation, all at once, as the API server would tell them one by
//! one. Pure.

use super::{BackupStorageLocationSpec, LocationConfig, Provider, SecretKey};
use crate::api::Duration;
use crate::api::InvalidSpec;
use crate::model::objection_to_bucket_name;

/// The longest names, in bytes.
const MAX_BUCKET: usize = 1024;
const MAX_PREFIX: usize = 512;
const MAX_REGION: usize = 64;
const MAX_ENDPOINT: usize = 1024;
const MAX_KMS_KEY: usize = 2048;
const MAX_PROFILE: usize = 64;
const MAX_CERTIFICATES: usize = 65536;
const MAX_NAME: usize = 253;

impl BackupStorageLocationSpec {
    /// Returns everything that is wrong with the specification; empty if it is valid.
    pub fn validate(&self) -> Vec<InvalidSpec> {
        let Self {
            provider,
            bucket,
            prefix,
            config,
            credential,
            access_mode: _,
            default: _,
            sync_period,
            validation_period,
            velero,
        } = self;
        let mut wrong = velero.refused();
        wrong.extend(config.iter().flat_map(|config| config.velero.refused()));
        let mut say = |field: &str, why: String| wrong.push(InvalidSpec::new(field, why));
        check_length("bucket", bucket, MAX_BUCKET, &mut say);
        match provider {
            Provider::S3 if !bucket.is_empty() => {
                objection_to_bucket_name(bucket).into_iter().for_each(|why| say("bucket", why));
            }
            Provider::Fs if !bucket.starts_with('/') || bucket.split('/').any(|part| part == "..") => {
                say("bucket", "must be an absolute path without `..` when provider is fs".to_owned());
            }
            _ => {}
        }
        if *provider == Provider::Fs {
            for (field, given) in [("config", config.is_some()), ("credential", credential.is_some())] {
                if given {
                    say(field, "goes only with provider s3; leave it out".to_owned());
                }
            }
        }
        if let Some(prefix) = prefix {
            check_prefix(prefix, &mut say);
        }
        if let Some(config) = config {
            check_config(config, &mut say);
        }
        if let Some(SecretKey { name, key }) = credential {
            check_length("credential.name", name, MAX_NAME, &mut say);
            check_length("credential.key", key, MAX_NAME, &mut say);
        }
        for (field, period) in [("syncPeriod", sync_period), ("validationPeriod", validation_period)] {
            if let Some(Err(error)) = period.as_ref().map(Duration::length) {
                say(field, error.to_string());
            }
        }
        wrong
    }
}

fn check_length(field: &str, text: &str, longest: usize, say: &mut impl FnMut(&str, String)) {
    if text.is_empty() {
        say(field, "is empty".to_owned());
    } else if text.len() > longest {
        say(field, format!("is longer than {longest} characters"));
    }
}

fn check_prefix(prefix: &str, say: &mut impl FnMut(&str, String)) {
    check_length("prefix", prefix, MAX_PREFIX, say);
    if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        say("prefix", "must have no `/` at its ends, no empty part, no `.` and no `..`".to_owned());
    }
}

fn check_config(config: &LocationConfig, say: &mut impl FnMut(&str, String)) {
    let LocationConfig {
        region,
        endpoint,
        public_url,
        force_path_style: _,
        server_side_encryption,
        kms_key_id,
        ca_cert,
        checksums,
        create_bucket: _,
        profile,
        velero: _,
    } = config;
    for (field, text, longest) in [
        ("config.region", region, MAX_REGION),
        ("config.endpoint", endpoint, MAX_ENDPOINT),
        ("config.publicUrl", public_url, MAX_ENDPOINT),
        ("config.kmsKeyId", kms_key_id, MAX_KMS_KEY),
        ("config.profile", profile, MAX_PROFILE),
        ("config.caCert", ca_cert, MAX_CERTIFICATES),
    ] {
        if let Some(text) = text {
            check_length(field, text, longest, say);
        }
    }
    for (field, address) in [("config.endpoint", endpoint), ("config.publicUrl", public_url)] {
        if address.as_deref().is_some_and(|address| !address.is_empty() && !is_endpoint(address)) {
            say(field, "must be `https://host[:port]` or `http://host[:port]`".to_owned());
        }
    }
    if checksums.as_deref().is_some_and(|checksums| !["WhenSupported", "WhenRequired"].contains(&checksums)) {
        say("config.checksums", "must be `WhenSupported` or `WhenRequired`".to_owned());
    }
    let encryption = server_side_encryption.as_deref();
    if encryption.is_some_and(|encryption| !["AES256", "aws:kms"].contains(&encryption)) {
        say("config.serverSideEncryption", "must be `AES256` or `aws:kms`".to_owned());
    }
    if kms_key_id.is_some() && encryption != Some("aws:kms") {
        say("config.kmsKeyId", "goes only with serverSideEncryption `aws:kms`".to_owned());
    }
}

fn is_endpoint(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let host = host.strip_suffix('/').unwrap_or(host);
    !host.is_empty() && !host.contains(['/', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn wrong(spec: Value) -> Vec<String> {
        let spec: BackupStorageLocationSpec = serde_json::from_value(spec).unwrap();
        spec.validate().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn sound_locations_have_nothing_wrong() {
        let config = json!({
            "region": "eu-central-1", "endpoint": "https://minio.example:9000/", "forcePathStyle": true,
            "serverSideEncryption": "aws:kms", "kmsKeyId": "key", "caCert": "pem", "createBucket": true,
            "publicUrl": "https://s3.example", "checksums": "WhenRequired",
        });
        for spec in [
            json!({"provider": "s3", "bucket": "my.bucket_1", "prefix": "a/b", "config": config, "credential": {"name": "s", "key": "cloud"}}),
            json!({"provider": "s3", "bucket": "abc", "syncPeriod": "1m", "validationPeriod": "30s", "default": true}),
            json!({"provider": "fs", "bucket": "/srv/..hidden/ark"}),
        ] {
            assert!(wrong(spec.clone()).is_empty(), "{spec}");
        }
    }

    #[test]
    fn each_mistake_is_found() {
        let s3 = |config: Value| json!({"provider": "s3", "bucket": "bucket", "config": config});
        for (spec, field) in [
            (json!({"provider": "s3", "bucket": "a/b"}), "bucket"),
            (json!({"provider": "s3", "bucket": "ab"}), "bucket"),
            (json!({"provider": "s3", "bucket": "-bucket"}), "bucket"),
            (json!({"provider": "fs", "bucket": "backups"}), "bucket"),
            (json!({"provider": "fs", "bucket": "/srv/../etc"}), "bucket"),
            (json!({"provider": "fs", "bucket": "/srv", "config": {}}), "config"),
            (
                json!({"provider": "fs", "bucket": "/srv", "credential": {"name": "a", "key": "b"}}),
                "credential",
            ),
            (json!({"provider": "s3", "bucket": "bucket", "prefix": "/a"}), "prefix"),
            (json!({"provider": "s3", "bucket": "bucket", "prefix": "a//b"}), "prefix"),
            (json!({"provider": "s3", "bucket": "bucket", "prefix": "a/../b"}), "prefix"),
            (json!({"provider": "s3", "bucket": "bucket", "prefix": ""}), "prefix"),
            (s3(json!({"kmsKeyId": "k", "serverSideEncryption": "AES256"})), "config.kmsKeyId"),
            (s3(json!({"endpoint": "minio:9000"})), "config.endpoint"),
            (s3(json!({"endpoint": "http://minio/path"})), "config.endpoint"),
            (s3(json!({"endpoint": "http://"})), "config.endpoint"),
            (s3(json!({"publicUrl": "s3.example/path"})), "config.publicUrl"),
            (s3(json!({"checksums": "never"})), "config.checksums"),
            (s3(json!({"serverSideEncryption": "rot13"})), "config.serverSideEncryption"),
            (s3(json!({"region": ""})), "config.region"),
            (
                json!({"provider": "s3", "bucket": "bucket", "credential": {"name": "s", "key": ""}}),
                "credential.key",
            ),
            (json!({"provider": "s3", "bucket": "bucket", "syncPeriod": "0s"}), "syncPeriod"),
        ] {
            assert_eq!(wrong(spec.clone()), [field], "{spec}");
        }
    }

    #[test]
    fn every_mistake_of_a_location_is_found_in_one_pass() {
        let found = wrong(json!({
            "provider": "fs", "bucket": "", "prefix": "a/", "config": {"endpoint": "x", "kmsKeyId": ""},
            "validationPeriod": "soon",
        }));
        let expected = [
            "bucket",
            "bucket",
            "config",
            "prefix",
            "config.kmsKeyId",
            "config.endpoint",
            "validationPeriod",
        ];
        assert_eq!(found, expected);
    }
}
