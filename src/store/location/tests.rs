//! Tests of the meaning of URLs, of what is refused, and that a printed URL is parsed back.

use proptest::prelude::*;

use super::*;

fn problem(text: &str) -> String {
    Location::from_url(text).expect_err(text).to_string()
}

#[test]
fn an_s3_url_says_everything() {
    let text = "s3://bucket/some/prefix?endpoint=http://127.0.0.1:9000&publicUrl=https://s3.example&region=eu-central-1&forcePathStyle=false\
                &serverSideEncryption=aws:kms&kmsKeyId=alias/ark&caCert=/etc/ca.pem&profile=ark\
                &credentialsFile=/etc/credentials&checksums=WhenRequired&createBucket=true";
    let location = Location::from_url(text).unwrap();
    let expected = S3Location {
        bucket: "bucket".into(),
        prefix: "some/prefix".into(),
        endpoint: Some("http://127.0.0.1:9000".into()),
        public_url: Some("https://s3.example".into()),
        region: Some("eu-central-1".into()),
        force_path_style: Some(false),
        encryption: Encryption::Kms(Some("alias/ark".into())),
        ca_cert: Some(Content::File("/etc/ca.pem".into())),
        profile: Some("ark".into()),
        credentials: Some(Content::File("/etc/credentials".into())),
        checksums: Some(false),
        create_bucket: true,
    };
    assert_eq!(location, Location::S3(expected));
    assert_eq!(location.to_string(), text);
}

#[test]
fn short_urls_leave_the_rest_to_defaults() {
    let bucket = |bucket: &str| S3Location { bucket: bucket.into(), ..S3Location::default() };
    assert_eq!(Location::from_url("s3://bucket").unwrap(), Location::S3(bucket("bucket")));
    assert_eq!(Location::from_url("S3://my.bucket-1/").unwrap(), Location::S3(bucket("my.bucket-1")));
    let directory = |path: &str, create_bucket| {
        Location::Directory(DirectoryLocation { path: path.into(), create_bucket })
    };
    assert_eq!(Location::from_url("file:///var/ark").unwrap(), directory("/var/ark", false));
    assert_eq!(Location::from_url("file:///a%20b+c/?createBucket=true").unwrap(), directory("/a b+c/", true));
}

#[test]
fn a_parameter_nobody_knows_is_refused_with_those_that_are_known() {
    let message = problem("s3://bucket?regoin=x");
    assert!(
        message.contains("`regoin`") && message.contains("endpoint, publicUrl, region, forcePathStyle"),
        "{message}"
    );
    let message = problem("file:///dir?region=x");
    assert!(message.contains("`region`") && message.contains("createBucket"), "{message}");
}

#[test]
fn a_credential_in_the_url_is_refused_and_not_repeated() {
    for text in [
        "s3://AKIA:hunter2@bucket/prefix",
        "s3://hunter2@bucket",
        "file://hunter2@/dir",
        "s3://bucket?endpoint=http://user:hunter2@host",
    ] {
        assert!(!problem(text).contains("hunter2"), "{text}");
    }
    assert!(problem("s3://AKIA:hunter2@bucket").contains("credentialsFile"));
}

#[test]
fn relative_folders_are_refused_with_the_right_form() {
    for text in ["file://backups", "file://./backups"] {
        assert!(problem(text).contains("three slashes"), "{text}");
    }
    for text in ["backups", "./backups", "/backups", "file:backups", "file:/backups", ""] {
        assert!(problem(text).contains("not a URL"), "{text}");
    }
    assert!(problem("file:///").contains("names no folder"));
}

#[test]
fn nothing_odd_gets_through() {
    for (text, word) in [
        ("gs://bucket", "scheme"),
        ("s3://", "bucket"),
        ("s3:///prefix", "bucket"),
        ("s3://ab", "bucket"),
        ("s3://bucket:9000/x", "endpoint"),
        ("s3://bucket/a/../b", "`..`"),
        ("s3://bucket/%2e%2E/b", "`..`"),
        ("s3://bucket/a//b", "prefix"),
        ("s3://bucket/a%2F..%2Fb", "prefix"),
        ("s3://bucket/a%ff", "not text"),
        ("file:///a%00", "not text"),
        ("file:///a/../b", "`..`"),
        ("s3://bucket#x", "%23"),
        ("s3://bucket?region=", "empty"),
        ("s3://bucket?region=a&region=b", "twice"),
        ("s3://bucket?endpoint=localhost:9000", "https://host:port"),
        ("s3://bucket?endpoint=http://host/path", "https://host:port"),
        ("s3://bucket?forcePathStyle=yes", "true or false"),
        ("s3://bucket?serverSideEncryption=rot13", "AES256"),
        ("s3://bucket?serverSideEncryption=AES256&kmsKeyId=k", "aws:kms"),
    ] {
        let message = problem(text);
        assert!(message.contains(word), "{text}: {message}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(s3|file|S3)?(://|:/|)?[a-z/@:?#%&=. é+]{0,40}") {
        let _ = Location::from_url(&text);
    }

    #[test]
    fn what_is_printed_is_read_back(
        bucket in "[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]",
        prefix in "([a-zé &+%#?=]{1,6}(/[a-z&+%]{1,6}){0,2})?",
        profile in proptest::option::of("[a-z&+ %=é]{1,8}"),
        folder in "/[a-z &+%#?=é]{1,8}(/[a-z]{1,3})?",
        create_bucket: bool,
    ) {
        let prefix = prefix.trim_matches([' ', '/']).to_owned();
        let s3 = Location::S3(S3Location { bucket, prefix, profile, create_bucket, ..S3Location::default() });
        prop_assert_eq!(Location::from_url(&s3.to_string()).unwrap(), s3);
        let directory = Location::Directory(DirectoryLocation { path: folder.into(), create_bucket });
        prop_assert_eq!(Location::from_url(&directory.to_string()).unwrap(), directory);
    }
}
