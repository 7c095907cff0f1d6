//! The live cluster as a backup of it would be, without the backup: keys and hashes, for a diff.

use super::collect::Event;
use super::error::BackupError;
use super::filter::Verdict;
use super::item::ItemView;
use super::view::View;
use crate::api::BackupSpec;
use crate::cluster::{Cluster, ClusterError};
use crate::model::{ItemKey, Kind};

/// Shows `visit` every item that a backup with this specification would take now, with its hash as the index has it.
/// Answers with the kinds that could not be listed to their end.
///
/// # Errors
/// When the specification is wrong or the cluster fails as a whole.
pub async fn live_items(
    cluster: &Cluster,
    spec: &BackupSpec,
    mut visit: impl FnMut(ItemKey, u64),
) -> Result<Vec<(Kind, ClusterError)>, BackupError> {
    let selection = spec.selection().map_err(BackupError::Specification)?;
    let view = View::open(cluster, &selection, |_| {}).await?;
    let filter = view.filter();
    let mut failures = Vec::new();
    let mut collection = view.collect(cluster);
    while let Some(mut listing) = collection.next() {
        while let Some(event) = listing.next().await {
            match event {
                Event::Page(page) => {
                    for item in page.bodies().filter_map(|body| ItemView::read(body).ok()) {
                        if filter.judge(&listing.info, &item) == Verdict::Take {
                            let namespace = item.namespace.map(String::from);
                            let key = ItemKey {
                                kind: listing.info.kind.clone(),
                                namespace,
                                name: item.name.into_owned(),
                            };
                            visit(key, item.hash);
                        }
                    }
                }
                Event::Drift(_) => {}
                Event::Failed(error) => failures.push((listing.info.kind.clone(), error)),
            }
        }
    }
    Ok(failures)
}
