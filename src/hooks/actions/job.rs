//! Runs a Job and waits until it is complete.

use std::sync::OnceLock;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::context::ActionContext;
use super::end::ActionFailure;
use super::job_object::{JobEnd, JobIdentity, give_owner, job_end, job_object};
use super::stuck::told_pods;
use crate::api::{BackupAction, JobAction};
use crate::cluster::{Bound, ClusterError, ListQuery, Propagation, ResourceInfo};
use crate::hooks::workload::has_ended;
use crate::model::{Category, GroupResource};

/// The characters of a name that no other attempt has.
const TOKEN: usize = 8;
/// The reasons of the Events that say why a Job has no pods.
const NO_PODS: [&str; 1] = ["FailedCreate"];

/// Runs a Job and waits until it is complete. One that an earlier attempt of the run left is
/// deleted before; one that is not complete in time is deleted then.
///
/// # Errors
/// If the Job cannot be made, fails, or is not complete in time.
pub async fn run(
    context: &ActionContext<'_>,
    action: &BackupAction,
    job: &JobAction,
    deadline: Instant,
    lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    delete(context, action).await?;
    emptied(context, action, deadline).await?;
    let identity = identity(context, action);
    let object = object(context, action, job, &identity, deadline).await?;
    let created = context.cluster.create(&batch("jobs"), Some(&action.namespace), object.to_string()).await;
    if let Err(error) = created
        && !error.may_be_own()
    {
        return Err(error.into());
    }
    lines.push(format!("the Job {}/{} was created", action.namespace, identity.name));
    let ended = wait(context, action, &identity, deadline).await;
    lines.extend(logs(context, action).await);
    match ended {
        Ok(JobEnd::Complete) => Ok(()),
        Ok(JobEnd::Failed(why)) => Err(failed(context, action, &identity, &why).await),
        Ok(JobEnd::Deleted) => {
            let why = format!("the Job {}/{} was deleted before it ended", action.namespace, identity.name);
            Err(ActionFailure::new(Category::NotFound, why))
        }
        Err(error) => {
            delete(context, action).await?;
            lines.push(format!("the Job {}/{} was deleted", action.namespace, identity.name));
            Err(error)
        }
    }
}

/// Deletes the run's Jobs of an action, if there are any, and with them their pods.
///
/// # Errors
/// If Jobs cannot be listed or deleted.
pub async fn delete(context: &ActionContext<'_>, action: &BackupAction) -> Result<(), ActionFailure> {
    let (kind, labels) = (batch("jobs"), identity(context, action).selector());
    let namespace = Some(&*action.namespace);
    let query = ListQuery { kind: &kind, namespace, labels: Some(&labels), cut: None };
    let mut list = context.cluster.lister(query);
    while let Some(page) = list.next().await? {
        for body in page.bodies() {
            let job: Job = read(body, || format!("list jobs.batch in namespace {}", action.namespace))?;
            let (name, uid) = (job.metadata.name.unwrap_or_default(), job.metadata.uid);
            let owned = Propagation::Background;
            context.cluster.delete(&kind, namespace, &name, uid.as_deref(), owned).await?;
        }
    }
    Ok(())
}

fn identity(context: &ActionContext<'_>, action: &BackupAction) -> JobIdentity {
    let token = Uuid::new_v4().simple().to_string();
    JobIdentity::new(&context.comment, &action.name, &token[..TOKEN])
}

/// Waits until no pod of an earlier attempt runs.
async fn emptied(
    context: &ActionContext<'_>,
    action: &BackupAction,
    deadline: Instant,
) -> Result<(), ActionFailure> {
    let look = || async {
        let mut pods = pods(context, action).await?;
        pods.retain(|pod| !has_ended(pod));
        Ok(told_pods(&pods))
    };
    let what = "the pods of an earlier attempt's Job".to_owned();
    Ok(context.cluster.awaited(what, "gone", &bound(deadline), look).await?)
}

