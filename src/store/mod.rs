//! Where bytes live: one small trait, and what implements it.
//!
//! [`Location`] is a URL that says where; [`open`] makes a [`ObjectStore`] of it: [`s3`] or [`fs`]. [`Meter`], [`Gated`] and [`Faults`]
//! wrap any store; [`Resumed`] reads a body across its breaks. [`conformance()`] is what all stores must pass. What the bytes mean
//! is the concern of the module `bucket`.

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

use object_store::exactly;
pub use object_store::{ByteStream, ETag, Listing, ObjectInfo, ObjectStore, PutMode, Upload, read_all};
use std::sync::Arc;

pub use conformance::conformance;
pub use error::{Action, Cause, Operation, StoreError};
pub use faults::{Fault, Faults};
pub use fs::FileStore;
pub use gate::{Gate, Gated};
pub use key::{InvalidKey, ObjectKey};
pub use location::{Content, InvalidLocation, Location};
pub use meter::{Meter, Observer, StoreOutcome};
pub use resume::Resumed;

pub use s3::{S3Store, objection_to_credentials};

/// Opens a location. It creates the bucket or folder when the location says so and does not otherwise touch an S3
/// service: a wrong bucket or credential is the error of the first act. A missing folder is an error at once.
pub async fn open(location: &Location) -> Result<Arc<dyn ObjectStore>, StoreError> {
    open_behind(location, Gate::default()).await
}

/// The same behind a gate: while it is closed nothing is written, neither what is asked for then nor what a request that
/// began before would send again.
pub async fn open_behind(location: &Location, gate: Gate) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let store: Arc<dyn ObjectStore> = match location {
        Location::S3(location) => Arc::new(S3Store::open_behind(location, &gate).await?),
        Location::Directory(location) => Arc::new(FileStore::open(location).await?),
    };
    Ok(Arc::new(Gated::new(store, gate)))
}
