//! Finds the workloads that an action names or selects, as they are now.

use std::collections::BTreeMap;

use super::end::ActionFailure;
use crate::api::{ScaleAction, WorkloadName, label_requirements};
use crate::cluster::{Catalog, Cluster, ListQuery, ResourceInfo};
use crate::hooks::workload::FoundWorkload;
use crate::model::{Category, GroupResource, LabelQuery, term_means};

/// A workload to scale.
#[derive(Clone, Debug)]
pub struct ScaleTarget {
    /// Its kind, as the cluster serves it.
    pub kind: ResourceInfo,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ScaleTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind.resource, self.namespace, self.name)
    }
}

/// Returns the workloads that an action names or selects, each once.
///
/// # Errors
/// If the cluster does not serve a kind, workloads cannot be listed, or none is selected.
pub async fn targets(
    cluster: &Cluster,
    namespace: &str,
    scale: &ScaleAction,
) -> Result<Vec<ScaleTarget>, ActionFailure> {
    let catalog = cluster.catalog().await?;
    let mut found = BTreeMap::<(GroupResource, String), ResourceInfo>::new();
    for WorkloadName { resource, name } in &scale.workloads {
        let kind = kind(&catalog, &resource.to_lowercase())?;
        found.insert((kind.resource.clone(), name.clone()), kind.clone());
    }
    if let Some(selector) = &scale.label_selector {
        let requirements = label_requirements("labelSelector", selector).unwrap_or_default();
        let labels = LabelQuery::new(vec![requirements]).list_parameter();
        for resource in scale.selected_kinds() {
            let kind = kind(&catalog, &resource)?;
            for name in selected(cluster, kind, namespace, labels.as_deref()).await? {
                found.insert((kind.resource.clone(), name), kind.clone());
            }
        }
    }
    if found.is_empty() {
        let why = format!("labelSelector selects no workload in the namespace {namespace}");
        return Err(ActionFailure::new(Category::Unmatched, why));
    }
    let target = |((_, name), kind)| ScaleTarget { kind, namespace: namespace.to_owned(), name };
    Ok(found.into_iter().map(target).collect())
}

fn kind<'a>(catalog: &'a Catalog, term: &str) -> Result<&'a ResourceInfo, ActionFailure> {
    let mut kinds = catalog.kinds.iter().filter(|kind| kind.namespaced);
    let found = kinds.find(|kind| term_means(term, &kind.resource, kind.aliases()));
    found.ok_or_else(|| {
        let why = format!("the cluster serves no kind `{term}` in namespaces");
        ActionFailure::new(Category::NotFound, why)
    })
}

/// Returns the names of the workloads of a kind with these labels, without the ReplicaSets that
/// Deployments scale.
async fn selected(
    cluster: &Cluster,
    kind: &ResourceInfo,
    namespace: &str,
    labels: Option<&str>,
) -> Result<Vec<String>, ActionFailure> {
    let mut list = cluster.lister(ListQuery { kind, namespace: Some(namespace), labels, cut: None });
    let mut names = Vec::new();
    while let Some(page) = list.next().await? {
        for body in page.bodies() {
            let workload: FoundWorkload = serde_json::from_slice(body).map_err(|error| {
                let why = format!("one of the {} of {namespace} cannot be read: {error}", kind.resource);
                ActionFailure::new(Category::Invalid, why)
            })?;
            if workload.deployment().is_none() {
                names.push(workload.name().to_owned());
            }
        }
    }
    Ok(names)
}
