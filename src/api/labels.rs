//! Labels that Ark sets or obeys, and how a long name becomes a label value. Pure.

use sha2::{Digest, Sha256};

/// On every restored object: the Restore that made it.
pub const RESTORE_NAME_LABEL: &str = "ark.heptio.com/restore-name";

/// On every restored object and on delete requests: the Backup it came from.
pub const BACKUP_NAME_LABEL: &str = "ark.heptio.com/backup-name";

/// On delete requests that the server makes: the uid of the Backup, so that a later one of the same name is left alone.
pub const BACKUP_UID_LABEL: &str = "ark.heptio.com/backup-uid";

/// On Backups that a Schedule made.
pub const SCHEDULE_NAME_LABEL: &str = "ark.heptio.com/schedule-name";

/// On Backups: the location they lie in.
pub const STORAGE_LOCATION_LABEL: &str = "ark.heptio.com/storage-location";

/// On Backups that another program or an earlier Ark wrote; the value says which.
pub const FOREIGN_FORMAT_LABEL: &str = "ark.heptio.com/foreign-format";

/// Whatever is labelled so with `true` is left out of backups, a namespace with its contents.
pub const EXCLUDE_LABEL: &str = "ark.heptio.com/exclude-from-backup";

/// Velero's name of [`EXCLUDE_LABEL`], obeyed alike.
pub const VELERO_EXCLUDE_LABEL: &str = "velero.io/exclude-from-backup";

/// Longest value of a label.
const MAX_VALUE: usize = 63;

/// Hexadecimal digits of the hash that end a shortened value.
const HASH_DIGITS: usize = 6;

/// The value that stands for `name` in a label: the name itself, or, when longer than 63 characters, its first 57 and
/// the first 6 hexadecimal digits of its SHA-256, as Velero does it.
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
