//! Shared state of all controllers.

use std::sync::Arc;

use kube::{Api, Client, Resource};
use tokio_util::sync::CancellationToken;

use super::buckets::Locations;
use super::obligations::count::Obligations;
use super::serve::download_tokens::DownloadTokens;
use super::settings::Settings;
use super::watch::backoff::Retries;
use super::watch::events::Events;
use super::watch::watches::Caches;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::telemetry::Metrics;

/// Shared state of all controllers.
pub struct Context {
    /// Client of the engine: catalog, retries and the fence.
    pub cluster: Cluster,
    /// The cluster's uid and version.
    pub identity: ClusterIdentity,
    /// The flags that the server was started with.
    pub settings: Settings,
    /// Ark's objects in the server's namespace, as watched.
    pub caches: Caches,
    /// Opens the buckets of locations.
    pub locations: Arc<Locations>,
    /// Number of pending undo operations per location.
    pub obligations: Obligations,
    /// The metrics of the server.
    pub metrics: Arc<Metrics>,
    /// Recent failures per object; for [`super::watch::drive::error_policy`].
    pub retries: Retries,
    /// Tokens of the downloads that the server itself serves for a short time.
    pub tokens: Arc<DownloadTokens>,
    /// Publishes Kubernetes Events.
    pub events: Events,
    /// Cancelled when the server ends or has lost the lease: nothing new begins, and what runs
    /// stops.
    pub stop: CancellationToken,
}

impl Context {
    /// Returns the client of the API server for custom resources.
    pub fn client(&self) -> Client {
        self.cluster.client()
    }

    /// Returns the API of one kind of namespaced resource in the server's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client(), &self.settings.namespace)
    }
}

/// For tests: settings of a server that has nothing disabled.
#[cfg(test)]
pub fn settings() -> Settings {
    let second = std::time::Duration::from_secs(1);
    Settings {
        namespace: "heptio-ark".into(),
        restore_only: false,
        disable_schedules: false,
        disable_restores: false,
        disable_hooks: false,
        concurrent_backups: 1,
        concurrent_restores: 1,
        sync_period: second,
        gc_period: second,
        default_ttl: second,
        default_location: "default".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        pod: None,
        holder: "host/1".into(),
    }
}

/// For tests: shared state over a scripted API server, with empty caches.
#[cfg(test)]
pub fn scripted(cluster: Cluster) -> Arc<Context> {
    let identity = ClusterIdentity { uid: "cluster".into(), version: "v1".into() };
    let (metrics, stop) = (Arc::new(Metrics::new()), CancellationToken::new());
    super::prepare(cluster, identity, settings(), metrics, Arc::default(), stop).0
}

/// For tests: shared state whose caches are filled with these objects.
#[cfg(test)]
pub async fn filled(settings: Settings, objects: Vec<serde_json::Value>) -> Arc<Context> {
    use crate::cluster::script::{answer, serve};
    let plural = |object: &serde_json::Value| object["kind"].as_str().unwrap().to_lowercase() + "s";
    let (cluster, _) = serve(move |_, asked| {
        let (path, query) = asked.uri.split_once('?').unwrap_or_default();
        if query.contains("watch=true") {
            return answer(200, "");
        }
        let kind = path.rsplit('/').next().unwrap_or_default();
        let items: Vec<_> = objects.iter().filter(|each| plural(each) == kind).collect();
        let list = serde_json::json!({"apiVersion": "ark.heptio.com/v1", "kind": "List",
            "metadata": {"resourceVersion": "1"}, "items": items});
        answer(200, list.to_string())
    });
    let identity = ClusterIdentity { uid: "cluster".into(), version: "v1".into() };
    let (metrics, stop) = (Arc::new(Metrics::new()), CancellationToken::new());
    let (context, watches) = super::prepare(cluster, identity, settings, metrics, Arc::default(), stop);
    let feeding = tokio::spawn(watches.follow());
    assert!(context.caches.filled().await);
    feeding.abort();
    context
}
