//! Schedule: backups made at the times of a cron schedule, and how long they are kept. Shape and
//! checks only; the server acts on it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BackupSpec, Cron, Duration, InvalidSpec, Timestamp, VeleroSchedule};

/// The most Backups of one Schedule that may be kept by count.
const MAX_KEPT: u32 = 10_000;

/// Says when backups are made, of what, and how long they are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "ark.heptio.com",
    version = "v1",
    kind = "Schedule",
    namespaced,
    status = "ScheduleStatus",
    derive = "PartialEq",
    shortname = "sched",
    category = "ark",
    doc = "Makes a Backup at each time of a cron schedule, named after the Schedule and the time, and removes old \
           ones if `retention` is set. Example: `spec: {schedule: \"0 3 * * *\", template: {includedNamespaces: \
           [shop], ttl: 720h}}`.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.schedule"),
    printcolumn(name = "Paused", type_ = "boolean", json_path = ".spec.paused"),
    printcolumn(name = "LastBackup", type_ = "date", json_path = ".status.lastBackup"),
    printcolumn(name = "NextBackup", type_ = "string", json_path = ".status.nextBackup"),
    printcolumn(name = "Location", type_ = "string", json_path = ".spec.template.storageLocation", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 238")
        .message("metadata.name must have at most 238 characters, so that `-<YYYYMMDDhhmmss>` can follow it")
)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[x_kube(crates(serde = "crate::api::velero::copied"))]
pub struct ScheduleSpec {
    /// Times at which backups are made: five cron fields (minute, hour, day of month, month, day of
    /// week), or `@yearly`, `@monthly`, `@weekly`, `@daily` or `@hourly`, or `@every` with a
    /// duration, for example `@every 6h`. Default time zone: UTC; another one stands before, for
    /// example `CRON_TZ=Europe/Berlin 0 3 * * 1-5`.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^((CRON_TZ|TZ)=[^ ]+ +)?(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every +[0-9a-z. ]*[1-9][0-9a-z. ]*|[^ @]+( +[^ @]+){4}) *$')")
        .message("schedule must be five cron fields, `@daily` and the like, or `@every <duration>`"))]
    pub schedule: String,
    /// Specification of each Backup, as in a Backup's `spec`.
    pub template: BackupSpec,
    /// Stops the Schedule while true: no backups are made, and retention removes none. Times that
    /// pass meanwhile are not made up for. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Waits for the first time of the schedule instead of making a backup as soon as the Schedule
    /// is created. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_immediately: Option<bool>,
    /// Deletes the Backup objects together with the Schedule. The backups stay in the bucket, and
    /// sync brings their objects back. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_owner_references: Option<bool>,
    /// Says what is done at a time of the schedule while a backup of this Schedule runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,
    /// Removes Backups before their ttl ends, by age or number; default: all are kept until their
    /// ttl ends. For example `{maxAge: 14d, minCount: 3, maxCount: 30}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Fields that only Velero has.
    #[serde(flatten)]
    pub velero: VeleroSchedule,
}

/// Says what is done at a time of the schedule while a backup of this Schedule waits or runs.
/// Forbid (the default): no backup is made. Allow: another backup is made beside it, unless three
/// wait to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// No backup is made.
    #[default]
    Forbid,
    /// Another backup is made beside it.
    Allow,
}

/// Removes Backups of the Schedule before their ttl ends; needs maxAge or maxCount. The newest one
/// that Completed is never removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.maxAge) || has(self.maxCount)")
        .message("retention needs maxAge or maxCount"),
    validation = Rule::new("!has(self.minCount) || !has(self.maxCount) || self.minCount <= self.maxCount")
        .message("retention: minCount cannot be more than maxCount"),
)]
pub struct Retention {
    /// Age, counted from the start of a Backup, beyond which it is removed, once minCount newer
    /// ones have Completed, for example `14d`; default: no limit. Has no effect on Backups whose
    /// ttl is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// Number of newer Completed Backups that there must be before maxAge removes one, from 1 to
    /// 10000; default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_count: Option<u32>,
    /// Number of Backups to keep, from 1 to 10000; when there are more that Completed or
    /// PartiallyFailed, the oldest are removed. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_count: Option<u32>,
}

/// State of the Schedule; written by the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// State of the Schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<SchedulePhase>,
    /// Time of the schedule for which the last backup was made (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<Timestamp>,
    /// Last time of the schedule at which no backup was made (RFC 3339, UTC), for example because
    /// the Schedule was paused or a backup ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_skipped: Option<Timestamp>,
    /// Next time of the schedule (RFC 3339), by the clock of its own time zone; empty while it is
    /// paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub next_backup: Option<String>,
    /// State from which the times of the schedule count; the server's own bookkeeping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counting: Option<TickCount>,
    /// Backup that is being created, recorded before it is created, so that a server that dies
    /// creates no second one. Usually empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingBackup>,
    /// Mistakes in the specification, one entry each; empty if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// Generation of the specification (`metadata.generation`) to which this status belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions; the type Ready says whether the specification is valid, and if not, why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// State from which the times of the schedule count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TickCount {
    /// The `spec.schedule` that the server saw last.
    #[schemars(length(max = 256))]
    pub schedule: String,
    /// The `spec.paused` that the server saw last.
    #[serde(default)]
    pub paused: bool,
    /// Time (RFC 3339, UTC) after which times of the schedule count; earlier ones are not made up
    /// for.
    pub since: Timestamp,
}

