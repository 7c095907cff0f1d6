//! Whether the location of a Backup permits its deletion, from the caches; and which Restores
//! belong to a Backup.

use std::sync::Arc;

use kube::ResourceExt as _;

use super::decide::{Deletability, reached_bucket};
use crate::api::{
    Backup, BackupStorageLocation, LocationPhase, Restore, STORAGE_LOCATION_LABEL, label_value, synced_from,
};
use crate::bucket::RunDocument;
use crate::controller::buckets::is_read_only;
use crate::controller::context::Context;

/// Returns the state of a Backup's location for a deletion.
pub fn place_of(context: &Context, backup: &Backup) -> Deletability {
    if !reached_bucket(backup) {
        return Deletability::Usable; // what never reached a bucket needs none
    }
    let wanted = backup.spec.storage_location.as_deref();
    let location = context.locations.find(wanted);
    judge(wanted, location.as_deref(), stored_in(backup))
}

/// Returns the identity of the location that has an object's document, or `None` if unknown.
pub fn stored_in<K: RunDocument + kube::Resource>(object: &K) -> Option<&str> {
    synced_from(object.meta()).or_else(|| object.origin()?.location.as_deref())
}

/// Returns true if the server may ask for a deletion now. A Backup in a location that is ReadOnly
/// or cannot be reached is left until that changes.
pub fn is_removable(context: &Context, backup: &Backup) -> bool {
    place_of(context, backup) == Deletability::Usable
}

/// Judges a location for the deletion of something stored in the location of identity `stored_in`.
/// `wanted` is the location's name, for messages.
pub fn judge(
    wanted: Option<&str>,
    location: Option<&BackupStorageLocation>,
    stored_in: Option<&str>,
) -> Deletability {
    let Some(location) = location else {
        return Deletability::Closed(format!(
            "its location `{}` is not there; create the BackupStorageLocation, or remove only the object here with kubectl",
            wanted.unwrap_or("default")
        ));
    };
    let name = location.name_any();
    if is_read_only(location) {
        return Deletability::Closed(format!(
            "location `{name}` is ReadOnly; delete it in the cluster that writes there, or make the location ReadWrite"
        ));
    }
    let status = location.status.clone().unwrap_or_default();
    if status.phase != Some(LocationPhase::Available) {
        let why = status.message.unwrap_or_else(|| "it has not been validated yet".to_owned());
        return Deletability::Unavailable(format!("location `{name}` is not Available: {why}"));
    }
    if let Some(origin) = stored_in
        && status.id.as_deref() != Some(origin)
    {
        return Deletability::Closed(format!(
            "it lies in another bucket than the one that location `{name}` points at now, whose contents are kept; remove only the object here with kubectl"
        ));
    }
    Deletability::Usable
}

/// Returns the Restores from a Backup that this cluster knows of: those of the same location, and
/// those whose location is unknown.
pub fn restores_of(context: &Context, backup: &Backup) -> Vec<Arc<Restore>> {
    let location = context.locations.find(backup.spec.storage_location.as_deref());
    let label = location.map(|location| label_value(&location.name_any()));
    let name = backup.name_any();
    let mut restores = context.caches.restores.state();
    restores.retain(|restore| is_from(restore, &name, label.as_deref()));
    restores
}

/// Returns the name of the Backup that a Restore is from: the recorded one, or else the named one;
/// `None` before a Schedule's newest is chosen.
pub fn backup_of(restore: &Restore) -> Option<&str> {
    let recorded = restore.status.as_ref().and_then(|status| status.backup_name.as_deref());
    recorded.or(restore.spec.backup_name.as_deref())
}

fn is_from(restore: &Restore, backup: &str, location: Option<&str>) -> bool {
    let label = restore.metadata.labels.as_ref().and_then(|labels| labels.get(STORAGE_LOCATION_LABEL));
    backup_of(restore) == Some(backup) && label.is_none_or(|label| Some(label.as_str()) == location)
}

/// Returns true if a Restore has not begun in this cluster: it is no record of the Backup, and will
/// report itself that the Backup is gone.
pub fn is_waiting(restore: &Restore) -> bool {
    let phase = restore.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
    phase == crate::api::RestorePhase::New && synced_from(&restore.metadata).is_none()
}

