//! What is done around a backup beside pods: shape and checks. Pure.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exec::HookErrorMode;
use super::http::HttpAction;
use super::job::JobAction;
use super::mongo::MongoAction;
use super::scale::ScaleAction;
use crate::api::{Duration, InvalidSpec, duration};

/// One action around the instant of a backup: exactly one of `http`, `job`, `scale` and `mongo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("[has(self.http), has(self.job), has(self.scale), has(self.mongo)].filter(x, x).size() == 1", "exactly one of http, job, scale and mongo is an action"),
    validation = ("!has(self.phase) || has(self.http) || has(self.job)", "scale and mongo last from before the instant to after it: leave phase out")
)]
pub struct BackupAction {
    /// Name of the action, for messages; no other action of the backup has it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Namespace of the Secrets, Services, workloads and Jobs that the action names.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// When an HTTP request is sent or a Job is run; default: Pre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ActionPhase>,
    /// Says whether the actions and hooks before the instant that follow a failed action are run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<HookErrorMode>,
    /// Time that the action may take, for example `30s` or `10m`; default, and what `0s` means: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub timeout: Option<Duration>,
    /// Send a request and wait until the answer is as expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpAction>,
    /// Run a Job and wait until it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobAction>,
    /// Scale workloads to zero before the instant, and back after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleAction>,
    /// Lock a MongoDB deployment for the instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongo: Option<MongoAction>,
}

/// Before (Pre) or after (Post) the instant of the backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActionPhase {
    /// Before it.
    #[default]
    Pre,
    /// After it, also where the backup could not be made.
    Post,
}

impl BackupAction {
    pub(super) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { name, namespace, phase, on_error: _, timeout, http, job, scale, mongo } = self;
        let mut wrong = Vec::new();
        for (member, text) in [("name", name), ("namespace", namespace)] {
            if text.is_empty() {
                wrong.push(InvalidSpec::new(format!("{field}.{member}"), "is empty"));
            }
        }
        if let Some(Err(error)) = timeout.as_ref().map(Duration::length) {
            wrong.push(InvalidSpec::new(format!("{field}.timeout"), error));
        }
        let asked = [http.is_some(), job.is_some(), scale.is_some(), mongo.is_some()];
        if asked.into_iter().filter(|each| *each).count() != 1 {
            wrong.push(InvalidSpec::new(field, "exactly one of http, job, scale and mongo is an action"));
        } else if phase.is_some() && http.is_none() && job.is_none() {
            let why = "scale and mongo last from before the instant to after it: leave phase out";
            wrong.push(InvalidSpec::new(format!("{field}.phase"), why));
        }
        wrong.extend(http.iter().flat_map(|http| http.validate(&format!("{field}.http"))));
        wrong.extend(job.iter().flat_map(|job| job.validate(&format!("{field}.job"))));
        wrong.extend(scale.iter().flat_map(|scale| scale.validate(&format!("{field}.scale"))));
        wrong.extend(mongo.iter().flat_map(|mongo| mongo.validate(&format!("{field}.mongo"))));
        wrong
    }
}