/// A Backup that the Schedule is creating. After a crash the next server recognises it by its
/// token, which nobody can have read before the Backup existed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingBackup {
    /// Time of the schedule for which the Backup is made (RFC 3339, UTC).
    pub tick: Timestamp,
    /// Name of the Backup.
    #[schemars(length(max = 253))]
    pub name: String,
    /// SHA-256, in hexadecimal digits, of the token in the Backup's annotation.
    #[schemars(length(max = 64))]
    pub proof: String,
    /// Backup that this one replaces, because another run has its name in the bucket; it is deleted
    /// first. Usually empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<LostName>,
}

/// A Backup of the Schedule that never began, because another run has its name in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostName {
    /// Name of the Backup.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The uid of the Backup.
    #[schemars(length(max = 253))]
    pub uid: String,
}

/// State of the Schedule. New: not seen by a server yet. Enabled: the specification is valid (a
/// paused Schedule is Enabled, too). FailedValidation: the specification is wrong; see
/// validationErrors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SchedulePhase {
    /// Not seen by a server yet.
    #[default]
    New,
    /// The specification is valid.
    Enabled,
    /// The specification is wrong.
    FailedValidation,
}

impl ScheduleSpec {
    /// Returns everything that is wrong with the specification; empty if it is valid.
    pub fn validate(&self) -> Vec<InvalidSpec> {
        let Self {
            schedule,
            template,
            paused: _,
            skip_immediately: _,
            use_owner_references: _,
            concurrency_policy: _,
            retention,
            velero,
        } = self;
        let mut wrong = velero.refused();
        if let Err(error) = schedule.parse::<Cron>() {
            wrong.push(InvalidSpec::new("schedule", error));
        }
        let in_template = |InvalidSpec { field, why }| InvalidSpec::new(format!("template.{field}"), why);
        wrong.extend(template.validate().into_iter().map(in_template));
        wrong.extend(retention.iter().flat_map(Retention::validate));
        wrong
    }
}

impl Retention {
    /// Returns the number of newer successes that are required before age counts.
    pub fn least(&self) -> u32 {
        self.min_count.unwrap_or(1)
    }

    fn validate(&self) -> Vec<InvalidSpec> {
        let Self { max_age, min_count, max_count } = self;
        let mut wrong = Vec::new();
        if max_age.is_none() && max_count.is_none() {
            wrong.push(InvalidSpec::new(
                "retention",
                "needs maxAge or maxCount; leave it out to keep all until their ttl ends",
            ));
        }
        if let Some(Err(error)) = max_age.as_ref().map(Duration::length) {
            wrong.push(InvalidSpec::new("retention.maxAge", error));
        }
        for (field, count) in [("minCount", min_count), ("maxCount", max_count)] {
            if count.is_some_and(|count| !(1..=MAX_KEPT).contains(&count)) {
                wrong.push(InvalidSpec::new(
                    format!("retention.{field}"),
                    format!("must be between 1 and {MAX_KEPT}"),
                ));
            }
        }
        if let (Some(least), Some(most)) = (min_count, max_count)
            && least > most
        {
            wrong.push(InvalidSpec::new("retention.minCount", "cannot be more than maxCount"));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(spec: serde_json::Value) -> Vec<String> {
        let spec: ScheduleSpec = serde_json::from_value(spec).unwrap();
        spec.validate().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_sound_schedule_has_nothing_wrong() {
        let retention = json!({"maxAge": "30d", "minCount": 2, "maxCount": 2});
        assert!(wrong(json!({"schedule": "CRON_TZ=Europe/Berlin 0 3 * * 1-5", "template": {}, "retention": retention})).is_empty());
        assert!(wrong(json!({"schedule": "@every 6h", "template": {"ttl": "30d"}})).is_empty());
    }

    #[test]
    fn every_mistake_of_a_schedule_is_found_in_one_pass() {
        let found = wrong(json!({
            "schedule": "every day", "template": {"excludedResources": ["*"], "ttl": "-1h"},
            "retention": {"maxAge": "soon", "minCount": 3, "maxCount": 2},
        }));
        let expected = [
            "schedule",
            "template.excludedResources",
            "template.ttl",
            "retention.maxAge",
            "retention.minCount",
        ];
        assert_eq!(found, expected);
        assert_eq!(
            wrong(json!({"schedule": "@daily", "template": {}, "retention": {"minCount": 1}})),
            ["retention"]
        );
        assert_eq!(
            wrong(json!({"schedule": "@daily", "template": {}, "retention": {"maxCount": 0}})),
            ["retention.maxCount"]
        );
    }
}
