//! The labels that Ark sets or obeys, and the label value for a long name. Pure.

use sha2::{Digest, Sha256};

/// Label of every restored object: the Restore that created it.
pub const RESTORE_NAME_LABEL: &str = "ark.heptio.com/restore-name";

/// Label of every restored object and of delete requests: the Backup.
pub const BACKUP_NAME_LABEL: &str = "ark.heptio.com/backup-name";

/// Label of delete requests that the server makes: the uid of the Backup, so that a later one of
/// the same name is left alone.
pub const BACKUP_UID_LABEL: &str = "ark.heptio.com/backup-uid";

/// Label of Backups that a Schedule made: the Schedule.
pub const SCHEDULE_NAME_LABEL: &str = "ark.heptio.com/schedule-name";

/// Label of Backups: the location that stores them.
pub const STORAGE_LOCATION_LABEL: &str = "ark.heptio.com/storage-location";

/// Label of Backups that another program or an earlier Ark wrote; the value says which.
pub const FOREIGN_FORMAT_LABEL: &str = "ark.heptio.com/foreign-format";

/// Label that leaves an object out of backups if its value is `true`; a namespace with its
/// contents.
pub const EXCLUDE_LABEL: &str = "ark.heptio.com/exclude-from-backup";

/// Velero's name of [`EXCLUDE_LABEL`], obeyed alike.
pub const VELERO_EXCLUDE_LABEL: &str = "velero.io/exclude-from-backup";

/// Label of a Job that an action of a backup runs, and of its pods: which run and action it is of,
/// as a hash.
pub const HOOK_JOB_LABEL: &str = "ark.heptio.com/hook-job";

/// The longest value of a label, in bytes.
const MAX_VALUE: usize = 63;

/// The hexadecimal digits of a hash at the end of a shortened value.
const HASH_DIGITS: usize = 6;

/// Returns the label value for `name`: the name itself, or, if longer than 63 characters, its
/// first 57 and the first 6 hexadecimal digits of its SHA-256, as Velero does.
pub fn label_value(name: &str) -> String {
    if name.len() <= MAX_VALUE {
        return name.to_owned();
    }
    let hash: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let keep = name.floor_char_boundary(MAX_VALUE - HASH_DIGITS);
    format!("{}{}", &name[..keep], &hash[..HASH_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_their_own_label_and_long_ones_stay_apart() {
        assert_eq!(label_value("nightly-20261121"), "nightly-20261121");
        let exact = "a".repeat(63);
        assert_eq!(label_value(&exact), exact);
        let (one, two) =
            (label_value(&format!("{}1", "a".repeat(70))), label_value(&format!("{}2", "a".repeat(70))));
        assert_ne!(one, two);
        assert_eq!((one.len(), two.len()), (63, 63));
    }

    #[test]
    fn a_long_name_is_hashed_as_velero_hashes_it() {
        let name = "this-is-a-very-long-name-that-is-too-long-to-be-a-label-value-in-kubernetes";
        // printf %s NAME | sha256sum begins with 01d493.
        assert_eq!(label_value(name), "this-is-a-very-long-name-that-is-too-long-to-be-a-label-v01d493");
    }
}
