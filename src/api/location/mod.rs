//! BackupStorageLocation: a bucket or directory that holds backups, and how it fares; `validate` checks it.

#![expect(clippy::duplicated_attributes, reason = "each print column has a type of its own")]

mod validate;

mod spec;

pub use spec::{
    AccessMode, BackupStorageLocation, BackupStorageLocationSpec, BackupStorageLocationStatus, HIDDEN,
    LocationCapabilities, LocationConfig, LocationCounts, LocationPhase, Provider, SecretKey,
};
