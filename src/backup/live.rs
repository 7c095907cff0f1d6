//! The keys and hashes of the items that a backup would take now, for a diff against the live
//! cluster.

use std::collections::HashSet;

use super::collect::Event;
use super::error::BackupError;
use super::filter::FilterVerdict;
use super::item::ItemView;
use super::view::ClusterView;
use crate::api::BackupSpec;
use crate::archive::IndexedResource;
use crate::cluster::{Cluster, ClusterError};
use crate::model::{GroupResource, ItemKey};

/// Calls `visit` with every item that a backup with this specification would take now, and the
/// item's hash as an index with these `kinds` has it. Returns the kinds that could not be listed
/// to their end, also those that decide what comes along.
///
/// # Errors
/// If the specification is invalid or the cluster fails as a whole.
pub async fn live_items(
    cluster: &Cluster,
    spec: &BackupSpec,
    kinds: &[IndexedResource],
    mut visit: impl FnMut(ItemKey, u64),
) -> Result<Vec<(GroupResource, ClusterError)>, BackupError> {
    let selection = spec.selection().map_err(BackupError::Specification)?;
    let mut view = ClusterView::open(cluster, &selection).await?;
    let mut failures = std::mem::take(&mut view.unseen);
    let mut filter = view.filter();
    // An index of an older format hashed no `status` at all.
    let hashed: HashSet<&GroupResource> =
        kinds.iter().filter(|kind| kind.status_is_data).map(|kind| &kind.resource).collect();
    let mut collection = view.collect(cluster);
    while let Some(mut listing) = collection.next() {
        let status_is_data = hashed.contains(&listing.info.resource);
        while let Some(event) = listing.next().await {
            match event {
                Event::Page(page) => {
                    let read = |body| ItemView::read(body, status_is_data).ok();
                    for item in page.bodies().filter_map(read) {
                        filter.note(&listing.info, &item);
                        if filter.judge(&listing.info, &item) == FilterVerdict::Take {
                            let namespace = item.namespace.map(String::from);
                            let key = ItemKey {
                                resource: listing.info.resource.clone(),
                                namespace,
                                name: item.name.into_owned(),
                            };
                            visit(key, item.hash);
                        }
                    }
                }
                Event::Drift(_) => {}
                Event::Failed(error) => failures.push((listing.info.resource.clone(), error)),
            }
        }
    }
    Ok(failures)
}
