//! Opens the [`Bucket`] of a BackupStorageLocation, with the credentials of its Secret.

mod credentials;
mod failing;
pub mod identity;
mod missing;
mod names;
mod open_location;
mod resolve;

pub use identity::{objection_to_form, objection_to_identity};
pub use names::objection_to_length;
pub use open_location::OpenLocation;
pub use resolve::is_read_only;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::Store;
use kube::{Api, Client, ResourceExt as _};

use super::error::ControllerError;
use super::settings::Settings;
use crate::api::{BackupStorageLocation, BackupStorageLocationSpec, LocationPhase, label_value};
use crate::bucket::Bucket;
use crate::store::{self, Gate, Meter, Observer, StoreOutcome};
use crate::telemetry::Metrics;
use credentials::Credentials;
use failing::Failing;
use missing::MissingLocations;

/// The locations of this cluster. Each bucket is opened once, and again when specification or
/// Secret change.
pub struct Locations {
    secrets: Api<Secret>,
    store: Store<BackupStorageLocation>,
    default: String,
    opened: Mutex<HashMap<String, OpenBucket>>,
    /// Changes of connections that have not been reported yet, by location.
    changed: Mutex<HashMap<String, AccessChange>>,
    observer: Observer,
    /// Locations that could not be opened just now.
    pub failing: Failing,
    /// Names that were looked for and that no location has.
    pub missing: MissingLocations,
    gate: Gate,
}

/// An open bucket, and what it was opened from.
struct OpenBucket {
    origin: BucketOrigin,
    bucket: Bucket,
}

/// Everything that a bucket is opened from. If any of it differs, the bucket is opened anew.
#[derive(PartialEq)]
struct BucketOrigin {
    uid: Option<String>,
    spec: BackupStorageLocationSpec,
    secret: Option<(String, String)>,
}

/// A change of the connection to a bucket. Whoever may write Secrets or locations can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessChange {
    /// The Secret has other content, for example after a rotation of keys.
    Credentials,
    /// The specification names another Secret, or reaches the bucket in another way.
    Connection,
}

impl BucketOrigin {
    /// Returns how the connection differs in another origin of the same location, or `None`.
    fn change_to(&self, other: &Self) -> Option<AccessChange> {
        if self.uid != other.uid {
            return None;
        }
        let way = |origin: &Self| (origin.spec.credential.clone(), origin.spec.config.clone());
        match (way(self) == way(other), self.secret == other.secret) {
            (true, true) => None,
            (true, false) => Some(AccessChange::Credentials),
            (false, _) => Some(AccessChange::Connection),
        }
    }
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locations").field("default", &self.default).finish_non_exhaustive()
    }
}

