//! BackupStorageLocation: a bucket or directory that holds backups, and its status; `validate`
//! checks the specification.

#![expect(clippy::duplicated_attributes, reason = "each print column has a type of its own")]

mod validate;

mod spec;

pub use spec::{
    AccessMode, BackupStorageLocation, BackupStorageLocationSpec, BackupStorageLocationStatus, HIDDEN,
    LocationCapabilities, LocationConfig, LocationCounts, LocationPhase, Provider, SecretKey,
};
