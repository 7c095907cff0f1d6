//! Schedule: backups made by the clock, and how long they are kept. Shape and checks only; the
//! server acts on it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BackupSpec, Cron, Duration, InvalidSpec, Timestamp, VeleroSchedule};

/// The most Backups of one Schedule that may be kept by count.
const MAX_KEPT: u32 = 10_000;

/// When to make which backups, and how long to keep them.
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
    doc = "Makes backups by the clock and removes old ones.",
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
    /// When: five cron fields (minute, hour, day of month, month, day of week), or `@daily` and the like, or
    /// `@every 6h`; in UTC, or in another time zone when `CRON_TZ=Europe/Berlin` stands before it.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^((CRON_TZ|TZ)=[^ ]+ +)?(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every +[0-9a-z. ]*[1-9][0-9a-z. ]*|[^ @]+( +[^ @]+){4}) *$')")
        .message("schedule must be five cron fields, `@daily` and the like, or `@every <duration>`"))]
    pub schedule: String,
    /// The specification of each Backup.
    pub template: BackupSpec,
    /// Makes no backups while true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Waits for the first tick instead of making a backup at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_immediately: Option<bool>,
    /// Whether Backups go when the Schedule goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_owner_references: Option<bool>,
    /// What to do when a tick comes while a backup of this Schedule runs; Forbid when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,
    /// Which Backups to remove before their ttl ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// What only Velero says.
    #[serde(flatten)]
    pub velero: VeleroSchedule,
}

/// What to do when a tick comes while a backup of the Schedule runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// Skip the tick.
    #[default]
    Forbid,
    /// Make another backup beside it.
    Allow,
}

/// Which Backups to remove; never the only successful one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.maxAge) || has(self.maxCount)")
        .message("retention needs maxAge or maxCount"),
    validation = Rule::new("!has(self.minCount) || !has(self.maxCount) || self.minCount <= self.maxCount")
        .message("retention: minCount cannot be more than maxCount"),
)]
pub struct Retention {
    /// Older ones are removed, once minCount newer ones have succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// So many newer successes there must be before age counts; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_count: Option<u32>,
    /// Only so many are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_count: Option<u32>,
}

/// What a Schedule has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// Whether it makes backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<SchedulePhase>,
    /// The tick of the last backup that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<Timestamp>,
    /// The last tick that was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_skipped: Option<Timestamp>,
    /// The next tick, by the clock of the Schedule's own time zone; none while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub next_backup: Option<String>,
    /// By which text ticks count, and since when: what lies before is not made up for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counting: Option<TickCount>,
    /// The Backup that is being made; its name is recorded before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingBackup>,
    /// What is wrong with its specification.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<String>,
    /// The generation of the specification that all this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: whether its specification is sound, and what is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// By which text ticks count, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TickCount {
    /// The `spec.schedule` that the server has seen.
    #[schemars(length(max = 256))]
    pub schedule: String,
    /// Whether it was paused then.
    #[serde(default)]
    pub paused: bool,
    /// Only later ticks count.
    pub since: Timestamp,
}

/// A Backup that a Schedule is making. Whoever goes on after a crash knows the Backup as the Schedule's own by its token,
/// which nobody can have read anywhere before the Backup was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingBackup {
    /// The tick that it is made for.
    pub tick: Timestamp,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The SHA-256 of the token that its annotation holds, in hexadecimal digits.
    #[schemars(length(max = 64))]
    pub proof: String,
    /// The Backup that it is made instead of, because another run has the name of that one in the bucket; it goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<LostName>,
}

/// A Backup of a Schedule that was never begun, because another run has its name in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostName {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid.
    #[schemars(length(max = 253))]
    pub uid: String,
}

/// Whether a Schedule makes backups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SchedulePhase {
    /// Not looked at yet.
    #[default]
    New,
    /// It does.
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
