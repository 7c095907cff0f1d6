//! The promises of every [`ObjectStore`], as checks that run against a real one: folder, S3
//! service, and each wrapper.
//!
//! The checks write below a prefix of their own and remove it. Paging is tried only if the store's
//! pages are shorter than eight objects.

mod conditions;
mod trial;

pub use trial::Violation;

use std::sync::Arc;

use super::ObjectStore;
use trial::{Conformance, Trial, broken, done, hold};

/// Runs all checks, and removes what they wrote.
///
/// # Errors
/// The first promise that the store does not keep.
pub async fn conformance(store: Arc<dyn ObjectStore>) -> Result<(), Violation> {
    let trial = Trial { store, place: format!("conformance-{}", uuid::Uuid::new_v4()) };
    let checked = trial.run().await;
    let removed = trial.clean().await;
    checked.and(removed)
}

#[cfg(test)]
pub(super) mod tests;
