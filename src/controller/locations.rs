//! From a BackupStorageLocation to an opened [`Bucket`], with the credentials of its Secret.

use std::sync::Arc;

use kube::runtime::reflector::Store;

use super::error::ControllerError;
use crate::api::BackupStorageLocation;
use crate::bucket::Bucket;

/// A location, opened.
#[derive(Clone, Debug)]
pub struct OpenLocation {
    /// Its name in this cluster.
    pub name: String,
    /// The identity that its BackupStorageLocation had when it was last validated.
    pub id: String,
    /// Whether Ark may not write there.
    pub read_only: bool,
    /// What is in it.
    pub bucket: Bucket,
}

/// The locations of this cluster; each is opened once, and again when its specification or its Secret changes.
#[derive(Debug)]
pub struct Locations {
    store: Store<BackupStorageLocation>,
    default: String,
}

impl Locations {
    /// The locations that `store` has; `default` is meant where none is named and none says that it is the default.
    pub fn new(store: Store<BackupStorageLocation>, default: &str) -> Self {
        Self { store, default: default.to_owned() }
    }

    /// The location that is meant by a name, or by none.
    pub fn find(&self, name: Option<&str>) -> Option<Arc<BackupStorageLocation>> {
        let by_name =
            |wanted: &str| self.store.find(|location| location.metadata.name.as_deref() == Some(wanted));
        match name {
            Some(name) => by_name(name),
            None => self
                .store
                .find(|location| location.spec.default == Some(true))
                .or_else(|| by_name(&self.default)),
        }
    }

    /// Opens a location that is Available, by its name, or the default one.
    ///
    /// # Errors
    /// [`ControllerError::Location`] when there is none of the name, it is Unavailable, or its credentials cannot be had.
    pub async fn open(&self, name: Option<&str>) -> Result<OpenLocation, ControllerError> {
        let _ = name;
        let name = name.unwrap_or(&self.default).to_owned();
        Err(ControllerError::Location { name, why: "opening locations is not written yet".to_owned() })
    }
}
