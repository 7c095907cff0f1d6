//! Reads, creates, changes and deletes Ark's own objects in one namespace of a cluster. `errors`
//! puts failures into words.

mod ark_client;
mod errors;
mod server_lease;
pub mod wait;

pub use ark_client::{ArkClient, ArkResource};
pub use server_lease::{ServerPresence, server_presence};

use crate::api::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule,
    ServerStatusRequest,
};
use ark_client::DEADLINE;

macro_rules! nouns {
    ($($kind:ty: $noun:literal),* $(,)?) => {
        $(impl ArkResource for $kind {
            const NOUN: &'static str = $noun;
        })*
    };
}

nouns! {
    Backup: "backup",
    Restore: "restore",
    Schedule: "schedule",
    BackupStorageLocation: "location",
    DeleteBackupRequest: "delete request",
    DownloadRequest: "download request",
    ServerStatusRequest: "status request",
}

/// Returns an object without `managedFields`, which readers of the output do not need.
pub fn bare<K: ArkResource>(object: &K) -> K {
    let mut object = object.clone();
    object.meta_mut().managed_fields = None;
    object
}
