//! Scales a workload back that an action scaled to zero.

use super::error::ObligationError;
use crate::cluster::{Cluster, ClusterError, ResourceInfo};
use crate::hooks::workload::{FoundWorkload, MOST_WRITES, WayBack};
use crate::model::{Cause, GroupResource};

/// A workload that is at zero, and the number of replicas that it had.
#[derive(Clone, Copy, Debug)]
pub struct ScaledWorkload<'a> {
    /// The resource and its group: `deployments.apps`.
    pub resource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The uid.
    pub uid: &'a str,
    /// The number of replicas that it had.
    pub replicas: i32,
}

impl std::fmt::Display for ScaledWorkload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.resource, self.namespace, self.name)
    }
}

/// What became of a workload that was to be scaled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleBack {
    /// It has its number again.
    Done,
    /// Somebody else has scaled it, whose number stays, be it zero.
    Taken,
    /// It was not at zero, and nothing says that it ever was.
    Untouched,
    /// It is not there any more.
    Gone,
}

/// Scales a workload back if it is still at zero and the same object. To do so twice does no harm.
///
/// # Errors
/// If it may still be at zero.
pub async fn back(cluster: &Cluster, workload: &ScaledWorkload<'_>) -> Result<ScaleBack, ObligationError> {
    let undone = write_back(cluster, workload).await;
    undone.map_err(|source| ObligationError::Scale {
        workload: workload.to_string(),
        replicas: workload.replicas,
        source,
    })
}

async fn write_back(cluster: &Cluster, workload: &ScaledWorkload<'_>) -> Result<ScaleBack, Cause> {
    let ScaledWorkload { resource, namespace, name, uid, replicas } = *workload;
    let Some(kind) = kind(cluster, resource).await? else { return Ok(ScaleBack::Gone) };
    let mut is_ours = false;
    for _ in 0..MOST_WRITES {
        let found = read(cluster, &kind, namespace, name).await?;
        let Some(found) = found.filter(|found| found.uid() == uid) else { return Ok(ScaleBack::Gone) };
        let (patch, end) = match found.way_back(replicas) {
            WayBack::Last(patch) => (patch, Some(ScaleBack::Done)),
            WayBack::Unmark(patch) if is_ours => (patch, Some(ScaleBack::Untouched)),
            WayBack::Unmark(patch) => (patch, Some(ScaleBack::Taken)),
            WayBack::Mark(patch) => (patch, None),
            WayBack::Taken => return Ok(ScaleBack::Taken),
        };
        match cluster.patch(&kind, Some(namespace), name, &patch).await {
            Ok(_) => match end {
                Some(end) => return Ok(end),
                None => is_ours = true,
            },
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_not_found() => return Ok(ScaleBack::Gone),
            Err(error) => return Err(error.into()),
        }
    }
    Err(format!(
        "it was changed by others {MOST_WRITES} times in a row, between being read and being written"
    )
    .into())
}

/// Returns the kind as the cluster serves it, or `None` if it serves it no longer.
async fn kind(cluster: &Cluster, resource: &str) -> Result<Option<ResourceInfo>, Cause> {
    let kind = GroupResource::parse(resource);
    let catalog = cluster.catalog().await?;
    let is_of_group = |version: &str| version.split_once('/').map_or("", |(group, _)| group) == kind.group();
    match catalog.find(&kind) {
        Some(found) => Ok(Some(found.clone())),
        None => match catalog.failures.into_iter().find(|failure| is_of_group(&failure.group_version)) {
            Some(failure) => {
                let (version, why) = (failure.group_version, failure.message);
                Err(format!("the cluster does not say what {version} serves: {why}").into())
            }
            None => Ok(None),
        },
    }
}

/// Returns a workload as it is now, or `None` if it is not there.
///
/// # Errors
/// If it cannot be read.
pub async fn read(
    cluster: &Cluster,
    kind: &ResourceInfo,
    namespace: &str,
    name: &str,
) -> Result<Option<FoundWorkload>, ClusterError> {
    let Some(body) = cluster.get(kind, Some(namespace), name).await? else { return Ok(None) };
    let doing = || format!("get {} {namespace}/{name}", kind.resource);
    let workload = serde_json::from_slice(&body);
    workload.map(Some).map_err(|error| ClusterError::Answer { doing: doing(), source: error.into() })
}

#[cfg(test)]
mod tests;
