//! The columns of `get` for each kind.

use std::fmt::Display;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, ResourceExt};

use super::get::{Listed, Scheduled, cell, time};
use crate::api::{
    Backup, BackupPhase, BackupStatus, BackupStorageLocation, FAILED, KEPT, Provider, Restore,
    SCHEDULE_NAME_LABEL, SYNCED_FROM, Schedule, Timestamp, WAITING, holding, label_value,
};
use crate::cli::client::ArkClient;

/// The location of Backups that name none, where none says that it is the default and the server
/// was not told another.
const DEFAULT_LOCATION: &str = "default";

impl Listed for Backup {
    const COLUMNS: &'static [&'static str] = &[
        "phase",
        "errors",
        "warnings",
        "items",
        "created (UTC)",
        "expires (UTC)",
        "location",
        "schedule",
        "made in cluster",
        "origin",
        "why",
    ];
    const NARROW: usize = 7;

    fn cells(&self) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        let (phase, why) = phase(status.phase.unwrap_or_default(), &status.conditions);
        let kept = kept(&status).map(|kept| kept.message.clone());
        vec![
            phase,
            status.errors.to_string(),
            status.warnings.to_string(),
            cell(status.progress.map(|progress| progress.items_backed_up)),
            time(status.start_timestamp.or_else(|| created(self))),
            expiration(self),
            cell(self.spec.storage_location.as_deref()),
            cell(self.labels().get(SCHEDULE_NAME_LABEL)),
            cell(status.cluster.map(|cluster| cluster.uid)),
            origin(self).to_owned(),
            cell(why.or(kept)),
        ]
    }

    /// Marks the names of locations that do not exist any more.
    async fn complete(client: &ArkClient, mut backups: Vec<Self>) -> Vec<Self> {
        // A user who may not list locations sees their names as they are.
        let Ok(locations) = client.list::<BackupStorageLocation>(None).await else { return backups };
        for backup in &mut backups {
            if let Some(name) = &mut backup.spec.storage_location
                && !locations.iter().any(|location| location.name_any() == *name)
            {
                name.push_str(" (not there)");
            }
        }
        backups
    }

    async fn lacking(client: &ArkClient) -> Vec<String> {
        hidden(client).await
    }
}

impl Scheduled for Backup {
    fn is_of(&self, schedule: &str) -> bool {
        self.labels().get(SCHEDULE_NAME_LABEL).is_some_and(|label| *label == label_value(schedule))
    }
}

impl Scheduled for Restore {
    fn is_of(&self, schedule: &str) -> bool {
        self.spec.schedule_name.as_deref() == Some(schedule)
    }
}

impl Listed for Restore {
    const COLUMNS: &'static [&'static str] = &[
        "backup",
        "phase",
        "errors",
        "warnings",
        "items",
        "created (UTC)",
        "completed (UTC)",
        "schedule",
        "ran in cluster",
        "origin",
        "why",
    ];
    const NARROW: usize = 7;

    fn cells(&self) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        let (phase, why) = phase(status.phase.unwrap_or_default(), &status.conditions);
        vec![
            cell(self.spec.backup_name.clone().or(status.backup_name)),
            phase,
            status.errors.to_string(),
            status.warnings.to_string(),
            cell(status.progress.map(|progress| progress.items_restored)),
            time(status.start_timestamp.or_else(|| created(self))),
            time(status.completion_timestamp),
            cell(self.spec.schedule_name.as_deref()),
            cell(status.origin.and_then(|origin| origin.cluster)),
            origin(self).to_owned(),
            cell(why),
        ]
    }

    async fn lacking(client: &ArkClient) -> Vec<String> {
        hidden(client).await
    }
}

impl Listed for Schedule {
    const COLUMNS: &'static [&'static str] = &[
        "phase",
        "schedule",
        "paused",
        "last backup (UTC)",
        "next backup",
        "kept",
        "location",
        "created (UTC)",
    ];
    const NARROW: usize = 6;

    fn cells(&self) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        vec![
            cell(status.phase.map(|phase| format!("{phase:?}"))),
            self.spec.schedule.clone(),
            self.spec.paused.unwrap_or_default().to_string(),
            time(status.last_backup),
            cell(status.next_backup),
            cell(self.spec.template.ttl.as_ref()),
            cell(self.spec.template.storage_location.as_deref()),
            time(created(self)),
        ]
    }
}

