//! The status of a location, from what was seen of it. Pure.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::validate::LocationReport;
use crate::api::{
    BackupStorageLocation, BackupStorageLocationSpec, BackupStorageLocationStatus, LocationCapabilities,
    LocationPhase, READY, Timestamp, set_condition,
};
use crate::controller::buckets::{age, default_of, is_read_only, objection_to_form, objection_to_identity};
use crate::controller::watch::conditions::{Obstacle, condition};

/// Longest message in bytes; a service may answer with more.
const LONGEST_MESSAGE: usize = 1000;

/// Facts from which the status of a location is made.
pub struct ObservedLocation<'a> {
    /// The location, with its status so far.
    pub location: &'a BackupStorageLocation,
    /// The outcome of a look at its bucket, or why it cannot be used.
    pub seen: &'a Result<LocationReport, Obstacle>,
    /// All locations of the cluster, this one among them.
    pub all: &'a [Arc<BackupStorageLocation>],
    /// When the bucket was looked at.
    pub now: Timestamp,
}

/// Returns the status that follows from the facts.
pub fn decide(observed: &ObservedLocation<'_>) -> BackupStorageLocationStatus {
    let mut status = observed.location.status.clone().unwrap_or_default();
    status.last_validation_time = Some(observed.now);
    match usable(observed) {
        Ok((id, seen)) => {
            status.id = Some(id);
            if let Some(conditional_writes) = seen.conditional_writes {
                let checksums = seen.checksums;
                status.capabilities = Some(LocationCapabilities { conditional_writes, checksums });
            }
            status.phase = Some(LocationPhase::Available);
            status.message = remarks(observed, &status);
            say_ready(&mut status, observed, true, "Available");
        }
        Err(why) => {
            status.phase = Some(LocationPhase::Unavailable);
            status.message = Some(shortened(&why.message));
            say_ready(&mut status, observed, false, why.reason);
        }
    }
    status
}

/// Sets the condition `Ready`, the same for tools.
fn say_ready(
    status: &mut BackupStorageLocationStatus,
    observed: &ObservedLocation<'_>,
    holds: bool,
    reason: &str,
) {
    status.observed_generation = observed.location.metadata.generation;
    let message = status.message.clone().unwrap_or_else(|| "the location can be used".to_owned());
    let ready = Condition {
        last_transition_time: observed.now.into(),
        observed_generation: status.observed_generation,
        ..condition(READY, holds, reason, message)
    };
    set_condition(&mut status.conditions, ready);
}

/// Returns true if the status should be written: at once if anything is new, else once a period, to
/// say that the bucket was looked at.
pub fn is_worth_writing(
    before: &BackupStorageLocationStatus,
    after: &BackupStorageLocationStatus,
    period: Duration,
) -> bool {
    let without_time = |status: &BackupStorageLocationStatus| BackupStorageLocationStatus {
        last_validation_time: None,
        ..status.clone()
    };
    if without_time(before) != without_time(after) {
        return true;
    }
    let (Some(before), Some(after)) = (before.last_validation_time, after.last_validation_time) else {
        return true;
    };
    // Looks are a period apart, and times are whole seconds.
    let passed = after.time().signed_duration_since(before.time());
    passed.to_std().is_ok_and(|passed| passed + Duration::from_secs(1) >= period)
}

/// Returns identity and report of a location that can be used, or why it cannot.
fn usable<'a>(observed: &ObservedLocation<'a>) -> Result<(String, &'a LocationReport), Obstacle> {
    let ObservedLocation { location, seen, all, now: _ } = observed;
    if let Some(other) = older(location, all, |other| is_same_place(&location.spec, &other.spec)) {
        return Err(taken(&other, "it names the same bucket and prefix"));
    }
    let seen = seen.as_ref().map_err(Clone::clone)?;
    if let Some(id) = location.status.as_ref().and_then(|status| status.id.as_deref())
        && let Some(why) = objection_to_identity(id, seen.identity.as_ref())
    {
        return Err(Obstacle::new("IdentityChanged", why));
    }
    let Some(identity) = &seen.identity else {
        return Err(Obstacle::new(
            "NoIdentity",
            "it holds no ark-location.json, and none is written into a ReadOnly location; check bucket and \
             prefix, or let Ark write there once",
        ));
    };
    if let Some(why) = objection_to_form(&identity.id) {
        return Err(Obstacle::new("IdentityDamaged", why));
    }
    let has_id = |other: &BackupStorageLocation| {
        other.status.as_ref().is_some_and(|status| status.id.as_ref() == Some(&identity.id))
    };
    match older(location, all, has_id) {
        Some(other) => Err(taken(&other, &format!("both have the identity {}", identity.id))),
        None => Ok((identity.id.clone(), seen)),
    }
}

/// Returns the name of an older location for which `is_meant` holds, or `None`.
fn older(
    location: &BackupStorageLocation,
    all: &[Arc<BackupStorageLocation>],
    is_meant: impl Fn(&BackupStorageLocation) -> bool,
) -> Option<String> {
    let others = all.iter().filter(|other| other.metadata.name != location.metadata.name);
    let mut older = others.filter(|other| age(other) < age(location) && is_meant(other));
    older.next().and_then(|other| other.metadata.name.clone())
}

fn taken(other: &str, why: &str) -> Obstacle {
    let message = format!(
        "it is the same place as the older location `{other}` ({why}); use that one, and delete this one"
    );
    Obstacle::new("Duplicate", message)
}

fn is_same_place(one: &BackupStorageLocationSpec, other: &BackupStorageLocationSpec) -> bool {
    let place = |spec: &BackupStorageLocationSpec| {
        let endpoint = spec.config.as_ref().and_then(|config| config.endpoint.as_deref()).unwrap_or_default();
        let prefix = spec.prefix.as_deref().unwrap_or_default().trim_matches('/').to_owned();
        (spec.provider, endpoint.trim_end_matches('/').to_owned(), spec.bucket.clone(), prefix)
    };
    place(one) == place(other)
}

/// Returns remarks on a location that can be used, or `None`.
fn remarks(observed: &ObservedLocation<'_>, status: &BackupStorageLocationStatus) -> Option<String> {
    let mut remarks = Vec::new();
    let may_write = !is_read_only(observed.location);
    if may_write && status.capabilities.as_ref().is_some_and(|can| !can.conditional_writes) {
        remarks.push(
            "the service has no conditional writes: clusters that share this location must not use the same names"
                .to_owned(),
        );
    }
    let is_told = observed.location.spec.config.as_ref().is_some_and(|config| config.checksums.is_some());
    if may_write && !is_told && status.capabilities.as_ref().is_some_and(|can| can.checksums == Some(false)) {
        remarks.push(
            "the service refuses checksum headers, so that uploads go without; config.checksums: WhenRequired says so beforehand"
                .to_owned(),
        );
    }
    if observed.location.spec.default == Some(true)
        && let Some(default) = default_of(observed.all).and_then(|default| default.metadata.name.clone())
        && Some(&default) != observed.location.metadata.name.as_ref()
    {
        remarks
            .push(format!("the older location `{default}` says that it is the default, too, and is the one"));
    }
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST_MESSAGE);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
