//! What the cluster has, as it is watched: one watch a kind, one copy of each object, without what nobody here reads.

use std::fmt::Debug;
use std::hash::Hash;

use futures::future::join_all;
use futures::stream::{BoxStream, StreamExt as _};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::api::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule,
    ServerStatusRequest,
};

/// Objects on one page of the first list. Each is some kilobytes of small pieces while it is read, and what a page took stays with
/// the allocator: small pages keep a server small that then runs for weeks.
const PAGE: u32 = 50;

/// What the cluster has. Each fills while its feed is read.
#[derive(Clone, Debug)]
pub struct Stores {
    pub backups: Store<Backup>,
    pub restores: Store<Restore>,
    pub schedules: Store<Schedule>,
    pub locations: Store<BackupStorageLocation>,
    pub deletions: Store<DeleteBackupRequest>,
    fills: [Filled; 5],
}

/// The changes of one kind, which fill its store; a controller reads them.
pub struct Feed<K: Resource<DynamicType: Hash + Eq> + 'static> {
    pub changes: BoxStream<'static, Result<K, watcher::Error>>,
    pub store: Store<K>,
}

/// Whether a store has been filled once. Any number of tasks may wait for it: [`Store::wait_until_ready`] wakes only the
/// one that looked last, and the others wait for ever.
type Filled = watch::Receiver<bool>;

/// The changes of all kinds.
pub struct Feeds {
    pub backups: Feed<Backup>,
    pub restores: Feed<Restore>,
    pub schedules: Feed<Schedule>,
    pub locations: Feed<BackupStorageLocation>,
    pub deletions: Feed<DeleteBackupRequest>,
    pub downloads: Feed<DownloadRequest>,
    pub statuses: Feed<ServerStatusRequest>,
    fills: [Filled; 5],
}

impl Stores {
    /// Waits until each has been filled once; false when one never will be, because the server ends.
    pub async fn filled(&self) -> bool {
        let waits = self
            .fills
            .clone()
            .map(|mut filled| async move { filled.wait_for(|filled| *filled).await.is_ok() });
        join_all(waits).await.into_iter().all(|filled| filled)
    }
}

#[cfg(test)]
impl Feeds {
    /// Follows the kinds that the stores keep, and does nothing else, until the task is aborted.
    pub async fn follow(self) {
        let Self { backups, restores, schedules, locations, deletions, .. } = self;
        tokio::join!(
            backups.changes.for_each(async |_| {}),
            restores.changes.for_each(async |_| {}),
            schedules.changes.for_each(async |_| {}),
            locations.changes.for_each(async |_| {}),
            deletions.changes.for_each(async |_| {}),
        );
    }
}

impl Feeds {
    /// Prepares to watch one namespace; nothing is sent before a feed is read.
    pub fn of(client: &Client, namespace: &str) -> Self {
        let (backups, backups_filled) = feed(client, namespace);
        let (restores, restores_filled) = feed(client, namespace);
        let (schedules, schedules_filled) = feed(client, namespace);
        let (locations, locations_filled) = feed(client, namespace);
        let (deletions, deletions_filled) = feed(client, namespace);
        let (downloads, _) = feed(client, namespace);
        let (statuses, _) = feed(client, namespace);
        let fills = [backups_filled, restores_filled, schedules_filled, locations_filled, deletions_filled];
        Self { backups, restores, schedules, locations, deletions, downloads, statuses, fills }
    }

    /// The stores that they fill.
    pub fn stores(&self) -> Stores {
        Stores {
            backups: self.backups.store.clone(),
            restores: self.restores.store.clone(),
            schedules: self.schedules.store.clone(),
            locations: self.locations.store.clone(),
            deletions: self.deletions.store.clone(),
            fills: self.fills.clone(),
        }
    }
}

fn feed<K>(client: &Client, namespace: &str) -> (Feed<K>, Filled)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (store, writer) = reflector::store();
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let (says, filled) = watch::channel(false);
    let changes = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| {
            if matches!(event, Ok(watcher::Event::InitDone)) {
                says.send_replace(true);
            }
        })
        .applied_objects()
        .boxed();
    (Feed { changes, store }, filled)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::script::{Answer, answer, serve};

    fn lists(path: &str) -> Answer {
        if path.contains("watch=true") {
            return answer(200, "");
        }
        answer(
            200,
            r#"{"apiVersion":"ark.heptio.com/v1","kind":"List","metadata":{"resourceVersion":"1"},"items":[]}"#,
        )
    }

    #[tokio::test]
    async fn whoever_waits_for_the_stores_is_told_when_all_are_filled() {
        let (cluster, _) = serve(|_, asked| lists(&asked.uri));
        let feeds = Feeds::of(&cluster.client(), "heptio-ark");
        let stores = feeds.stores();
        let Feeds { mut backups, mut restores, mut schedules, mut locations, mut deletions, .. } = feeds;
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let stores = stores.clone();
                tokio::spawn(async move { stores.filled().await })
            })
            .collect();
        tokio::task::yield_now().await;
        let feeding = tokio::spawn(async move {
            tokio::join!(
                backups.changes.next(),
                restores.changes.next(),
                schedules.changes.next(),
                locations.changes.next(),
                deletions.changes.next(),
            );
        });
        for waiter in waiting {
            let told = tokio::time::timeout(Duration::from_secs(20), waiter).await;
            assert!(told.expect("each is told").unwrap());
        }
        feeding.abort();
    }

    #[tokio::test]
    async fn a_store_that_will_never_be_filled_keeps_nobody_waiting() {
        let (cluster, _) = serve(|_, _| answer(500, ""));
        let feeds = Feeds::of(&cluster.client(), "heptio-ark");
        let stores = feeds.stores();
        drop(feeds);
        assert!(!stores.filled().await);
    }
}