/// Returns the Job to create.
async fn object(
    context: &ActionContext<'_>,
    action: &BackupAction,
    job: &JobAction,
    identity: &JobIdentity,
    deadline: Instant,
) -> Result<Value, ActionFailure> {
    let limit = deadline.saturating_duration_since(Instant::now());
    let Some(name) = &job.from_cron_job else {
        return Ok(job_object(job.template.as_ref().unwrap_or(&Value::Null), identity, limit));
    };
    let namespace = &*action.namespace;
    let Some(body) = context.cluster.get(&batch("cronjobs"), Some(namespace), name).await? else {
        let why = format!("there is no CronJob {namespace}/{name}");
        return Err(ActionFailure::new(Category::NotFound, why));
    };
    let doing = || format!("get cronjobs.batch {namespace}/{name}");
    let cron_job: Value = read(&body, doing)?;
    let typed: CronJob = read(&body, doing)?;
    let mut object = job_object(&cron_job["spec"]["jobTemplate"], identity, limit);
    give_owner(&mut object, name, typed.metadata.uid.as_deref().unwrap_or_default());
    Ok(object)
}

/// Waits until a Job has ended.
async fn wait(
    context: &ActionContext<'_>,
    action: &BackupAction,
    identity: &JobIdentity,
    deadline: Instant,
) -> Result<JobEnd, ActionFailure> {
    let (kind, namespace) = (batch("jobs"), &*action.namespace);
    let end = OnceLock::new();
    let look = || async {
        let body = context.cluster.get(&kind, Some(namespace), &identity.name).await?;
        let ended = match body {
            None => Some(JobEnd::Deleted),
            Some(body) => {
                job_end(&read::<Job>(&body, || format!("get jobs.batch {namespace}/{}", identity.name))?)
            }
        };
        let Some(ended) = ended else { return Ok(Some(hindrance(context, action, identity).await?)) };
        end.get_or_init(|| ended);
        Ok(None)
    };
    let what = format!("the Job {namespace}/{}", identity.name);
    context.cluster.awaited(what, "complete", &bound(deadline), look).await?;
    Ok(end.into_inner().unwrap_or(JobEnd::Deleted))
}

/// Returns what keeps a Job that has not ended.
async fn hindrance(
    context: &ActionContext<'_>,
    action: &BackupAction,
    identity: &JobIdentity,
) -> Result<String, ClusterError> {
    if let Some(told) = told_pods(&pods(context, action).await?) {
        return Ok(told);
    }
    let event = context.cluster.last_event(&action.namespace, "Job", &identity.name, &NO_PODS).await;
    Ok(event.map_or_else(|| "it has no pods".to_owned(), |why| format!("it has no pods: {why}")))
}

async fn failed(
    context: &ActionContext<'_>,
    action: &BackupAction,
    identity: &JobIdentity,
    why: &str,
) -> ActionFailure {
    let hindered = hindrance(context, action, identity).await;
    let hindered = hindered.map(|hindered| format!("; {hindered}")).unwrap_or_default();
    let why = format!("the Job {}/{} failed: {why}{hindered}", action.namespace, identity.name);
    ActionFailure::new(Category::Other, why)
}

/// Returns the end of what the containers of the Job's pods printed.
async fn logs(context: &ActionContext<'_>, action: &BackupAction) -> Vec<String> {
    let mut lines = Vec::new();
    for pod in pods(context, action).await.unwrap_or_default() {
        let name = pod.metadata.name.unwrap_or_default();
        for container in pod.spec.into_iter().flat_map(|spec| spec.containers) {
            let container = container.name;
            match context.cluster.log_end(&action.namespace, &name, &container).await {
                Ok(log) => lines.extend(log.lines().map(|line| format!("{name} {container}: {line}"))),
                Err(error) => lines.push(format!("{name} {container}: its log cannot be read: {error}")),
            }
        }
    }
    lines
}

/// Returns the pods of the run's Jobs of an action.
async fn pods(context: &ActionContext<'_>, action: &BackupAction) -> Result<Vec<Pod>, ClusterError> {
    context.cluster.pods_labelled(&action.namespace, &identity(context, action).selector()).await
}

fn read<T: DeserializeOwned>(body: &[u8], doing: impl Fn() -> String) -> Result<T, ClusterError> {
    serde_json::from_slice(body)
        .map_err(|error| ClusterError::Answer { doing: doing(), source: error.into() })
}

/// Returns a kind of `batch`, which every cluster serves as `v1`.
fn batch(plural: &str) -> ResourceInfo {
    ResourceInfo {
        resource: GroupResource::parse(&format!("{plural}.batch")),
        version: "v1".to_owned(),
        kind: String::new(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
        other_versions: Vec::new(),
        status: true,
    }
}

fn bound(deadline: Instant) -> Bound {
    let left = deadline.saturating_duration_since(Instant::now());
    Bound::new(left, left)
}

#[cfg(test)]
mod tests;