impl Locations {
    /// Creates the locations of the cache `store`. Secrets are read through `client`. If no
    /// location is named and none is marked as the default, the default location of the settings is
    /// meant. `observer` is told of each request to a bucket; nothing is written to one while
    /// `gate` is closed.
    pub fn new(
        client: &Client,
        settings: &Settings,
        store: Store<BackupStorageLocation>,
        observer: Observer,
        gate: Gate,
    ) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &settings.namespace),
            store,
            default: settings.default_location.clone(),
            opened: Mutex::default(),
            changed: Mutex::default(),
            failing: Failing::default(),
            missing: MissingLocations::default(),
            observer,
            gate,
        }
    }

    /// Returns the named location, or the default one; `None` if it does not exist.
    pub fn find(&self, name: Option<&str>) -> Option<Arc<BackupStorageLocation>> {
        self.find_among(&self.store.state(), name)
    }

    /// Returns the location that [`Locations::find`] would return if `all` were all there are.
    pub fn find_among(
        &self,
        all: &[Arc<BackupStorageLocation>],
        name: Option<&str>,
    ) -> Option<Arc<BackupStorageLocation>> {
        let by_name = |wanted: &str| all.iter().find(|location| location.name_any() == wanted).cloned();
        match name {
            Some(name) => by_name(name),
            None => default_of(all).or_else(|| by_name(&self.default)),
        }
    }

    /// Returns the location that has an identity, whatever its name; `None` if there is none.
    pub fn with_id(&self, id: &str) -> Option<Arc<BackupStorageLocation>> {
        self.store
            .find(|location| location.status.as_ref().and_then(|status| status.id.as_deref()) == Some(id))
    }

    /// Opens a location that is Available, by name or the default one, and checks that its bucket
    /// is still the same.
    ///
    /// # Errors
    /// [`ControllerError::Location`] if no location has the name, it is Unavailable, its
    /// credentials are missing, or another bucket is there now. Other errors if the API server or
    /// the bucket cannot be reached.
    pub async fn open(&self, name: Option<&str>) -> Result<OpenLocation, ControllerError> {
        let wanted = || name.unwrap_or(&self.default).to_owned();
        let refused = |name: String, why: String| ControllerError::Location { name, why };
        let location = self.find(name).ok_or_else(|| {
            refused(
                wanted(),
                "there is no BackupStorageLocation of that name; create it, or name another".into(),
            )
        })?;
        let name = location.metadata.name.clone().unwrap_or_default();
        let id = usable_id(&location).map_err(|why| refused(name.clone(), why))?;
        let bucket = self.connect(&location).await?;
        let identity = bucket
            .identity()
            .await
            .map_err(ControllerError::bucket(format!("read the identity of location `{name}`")))?;
        if let Some(why) = objection_to_identity(&id, identity.as_ref()) {
            return Err(refused(name, why));
        }
        let read_only = is_read_only(&location);
        Ok(OpenLocation { name, id, read_only, bucket })
    }

    /// Opens a location in whatever state, for its validation.
    ///
    /// # Errors
    /// As [`Locations::open`].
    pub async fn connect(&self, location: &BackupStorageLocation) -> Result<Bucket, ControllerError> {
        let name = location.metadata.name.clone().unwrap_or_default();
        let credentials = match &location.spec.credential {
            Some(key) => Some(Credentials::read(&self.secrets, &name, key).await?),
            None => None,
        };
        let origin = BucketOrigin {
            uid: location.metadata.uid.clone(),
            spec: location.spec.clone(),
            secret: credentials.as_ref().map(|credentials| credentials.version.clone()),
        };
        if let Some(bucket) = self.opened_from(&name, &origin) {
            return Ok(bucket);
        }
        let place = resolve::of(location, credentials.map(|credentials| credentials.content))
            .map_err(|error| ControllerError::Location { name: name.clone(), why: error.problem })?;
        let store = store::open_behind(&place, self.gate.clone())
            .await
            .map_err(|error| ControllerError::bucket(format!("open location `{name}`"))(error.into()))?;
        let bucket = Bucket::new(Arc::new(Meter::observed(store, Arc::clone(&self.observer))));
        self.keep(name, OpenBucket { origin, bucket: bucket.clone() });
        Ok(bucket)
    }

    fn opened_from(&self, name: &str, origin: &BucketOrigin) -> Option<Bucket> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(name).filter(|opened| opened.origin == *origin).map(|opened| opened.bucket.clone())
    }

    /// Keeps an open bucket, and drops those of locations that no longer exist.
    fn keep(&self, name: String, bucket: OpenBucket) {
        let present = self.store.state();
        let is_present =
            |name: &str| present.iter().any(|location| location.metadata.name.as_deref() == Some(name));
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let change = opened.get(&name).and_then(|before| before.origin.change_to(&bucket.origin));
        opened.retain(|name, _| is_present(name));
        if let Some(change) = change {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), change);
        }
        opened.insert(name, bucket);
    }

    /// Returns how a location's connection has changed since the last call, or `None`.
    pub fn take_change(&self, name: &str) -> Option<AccessChange> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }
}

/// Returns an observer that counts each request to a bucket as a metric.
pub fn counting(metrics: &Arc<Metrics>) -> Observer {
    let metrics = Arc::clone(metrics);
    Arc::new(move |operation, outcome| match outcome {
        StoreOutcome::Success => metrics.store_request(operation.label(), "success"),
        StoreOutcome::Failure(category) => metrics.store_request(operation.label(), &category.to_string()),
    })
}

/// Returns the name of the location that a label means, or `None`. Labels hash long names.
pub fn name_of_label(locations: &Store<BackupStorageLocation>, label: &str) -> Option<String> {
    let locations = locations.state();
    let mut names = locations.iter().filter_map(|location| location.metadata.name.clone());
    names.find(|name| label_value(name) == label)
}

/// Returns the location that is marked as the default, the oldest of several; `None` if there is
/// none.
pub fn default_of(locations: &[Arc<BackupStorageLocation>]) -> Option<Arc<BackupStorageLocation>> {
    let defaults = locations.iter().filter(|location| location.spec.default == Some(true));
    defaults.min_by_key(|location| age(location)).cloned()
}

/// Returns a key that orders locations from the oldest to the youngest, and by name within a
/// second.
pub fn age(location: &BackupStorageLocation) -> impl Ord + use<> {
    let created = location.metadata.creation_timestamp.as_ref().map(|time| time.0);
    // A location without a creation time is not created yet, and younger than all.
    (created.is_none(), created, location.metadata.name.clone().unwrap_or_default())
}

/// Returns the identity of a location that can be used, or why it cannot.
fn usable_id(location: &BackupStorageLocation) -> Result<String, String> {
    let Some(status) = &location.status else {
        return Err("it has not been validated yet; try again in a moment".to_owned());
    };
    match (status.phase, &status.id) {
        (Some(LocationPhase::Available), Some(id)) => Ok(id.clone()),
        (Some(LocationPhase::Unavailable), _) => {
            let why = status.message.clone();
            Err(why.unwrap_or_else(|| "it is Unavailable".to_owned()))
        }
        _ => Err("it has not been validated yet; try again in a moment".to_owned()),
    }
}

#[cfg(test)]
mod tests;
