//! What the cluster has, as it is watched: one watch a kind, one copy of each object, without what nobody here reads.

use std::fmt::Debug;
use std::hash::Hash;

use futures::stream::{BoxStream, StreamExt as _};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::api::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule,
    ServerStatusRequest,
};

/// What the cluster has. Each fills while its feed is read.
#[derive(Clone, Debug)]
pub struct Stores {
    pub backups: Store<Backup>,
    pub restores: Store<Restore>,
    pub schedules: Store<Schedule>,
    pub locations: Store<BackupStorageLocation>,
    pub deletions: Store<DeleteBackupRequest>,
}

/// The changes of one kind, which fill its store; a controller reads them.
pub struct Feed<K: Resource<DynamicType: Hash + Eq> + 'static> {
    pub changes: BoxStream<'static, Result<K, watcher::Error>>,
    pub store: Store<K>,
}

/// The changes of all kinds.
pub struct Feeds {
    pub backups: Feed<Backup>,
    pub restores: Feed<Restore>,
    pub schedules: Feed<Schedule>,
    pub locations: Feed<BackupStorageLocation>,
    pub deletions: Feed<DeleteBackupRequest>,
    pub downloads: Feed<DownloadRequest>,
    pub statuses: Feed<ServerStatusRequest>,
}

impl Stores {
    /// Waits until each has been filled once; false when one never will be, because the server ends. Schedules are not
    /// waited for: a server that makes no backups does not watch them.
    pub async fn filled(&self) -> bool {
        let Self { backups, restores, schedules: _, locations, deletions } = self;
        let filled = tokio::join!(
            backups.wait_until_ready(),
            restores.wait_until_ready(),
            locations.wait_until_ready(),
            deletions.wait_until_ready(),
        );
        matches!(filled, (Ok(()), Ok(()), Ok(()), Ok(())))
    }
}

impl Feeds {
    /// Prepares to watch one namespace; nothing is sent before a feed is read.
    pub fn of(client: &Client, namespace: &str) -> Self {
        Self {
            backups: feed(client, namespace),
            restores: feed(client, namespace),
            schedules: feed(client, namespace),
            locations: feed(client, namespace),
            deletions: feed(client, namespace),
            downloads: feed(client, namespace),
            statuses: feed(client, namespace),
        }
    }

    /// The stores that they fill.
    pub fn stores(&self) -> Stores {
        Stores {
            backups: self.backups.store.clone(),
            restores: self.restores.store.clone(),
            schedules: self.schedules.store.clone(),
            locations: self.locations.store.clone(),
            deletions: self.deletions.store.clone(),
        }
    }
}

fn feed<K>(client: &Client, namespace: &str) -> Feed<K>
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
    let changes = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        .boxed();
    Feed { changes, store }
}