impl Listed for BackupStorageLocation {
    const COLUMNS: &'static [&'static str] =
        &["phase", "place", "access", "default", "last synced (UTC)", "backups", "id", "message"];
    const NARROW: usize = 5;

    fn cells(&self) -> Vec<String> {
        let status = self.status.clone().unwrap_or_default();
        vec![
            cell(status.phase.map(|phase| format!("{phase:?}"))),
            place(self),
            format!("{:?}", self.spec.access_mode.unwrap_or_default()),
            self.spec.default.unwrap_or_default().to_string(),
            time(status.last_synced_time),
            cell(status.counts.map(|counts| counts.backups)),
            cell(status.id),
            cell(status.message),
        ]
    }

    /// Marks the location that is used as the default where none is marked as such.
    async fn complete(client: &ArkClient, mut locations: Vec<Self>) -> Vec<Self> {
        let all = client.list::<Self>(None).await.unwrap_or_default();
        for location in &mut locations {
            location.spec.default = Some(is_default(location, &all));
        }
        locations
    }
}

/// Returns a note for each location with runs that are not shown, because one object has a name and
/// several runs may. A user who may not list locations gets none.
async fn hidden(client: &ArkClient) -> Vec<String> {
    let locations = client.list::<BackupStorageLocation>(None).await.unwrap_or_default();
    let note = |location: &BackupStorageLocation| {
        let (name, counts) = (location.name_any(), location.status.as_ref()?.counts.clone()?);
        (counts.hidden > 0).then(|| {
            format!(
                "{} more, of backups and restores in location {name}, cannot be shown, because other objects have their names; `ark \
                 location describe {name}` says how to get at them",
                counts.hidden
            )
        })
    };
    locations.iter().filter_map(note).collect()
}

/// Returns whether Backups that name no location go to this one; `all` are all locations.
pub fn is_default(location: &BackupStorageLocation, all: &[BackupStorageLocation]) -> bool {
    let says_so = |location: &BackupStorageLocation| location.spec.default == Some(true);
    says_so(location) || (location.name_any() == DEFAULT_LOCATION && !all.iter().any(says_so))
}

/// Returns when a Backup expires, for a cell. Only the server knows that of a Backup that has not
/// been made yet; a Backup without an expiration is kept for ever.
fn expiration(backup: &Backup) -> String {
    let status = backup.status.clone().unwrap_or_default();
    let is_made = matches!(
        status.phase,
        Some(BackupPhase::Completed | BackupPhase::PartiallyFailed | BackupPhase::Failed)
    );
    match status.expiration {
        None if is_made => "never".to_owned(),
        Some(_) if kept(&status).is_some() => format!("{} (kept)", time(status.expiration)),
        expiration => time(expiration),
    }
}

/// Returns the condition that says why garbage collection keeps a Backup beyond its expiration.
pub fn kept(status: &BackupStatus) -> Option<&Condition> {
    holding(&status.conditions, KEPT).filter(|_| status.phase != Some(BackupPhase::Deleting))
}

/// Returns the phase, with the reason if the object waits, and the message of the waiting or of the
/// failure.
pub fn phase(phase: impl Display, conditions: &[Condition]) -> (String, Option<String>) {
    if let Some(waiting) = holding(conditions, WAITING) {
        return (format!("{phase} ({})", waiting.reason), Some(waiting.message.clone()));
    }
    (phase.to_string(), holding(conditions, FAILED).map(|failed| failed.message.clone()))
}

/// Returns a location's bucket and prefix as the beginning of a URL.
pub fn place(location: &BackupStorageLocation) -> String {
    let scheme = match location.spec.provider {
        Provider::S3 => "s3://",
        Provider::Fs => "file://",
    };
    let prefix = location.spec.prefix.as_ref().map(|prefix| format!("/{prefix}")).unwrap_or_default();
    format!("{scheme}{}{prefix}", location.spec.bucket)
}

/// Returns whether an object came out of a bucket, for a cell.
fn origin(object: &impl ResourceExt) -> &'static str {
    if object.annotations().contains_key(SYNCED_FROM) { "bucket" } else { "this cluster" }
}

/// Returns when an object was created.
pub fn created(object: &impl Resource) -> Option<Timestamp> {
    let seconds = object.meta().creation_timestamp.as_ref()?.0.as_second();
    chrono::DateTime::from_timestamp(seconds, 0).map(Timestamp::from)
}
