//! Limits of backup names in a location: keys and file names have a longest. Pure.

use crate::api::{BackupStorageLocation, Provider};
use crate::bucket::{longest_file, longest_key};

/// Longest key of S3 in bytes, with the prefix.
const LONGEST_KEY: usize = 1024;
/// Longest file name in bytes on all file systems that are used for this.
const LONGEST_FILE: usize = 255;

/// Returns why a backup whose name has `length` characters cannot be in a location, or `None`.
pub fn objection_to_length(location: &BackupStorageLocation, length: usize) -> Option<String> {
    let name = location.metadata.name.as_deref().unwrap_or_default();
    let spec = &location.spec;
    match spec.provider {
        Provider::S3 => {
            let prefix = spec.prefix.as_deref().map_or(0, |prefix| prefix.len() + "/".len());
            let key = prefix + longest_key(length);
            (key > LONGEST_KEY).then(|| {
                format!(
                    "a name of {length} characters makes keys of {key} bytes in location `{name}`, whose prefix has {prefix} of them, and S3 takes {LONGEST_KEY}; use a shorter name, or a location with a shorter prefix"
                )
            })
        }
        Provider::Fs => (longest_file(length) > LONGEST_FILE).then(|| {
            let most = LONGEST_FILE - longest_file(0);
            format!(
                "a name of {length} characters is too long for location `{name}`, a folder, whose files have names of at most {LONGEST_FILE}; use one of at most {most}"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn location(spec: serde_json::Value) -> BackupStorageLocation {
        BackupStorageLocation::new("default", serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn names_are_refused_whose_keys_or_files_no_store_takes() {
        let s3 =
            |prefix: usize| location(json!({"provider": "s3", "bucket": "b", "prefix": "p".repeat(prefix)}));
        assert_eq!(objection_to_length(&location(json!({"provider": "s3", "bucket": "b"})), 253), None);
        assert_eq!(objection_to_length(&s3(400), 253), None);
        let why = objection_to_length(&s3(512), 253).unwrap();
        assert!(why.contains("`default`") && why.contains("1024") && why.contains("shorter prefix"), "{why}");
        assert_eq!(objection_to_length(&s3(512), 200), None);
        let folder = location(json!({"provider": "fs", "bucket": "/b", "prefix": "p".repeat(512)}));
        assert_eq!(objection_to_length(&folder, 247), None);
        let why = objection_to_length(&folder, 248).unwrap();
        assert!(why.contains("at most 247"), "{why}");
    }
}
