//! Checks `requireEmpty`: whether a target namespace holds an item that the restore would meet.
//! Changes nothing.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::error::RestoreError;
use super::kinds::ServedAs;
use super::plan::RestorePlan;
use crate::cluster::{Cluster, ListQuery};

/// Most items that the error names; the first few tell where to look.
const NAMED: usize = 10;

/// Items that the control plane puts into every namespace by itself.
const IN_EVERY_NAMESPACE: [(&str, &str); 2] =
    [("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")];

#[derive(Deserialize)]
struct Named {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Looks for planned names in the target namespaces, kind by kind. From the second attempt on,
/// items with the labels of this restore do not count.
///
/// # Errors
/// [`RestoreError::NotEmpty`] if any planned item is there already; or when the cluster cannot
/// be asked.
pub async fn require_empty(cluster: &Cluster, plan: &RestorePlan) -> Result<(), RestoreError> {
    let inventory = &plan.source.inventory;
    let mut planned: BTreeMap<(u16, &str), HashSet<&str>> = BTreeMap::new();
    for id in plan.items.entries() {
        let entry = inventory.entry(id);
        let kind = inventory.kind(entry).as_str();
        let Some(namespace) = inventory.namespace(entry) else { continue };
        if !IN_EVERY_NAMESPACE.contains(&(kind, &*entry.name)) {
            let target = plan.rewriter.namespace(namespace);
            planned.entry((entry.kind, target)).or_default().insert(&entry.name);
        }
    }
    let (mut count, mut first) = (0, Vec::new());
    for ((kind, namespace), names) in planned {
        let ServedAs::Yes { info, .. } = plan.served.at(kind) else { continue };
        let query = ListQuery { kind: info, namespace: Some(namespace), labels: None, cut: None };
        let mut lister = cluster.lister(query);
        let doing = "looking whether the target namespaces are empty";
        while let Some(page) = lister.next().await.map_err(RestoreError::cluster(doing))? {
            for name in page.bodies().filter_map(|body| serde_json::from_slice::<Named>(body).ok()) {
                let Metadata { name, labels } = name.metadata;
                let restored = plan.attempt > 1 && plan.earlier.made(&labels);
                if names.contains(&*name) && !restored {
                    count += 1;
                    if first.len() < NAMED {
                        first.push(format!("{} {namespace}/{name}", info.resource));
                    }
                }
            }
        }
    }
    if count == 0 { Ok(()) } else { Err(RestoreError::NotEmpty { count, first }) }
}
