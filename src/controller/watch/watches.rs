//! Watches and caches of Ark's kinds: one watch a kind and one copy of each object, without managed
//! fields, which no controller reads, and of runs that are over without more (`shrink`).

use std::fmt::Debug;
use std::hash::Hash;

use futures::future::join_all;
use futures::stream::{BoxStream, StreamExt as _};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::shrink;
use crate::api::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule,
    ServerStatusRequest,
};

/// Number of objects on a page of the first list. Each costs some kilobytes in small pieces while
/// it is read, and the allocator keeps what a page took: small pages keep a server small that then
/// runs for weeks.
const PAGE: u32 = 50;

/// Caches of the kinds that controllers look up. Each fills while its watch is read. An object that
/// is to be written is read anew: a cache does not keep all of it.
#[derive(Clone, Debug)]
pub struct Caches {
    pub backups: Store<Backup>,
    pub restores: Store<Restore>,
    pub schedules: Store<Schedule>,
    pub locations: Store<BackupStorageLocation>,
    pub deletions: Store<DeleteBackupRequest>,
    fills: [Filled; 5],
}

/// The events of one kind, which a controller reads, and the cache that they fill.
pub struct Watch<K: Resource<DynamicType: Hash + Eq> + 'static> {
    pub events: BoxStream<'static, Result<watcher::Event<K>, watcher::Error>>,
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
            backups.events.for_each(async |_| {}),
            restores.events.for_each(async |_| {}),
            schedules.events.for_each(async |_| {}),
            locations.events.for_each(async |_| {}),
            deletions.events.for_each(async |_| {}),
        );
    }
}

impl Watches {
    /// Prepares to watch one namespace. Sends no request before a watch is read.
    pub fn of(client: &Client, namespace: &str) -> Self {
        let (backups, backups_filled) = prepare(client, namespace, shrink::backup);
        let (restores, restores_filled) = prepare(client, namespace, shrink::restore);
        let (schedules, schedules_filled) = prepare(client, namespace, |_| {});
        let (locations, locations_filled) = prepare(client, namespace, |_| {});
        let (deletions, deletions_filled) = prepare(client, namespace, |_| {});
        let (downloads, _) = prepare(client, namespace, |_| {});
        let (statuses, _) = prepare(client, namespace, |_| {});
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

/// Prepares to watch one kind; `shrink` takes from an object what the cache does not keep.
fn prepare<K>(client: &Client, namespace: &str, shrink: fn(&mut K)) -> (Watch<K>, Filled)
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
    let events = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .modify(move |object| {
            object.meta_mut().managed_fields = None;
            shrink(object);
        })
        .reflect(writer)
        .inspect(move |event| {
            if matches!(event, Ok(watcher::Event::InitDone)) {
                says.send_replace(true);
            }
        })
        .boxed();
    (Watch { events, cache }, filled)
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
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let caches = caches.clone();
                tokio::spawn(async move { caches.filled().await })
            })
            .collect();
        tokio::task::yield_now().await;
        let feeding = tokio::spawn(watches.follow());
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
