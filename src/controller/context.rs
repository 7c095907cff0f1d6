//! What every controller has in hand.

use std::sync::Arc;

use kube::{Api, Client, Resource};
use tokio_util::sync::CancellationToken;

use super::buckets::Locations;
use super::obligations::Obligations;
use super::serve::download_tokens::DownloadTokens;
use super::settings::Settings;
use super::watch::backoff::Retries;
use super::watch::events::Events;
use super::watch::watches::Caches;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::telemetry::Metrics;

/// What every controller has in hand. Shared by all.
pub struct Context {
    /// The engine's way to the API server.
    pub cluster: Cluster,
    /// Which cluster it is.
    pub identity: ClusterIdentity,
    /// What the server was asked to do.
    pub settings: Settings,
    /// What the cluster has.
    pub caches: Caches,
    /// The locations, opened.
    pub locations: Arc<Locations>,
    /// What waits in each location to be undone.
    pub obligations: Obligations,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who failed how often lately; for [`super::watch::drive::error_policy`].
    pub retries: Retries,
    /// What the server itself hands out, for a moment.
    pub tokens: Arc<DownloadTokens>,
    /// Tells people of changes.
    pub events: Events,
    /// Says that the server ends, or leads no more: nothing new begins, and what runs stops.
    pub stop: CancellationToken,
}

impl Context {
    /// The client of the API server, for custom resources.
    pub fn client(&self) -> Client {
        self.cluster.client()
    }

    /// One kind of custom resource, in the server's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client(), &self.settings.namespace)
    }
}

/// For tests: a server that does everything.
#[cfg(test)]
pub fn settings() -> Settings {
    let second = std::time::Duration::from_secs(1);
    Settings {
        namespace: "heptio-ark".into(),
        restore_only: false,
        disable_schedules: false,
        disable_restores: false,
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

/// For tests: what every controller has in hand, over a scripted API server; the caches are empty.
#[cfg(test)]
pub fn scripted(cluster: Cluster) -> Arc<Context> {
    let identity = ClusterIdentity { uid: "cluster".into(), version: "v1".into() };
    let (metrics, stop) = (Arc::new(Metrics::new()), CancellationToken::new());
    super::prepare(cluster, identity, settings(), metrics, Arc::default(), stop).0
}

/// For tests: what every controller has in hand, when the cluster with these objects is known as a whole.
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
