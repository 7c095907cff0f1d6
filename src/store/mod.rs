//! Object stores: one small trait, and its implementations.
//!
//! [`Location`] is the URL of a store; [`open`] yields an [`ObjectStore`] for it: [`s3`] or
//! [`fs`]. [`Meter`], [`Gated`] and [`Faults`] wrap any store; [`Resumed`] reads a body across
//! broken connections. All stores pass [`conformance()`]. The meaning of the bytes is the concern
//! of the module `bucket`.

pub mod conformance;
pub mod error;
pub mod faults;
pub mod fs;
pub mod gate;
pub mod key;
pub mod location;
pub mod meter;
mod object_store;
pub mod resume;
pub mod s3;

pub use conformance::conformance;
pub use error::{Action, Operation, StoreError};
pub use faults::{Fault, Faults};
pub use fs::FileStore;
pub use gate::{Gate, Gated};
pub use key::{InvalidKey, ObjectKey};
pub use location::{Content, InvalidLocation, Location};
pub use meter::{Meter, Observer, StoreOutcome};
pub use object_store::{ByteStream, ETag, Listing, ObjectInfo, ObjectStore, PutMode, Upload, read_all};
pub use resume::Resumed;
pub use s3::{S3Store, objection_to_credentials};

use std::sync::Arc;

use object_store::exactly;

/// Opens a location, and creates the bucket or folder if the location says so. An S3 service is not
/// contacted otherwise: a wrong bucket or credential is the error of the first operation.
///
/// # Errors
/// As [`open_behind`].
pub async fn open(location: &Location) -> Result<Arc<dyn ObjectStore>, StoreError> {
    open_behind(location, Gate::default()).await
}

/// Opens a location behind a gate: while the gate is closed nothing is written, neither by new
/// calls nor by the repetition of a request that began before.
///
/// # Errors
/// If credentials, certificates or other settings of the location cannot be used, the folder does
/// not exist, or the bucket cannot be created.
pub async fn open_behind(location: &Location, gate: Gate) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let store: Arc<dyn ObjectStore> = match location {
        Location::S3(location) => Arc::new(S3Store::open_behind(location, &gate).await?),
        Location::Directory(location) => Arc::new(FileStore::open(location).await?),
    };
    Ok(Arc::new(Gated::new(store, gate)))
}
