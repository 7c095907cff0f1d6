//! Finds the pods of a backup that have hooks, as they are now.

use std::collections::HashSet;

use super::hook::PodHooks;
use super::select::{HookSelection, HookedMetadata, takes_pods};
use crate::api::CompiledSelection;
use crate::cluster::{Cluster, ClusterError, Lister};

/// The most namespaces whose pods are listed one by one, as a backup lists them: beyond, one list
/// of all is cheaper.
const ONE_BY_ONE: usize = 8;

#[derive(serde::Deserialize)]
struct Hooked {
    metadata: HookedMetadata,
}

/// Returns the pods that a backup would take now and that have hooks.
///
/// # Errors
/// If namespaces or pods cannot be listed.
pub async fn pods_with_hooks(
    cluster: &Cluster,
    selection: &CompiledSelection,
    hooks: &HookSelection,
) -> Result<Vec<PodHooks>, ClusterError> {
    let mut found = Vec::new();
    if !takes_pods(selection.kinds_of(true)) {
        return Ok(found);
    }
    let mut left_out = HashSet::new();
    each(cluster.namespaces(), |namespace| {
        if namespace.is_left_out() {
            left_out.insert(namespace.name);
        }
    })
    .await?;
    let labels = selection.labels.list_parameter();
    let mut keep = |pod: HookedMetadata| {
        let is_taken = selection.namespaces.takes(&pod.namespace)
            && selection.labels.matches(&pod.labels)
            && !left_out.contains(&pod.namespace)
            && !pod.is_left_out();
        found.extend(hooks.of(&pod).filter(|_| is_taken));
    };
    // Where namespaces are spelled out, the server may have rights in these alone.
    match selection.namespaces.literal_includes().filter(|names| names.len() <= ONE_BY_ONE) {
        Some(names) => {
            for name in names {
                each(cluster.pods(Some(name), labels.as_deref()), &mut keep).await?;
            }
        }
        None => each(cluster.pods(None, labels.as_deref()), &mut keep).await?,
    }
    Ok(found)
}

/// Shows `look` the metadata of each item of a list.
async fn each(mut list: Lister, mut look: impl FnMut(HookedMetadata)) -> Result<(), ClusterError> {
    while let Some(page) = list.next().await? {
        for body in page.bodies() {
            // What is no object is told of when the kind is listed for the backup.
            if let Ok(Hooked { metadata }) = serde_json::from_slice(body) {
                look(metadata);
            }
        }
    }
    Ok(())
}