/// Returns true if a Restore reads its Backup now, in this cluster.
pub fn is_reading(restore: &Restore) -> bool {
    let phase = restore.status.as_ref().and_then(|status| status.phase);
    phase == Some(crate::api::RestorePhase::InProgress) && synced_from(&restore.metadata).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        AccessMode, BackupStorageLocationSpec, BackupStorageLocationStatus, RestorePhase, RestoreSpec,
        RestoreStatus,
    };

    fn location(access: AccessMode, phase: LocationPhase) -> BackupStorageLocation {
        let spec = serde_json::json!({"provider": "s3", "bucket": "bucket", "accessMode": access});
        let spec: BackupStorageLocationSpec = serde_json::from_value(spec).unwrap();
        let mut location = BackupStorageLocation::new("main", spec);
        location.status = Some(BackupStorageLocationStatus {
            phase: Some(phase),
            id: Some("id".into()),
            message: Some("no answer".into()),
            ..BackupStorageLocationStatus::default()
        });
        location
    }

    #[test]
    fn only_a_location_that_is_there_writable_available_and_the_same_is_deleted_from() {
        let judge = |location: Option<BackupStorageLocation>, from| match judge(
            Some("main"),
            location.as_ref(),
            from,
        ) {
            Deletability::Usable => "usable".to_owned(),
            Deletability::Unavailable(why) => format!("later: {why}"),
            Deletability::Closed(why) => format!("never: {why}"),
        };
        let good = location(AccessMode::ReadWrite, LocationPhase::Available);
        assert_eq!(judge(Some(good.clone()), None), "usable");
        assert_eq!(judge(Some(good.clone()), Some("id")), "usable");
        assert!(judge(Some(good), Some("other")).starts_with("never: it lies in another bucket"));
        let read_only = location(AccessMode::ReadOnly, LocationPhase::Available);
        assert!(judge(Some(read_only), None).starts_with("never: location `main` is ReadOnly"));
        let unavailable = location(AccessMode::ReadWrite, LocationPhase::Unavailable);
        assert_eq!(judge(Some(unavailable), None), "later: location `main` is not Available: no answer");
        assert!(judge(None, None).starts_with("never: its location `main` is not there"));
    }

    #[test]
    fn a_backup_lies_where_it_was_synced_from_or_where_the_server_made_it() {
        let mut own = Backup::new("nightly", crate::api::BackupSpec::default());
        assert_eq!(stored_in(&own), None);
        let origin = crate::api::Origin { location: Some("one".into()), ..Default::default() };
        own.status = Some(crate::api::BackupStatus { origin: Some(origin), ..Default::default() });
        assert_eq!(stored_in(&own), Some("one"));
        own.metadata.annotations = Some([(crate::api::SYNCED_FROM.to_owned(), "two".to_owned())].into());
        assert_eq!(stored_in(&own), Some("two"));
    }

    #[test]
    fn restores_hang_on_the_backup_they_are_from_in_its_own_location() {
        let mut restore =
            Restore::new("back", RestoreSpec { backup_name: Some("nightly".into()), ..Default::default() });
        assert!(is_from(&restore, "nightly", Some("main")) && !is_from(&restore, "other", Some("main")));
        restore.metadata.labels = Some([(STORAGE_LOCATION_LABEL.to_owned(), "elsewhere".to_owned())].into());
        assert!(
            !is_from(&restore, "nightly", Some("main")) && is_from(&restore, "nightly", Some("elsewhere"))
        );
        let mut newest =
            Restore::new("newest", RestoreSpec { schedule_name: Some("daily".into()), ..Default::default() });
        assert!(!is_from(&newest, "nightly", None));
        let status = RestoreStatus {
            backup_name: Some("nightly".into()),
            phase: Some(RestorePhase::InProgress),
            ..RestoreStatus::default()
        };
        newest.status = Some(status);
        assert!(is_from(&newest, "nightly", None) && is_reading(&newest) && !is_reading(&restore));
        assert!(is_waiting(&restore) && !is_waiting(&newest));
    }
}
