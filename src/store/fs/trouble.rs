//! Errors of folders and files, for a person. Pure.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use crate::store::{Action, StoreError};

/// The longest name in bytes that file systems take.
pub(super) const LONGEST_NAME: usize = 255;

pub(super) fn kind(found: &Metadata) -> &'static str {
    if found.is_symlink() { "which is a symbolic link," } else { "which is not a folder," }
}

pub(super) fn missing(action: &Action, path: &Path) -> StoreError {
    StoreError::BucketMissing { action: action.clone(), missing: format!("folder {}", path.display()) }
}

pub(super) fn obstructed(action: &Action, path: &Path, kind: &str) -> StoreError {
    StoreError::Obstructed { action: action.clone(), obstacle: format!("{}, {kind}", path.display()) }
}

pub(super) fn too_long(action: &Action) -> StoreError {
    let problem = format!(
        "a part of its name is longer than {LONGEST_NAME} bytes, the most that file systems take; use a shorter name, or a bucket"
    );
    StoreError::Setting { action: action.clone(), problem, source: None }
}

pub(super) fn explain(action: &Action, path: &Path, error: io::Error) -> StoreError {
    use io::ErrorKind as Kind;
    let action = action.clone();
    match error.kind() {
        Kind::NotFound => StoreError::NotFound { action },
        Kind::PermissionDenied => {
            let hint = format!("this user may not; check the owner and mode of {}", path.display());
            StoreError::Forbidden { action, hint, source: Some(error.into()) }
        }
        Kind::StorageFull | Kind::QuotaExceeded => StoreError::Full { action, source: error.into() },
        Kind::ReadOnlyFilesystem => StoreError::ReadOnly { action, source: error.into() },
        Kind::InvalidFilename => too_long(&action),
        Kind::NotADirectory => obstructed(&action, path, "or a file above it,"),
        Kind::IsADirectory | Kind::DirectoryNotEmpty => obstructed(&action, path, "which is a folder,"),
        _ => StoreError::Other { action, source: error.into() },
    }
}
