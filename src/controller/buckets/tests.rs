//! Tests of what a BackupStorageLocation means for a store, which one is the default, and which can
//! be used.

use serde_json::{Value, json};

use super::*;
use crate::store::{Content, Location};

fn location(spec: &Value, status: &Value) -> BackupStorageLocation {
    let metadata = json!({"name": "default", "uid": "u"});
    let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
        "metadata": metadata, "spec": spec, "status": status});
    serde_json::from_value(object).unwrap()
}

fn s3(config: &Value, access: &str, status: &Value) -> store::location::S3Location {
    let spec =
        json!({"provider": "s3", "bucket": "b", "prefix": "p/q", "config": config, "accessMode": access});
    let credentials = Content::Text { origin: "a Secret".to_owned(), text: "hunter2".to_owned() };
    match resolve::of(&location(&spec, status), Some(credentials)).unwrap() {
        Location::S3(place) => place,
        Location::Directory(place) => panic!("{place:?}"),
    }
}

#[test]
fn everything_that_a_specification_says_reaches_the_store() {
    let config = json!({"region": "eu", "endpoint": "https://minio:9000/", "forcePathStyle": false,
        "serverSideEncryption": "aws:kms", "kmsKeyId": "key", "caCert": "PEM", "createBucket": true,
        "publicUrl": "https://s3.example/", "checksums": "WhenRequired"});
    let place = s3(&config, "ReadWrite", &json!({}));
    assert_eq!(
        place.to_string(),
        "s3://b/p/q?endpoint=https://minio:9000&publicUrl=https://s3.example&region=eu&forcePathStyle=false&serverSideEncryption=aws:kms&kmsKeyId=key&checksums=WhenRequired&createBucket=true"
    );
    assert!(matches!(&place.ca_cert, Some(Content::Text { text, .. }) if text == "PEM"));
    assert!(matches!(&place.credentials, Some(Content::Text { text, .. }) if text == "hunter2"));
    assert!(!format!("{place:?}").contains("hunter2"));
    let folder = location(&json!({"provider": "fs", "bucket": "/backups", "prefix": "a"}), &json!({}));
    assert_eq!(resolve::of(&folder, None).unwrap().to_string(), "file:///backups/a");
}

#[test]
fn a_bucket_is_created_only_where_ark_may_write_and_never_was() {
    let config = json!({"createBucket": true});
    assert!(s3(&config, "ReadWrite", &json!({})).create_bucket);
    assert!(!s3(&config, "ReadOnly", &json!({})).create_bucket);
    assert!(!s3(&config, "ReadWrite", &json!({"id": "x"})).create_bucket);
    assert!(!s3(&json!({}), "ReadWrite", &json!({})).create_bucket);
}

#[test]
fn of_several_defaults_the_oldest_is_meant() {
    let made = |name: &str, at: &str, default: bool| {
        let mut made = location(&json!({"provider": "fs", "bucket": "/b", "default": default}), &json!({}));
        made.metadata.name = Some(name.to_owned());
        made.metadata.creation_timestamp = Some(serde_json::from_value(json!(at)).unwrap());
        Arc::new(made)
    };
    let young = made("young", "2026-03-01T00:00:00Z", true);
    let old = made("old", "2026-02-01T00:00:00Z", true);
    let oldest = made("oldest", "2026-01-01T00:00:00Z", false);
    let all = [young, Arc::clone(&old), Arc::clone(&oldest)];
    assert_eq!(default_of(&all), Some(old));
    assert_eq!(default_of(&[oldest]), None);
}

#[test]
fn only_an_available_location_with_an_identity_can_be_used() {
    let spec = json!({"provider": "fs", "bucket": "/b"});
    let id = |status: &Value| usable_id(&location(&spec, status));
    assert_eq!(id(&json!({"phase": "Available", "id": "x"})), Ok("x".to_owned()));
    assert_eq!(id(&json!({"phase": "Unavailable", "id": "x", "message": "gone"})), Err("gone".to_owned()));
    for status in [json!(null), json!({}), json!({"phase": "Available"})] {
        assert!(id(&status).unwrap_err().contains("not been validated"), "{status}");
    }
}

#[test]
fn a_change_of_the_way_to_a_bucket_is_told_from_one_that_is_none() {
    let spec = |more: Value| {
        let mut spec = json!({"provider": "s3", "bucket": "b", "credential": {"name": "s", "key": "cloud"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        location(&spec, &json!({})).spec
    };
    let origin = |uid: &str, more: Value, version: &str| BucketOrigin {
        uid: Some(uid.to_owned()),
        spec: spec(more),
        secret: Some(("secret".to_owned(), version.to_owned())),
    };
    let before = origin("u", json!({}), "1");
    for (after, change) in [
        (origin("u", json!({"syncPeriod": "5m", "accessMode": "ReadOnly"}), "1"), None),
        (origin("u", json!({}), "2"), Some(AccessChange::Credentials)),
        (
            origin("u", json!({"credential": {"name": "other", "key": "cloud"}}), "2"),
            Some(AccessChange::Connection),
        ),
        (origin("u", json!({"config": {"region": "eu"}}), "1"), Some(AccessChange::Connection)),
        (origin("u", json!({"config": {"caCert": "PEM"}}), "2"), Some(AccessChange::Connection)),
        // Another location of the name.
        (origin("v", json!({"config": {"region": "eu"}}), "2"), None),
    ] {
        assert_eq!(before.change_to(&after), change, "{:?}", after.spec);
    }
}
