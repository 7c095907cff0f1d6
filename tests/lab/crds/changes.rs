//! Changes that the API server refuses to what it took, and the words that it refuses them with.

/// A change that is refused to an object that was taken.
pub struct Change {
    /// Its kind.
    pub kind: &'static str,
    /// The specification at first, as JSON.
    pub spec: &'static str,
    /// The phase it has reached.
    pub phase: Option<&'static str>,
    /// The other specification.
    pub changed: &'static str,
    /// Part of the answer.
    pub says: &'static str,
}

const BACKUP: &str = "Backup";
const RESTORE: &str = "Restore";
const LOCATION: &str = "BackupStorageLocation";

/// Each changes one thing that cannot change.
pub const CHANGES: &[Change] = &[
    Change {
        kind: BACKUP,
        spec: r#"{"ttl": "1h"}"#,
        phase: Some("InProgress"),
        changed: r#"{"ttl": "2h"}"#,
        says: "spec cannot be changed once the backup has begun",
    },
    Change {
        kind: RESTORE,
        spec: r#"{"backupName": "a"}"#,
        phase: Some("Completed"),
        changed: r#"{"backupName": "b"}"#,
        says: "spec cannot be changed once the restore has begun",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket"}"#,
        phase: None,
        changed: r#"{"provider": "fs", "bucket": "/bucket"}"#,
        says: "provider cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket"}"#,
        phase: None,
        changed: r#"{"provider": "s3", "bucket": "other"}"#,
        says: "bucket cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket"}"#,
        phase: None,
        changed: r#"{"provider": "s3", "objectStorage": {"bucket": "other"}}"#,
        says: "bucket cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "aws", "objectStorage": {"bucket": "bucket"}}"#,
        phase: None,
        changed: r#"{"provider": "aws", "objectStorage": {"bucket": "other"}}"#,
        says: "bucket cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "aws", "objectStorage": {"bucket": "bucket", "prefix": "a"}}"#,
        phase: None,
        changed: r#"{"provider": "aws", "objectStorage": {"bucket": "bucket"}}"#,
        says: "prefix cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket", "prefix": "a"}"#,
        phase: None,
        changed: r#"{"provider": "s3", "bucket": "bucket", "prefix": "b"}"#,
        says: "prefix cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket", "prefix": "a"}"#,
        phase: None,
        changed: r#"{"provider": "s3", "bucket": "bucket"}"#,
        says: "prefix cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket", "config": {"endpoint": "http://a"}}"#,
        phase: None,
        changed: r#"{"provider": "s3", "bucket": "bucket", "config": {"endpoint": "http://b"}}"#,
        says: "config.endpoint cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket"}"#,
        phase: None,
        changed: r#"{"provider": "s3", "bucket": "bucket", "config": {"endpoint": "http://b"}}"#,
        says: "config.endpoint cannot be changed",
    },
    Change {
        kind: LOCATION,
        spec: r#"{"provider": "s3", "bucket": "bucket", "config": {"endpoint": "http://a"}}"#,
        phase: None,
        changed: r#"{"provider": "s3", "bucket": "bucket", "config": {"s3Url": "http://b"}}"#,
        says: "config.endpoint cannot be changed",
    },
    Change {
        kind: "DeleteBackupRequest",
        spec: r#"{"backupName": "a"}"#,
        phase: None,
        changed: r#"{"backupName": "b"}"#,
        says: "backupName cannot be changed",
    },
    Change {
        kind: "DownloadRequest",
        spec: r#"{"target": {"kind": "BackupLog", "name": "a"}}"#,
        phase: None,
        changed: r#"{"target": {"kind": "BackupLog", "name": "b"}}"#,
        says: "target cannot be changed",
    },
    Change {
        kind: "DownloadRequest",
        spec: r#"{"target": {"kind": "BackupLog", "name": "a"}, "publicKey": "0000000000000000000000000000000000000000000000000000000000000001"}"#,
        phase: None,
        changed: r#"{"target": {"kind": "BackupLog", "name": "a"}, "publicKey": "0000000000000000000000000000000000000000000000000000000000000002"}"#,
        says: "publicKey cannot be changed",
    },
];
