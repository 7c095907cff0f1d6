//! Watches and caches of Ark's kinds: one watch a kind and one copy of each object, without managed
//! fields, which no controller reads.

use std::fmt::Debug;
use std::hash::Hash;

use futures::future::join_all;
use futures::stream::{BoxStream, StreamExt as _};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::api::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule,
    ServerStatusRequest,
};

/// Number of objects on a page of the first list. Each costs some kilobytes in small pieces while
/// it is read, and the allocator keeps what a page took: small pages keep a server small that then
/// runs for weeks.
const PAGE: u32 = 50;

/// Caches of the kinds that controllers look up. Each fills while its watch is read.
#[derive(Clone, Debug)]
pub struct Caches {
    pub backups: Store<Backup>,
    pub restores: Store<Restore>,
    pub schedules: Store<Schedule>,
    pub locations: Store<BackupStorageLocation>,
    pub deletions: Store<DeleteBackupRequest>,
    fills: [Filled; 5],
}

/// The changes of one kind, which a controller reads, and the cache that they fill.
pub struct Watch<K: Resource<DynamicType: Hash + Eq> + 'static> {
    pub changes: BoxStream<'static, Result<K, watcher::Error>>,
    pub cache: Store<K>,
}

/// Whether a cache has been filled once. Any number of tasks may wait for it.
/// [`Store::wait_until_ready`] wakes only the task that asked last, and the others would wait for
/// ever.
type Filled = watch::Receiver<bool>;

/// The watches of all kinds.
pub struct Watches {
    pub backups: Watch<Backup>,
    pub restores: Watch<Restore>,
    pub schedules: Watch<Schedule>,
    pub locations: Watch<BackupStorageLocation>,
    pub deletions: Watch<DeleteBackupRequest>,
    pub downloads: Watch<DownloadRequest>,
    pub statuses: Watch<ServerStatusRequest>,
    fills: [Filled; 5],
}

impl Caches {
    /// Waits until each cache has been filled once. Returns false if one never will be, because the
    /// server ends.
    pub async fn filled(&self) -> bool {
        let waits = self
            .fills
            .clone()
            .map(|mut filled| async move { filled.wait_for(|filled| *filled).await.is_ok() });
        join_all(waits).await.into_iter().all(|filled| filled)
    }
}

#[cfg(test)]
impl Watches {
    /// For tests: fills the caches, and does nothing else, until the task is aborted.
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

impl Watches {
    /// Prepares to watch one namespace. Sends no request before a watch is read.
    pub fn of(client: &Client, namespace: &str) -> Self {
        let (backups, backups_filled) = prepare(client, namespace);
        let (restores, restores_filled) = prepare(client, namespace);
        let (schedules, schedules_filled) = prepare(client, namespace);
        let (locations, locations_filled) = prepare(client, namespace);
        let (deletions, deletions_filled) = prepare(client, namespace);
        let (downloads, _) = prepare(client, namespace);
        let (statuses, _) = prepare(client, namespace);
        let fills = [backups_filled, restores_filled, schedules_filled, locations_filled, deletions_filled];
        Self { backups, restores, schedules, locations, deletions, downloads, statuses, fills }
    }

    /// Returns the caches that these watches fill.
    pub fn caches(&self) -> Caches {
        Caches {
            backups: self.backups.cache.clone(),
            restores: self.restores.cache.clone(),
            schedules: self.schedules.cache.clone(),
            locations: self.locations.cache.clone(),
            deletions: self.deletions.cache.clone(),
            fills: self.fills.clone(),
        }
    }
}

fn prepare<K>(client: &Client, namespace: &str) -> (Watch<K>, Filled)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (cache, writer) = reflector::store();
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let (says, filled) = watch::channel(false);
    let changes = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .inspect(move |event| {
            if matches!(event, Ok(watcher::Event::InitDone)) {
                says.send_replace(true);
            }
        })
        .applied_objects()
        .boxed();
    (Watch { changes, cache }, filled)
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
    async fn whoever_waits_for_the_caches_is_told_when_all_are_filled() {
        let (cluster, _) = serve(|_, asked| lists(&asked.uri));
        let watches = Watches::of(&cluster.client(), "heptio-ark");
        let caches = watches.caches();
        let Watches { mut backups, mut restores, mut schedules, mut locations, mut deletions, .. } = watches;
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let caches = caches.clone();
                tokio::spawn(async move { caches.filled().await })
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
    async fn a_cache_that_will_never_be_filled_keeps_nobody_waiting() {
        let (cluster, _) = serve(|_, _| answer(500, ""));
        let watches = Watches::of(&cluster.client(), "heptio-ark");
        let caches = watches.caches();
        drop(watches);
        assert!(!caches.filled().await);
    }
}
