//! Connects to an API server by a kubeconfig or a pod's service account; yields a [`Cluster`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::Config;
use kube::client::ClientBuilder;
use kube::config::{ExecAuthCluster, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use super::ClusterError;
use super::buffers::Buffers;
use super::counted::Counting;
use super::cuts::Cuts;
use super::fence::{Fence, Fencing};
use super::health::Health;
use super::pace::Creates;
use super::policy::Patience;
use super::proxy::{Proxies, proxy_at, shown, with_port};
use super::request::{Call, Doing, ask_again};
use super::waiting::Waits;
use crate::model::{Category, Cause, RootCause};
use crate::telemetry::Metrics;

/// The time for establishing a connection. A host that exists answers at once; another one is
/// given up before a person gives up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The cluster to connect to, and how.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The kubeconfig; `None` means that of KUBECONFIG, then that in the home directory, then the
    /// pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; `None` means its current one.
    pub context: Option<String>,
    /// The metrics in which calls are counted; `None` if calls are not counted.
    pub metrics: Option<Arc<Metrics>>,
    /// The time for which an API server that answers nobody is waited for; `None` means five
    /// minutes.
    pub away_within: Option<Duration>,
}

/// The identity of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// The uid of the namespace kube-system, which lives as long as the cluster.
    pub uid: String,
    /// The API server's version: `v1.35.4`.
    pub version: String,
}

/// A connection to an API server. Clones are cheap and share connections, health, waits and pace.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: kube::Client,
    pub(super) server: Arc<str>,
    pub(super) buffers: Buffers,
    pub(super) fence: Fence,
    pub(super) shared: ClusterState,
    metrics: Option<Arc<Metrics>>,
}

/// The state that all clones of a [`Cluster`] share.
#[derive(Clone, Default)]
pub(super) struct ClusterState {
    pub health: Arc<Health>,
    pub waits: Arc<Waits>,
    pub creates: Arc<Creates>,
    pub cuts: Arc<Cuts>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the configuration and prepares the client. Nothing is sent before the first call.
    ///
    /// # Errors
    /// If there is no configuration, or the kubeconfig, its context or its credentials cannot be
    /// used.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ClusterError> {
        let mut config = configure(options)?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // No read timeout, since pooled connections idle. Every call has a deadline of its own and
        // counts its own tries.
        config.read_timeout = None;
        config.default_retry = false;
        let server = named(&config);
        let fence = Fence::default();
        let (counting, fencing) = (Counting(options.metrics.clone()), Fencing(fence.clone()));
        let client = ClientBuilder::try_from(config)
            .map(|builder| builder.with_layer(&counting).with_layer(&fencing).build())
            .map_err(|error| ClusterError::Prepare {
                server: server.clone(),
                source: RootCause::of(&error).into(),
            })?;
        let metrics = options.metrics.clone();
        let mut cluster = Self { fence, metrics, ..Self::from_client(client, &server) };
        if let Some(within) = options.away_within {
            cluster.shared.health = Arc::new(Health::new(within));
        }
        Ok(cluster)
    }

    /// Wraps an existing client, preferably one without retries of its own; `server` is only for
    /// messages.
    pub fn from_client(client: kube::Client, server: &str) -> Self {
        Self {
            client,
            server: server.into(),
            buffers: Buffers::default(),
            fence: Fence::default(),
            shared: ClusterState::default(),
            metrics: None,
        }
    }

    /// Returns the client underneath, for custom resources. Callers say in their own errors what
    /// they were doing.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Returns the fence that ends all writes through this connection.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Returns the metrics in which calls are counted, if there are any.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.metrics.as_deref()
    }

    /// Returns the API server's URL, with the proxy that leads to it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns the identity of the cluster. The first call of a run: a server that cannot be
    /// reached is an error within seconds here, instead of being waited for.
    ///
    /// # Errors
    /// If the server cannot be reached, or the namespace kube-system may not be read.
    pub async fn identity(&self) -> Result<ClusterIdentity, ClusterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        #[derive(Deserialize)]
        struct Namespace {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            uid: String,
        }
        let doing = Doing { verb: "read", what: "the version", namespace: None, name: None };
        let version: Version =
            self.read(&Call { patience: Patience::PROMPT, ..Call::get("/version", doing) }).await?;
        let doing = Doing { verb: "get", what: "namespaces", namespace: None, name: Some("kube-system") };
        let namespace: Namespace = match self.read(&Call::get("/api/v1/namespaces/kube-system", doing)).await
        {
            Err(error) if error.category() == Category::Forbidden => {
                return Err(ClusterError::Unidentified { source: Box::new(error) });
            }
            read => read?,
        };
        Ok(ClusterIdentity { uid: namespace.metadata.uid, version: version.git_version })
    }

    /// Sends a call and parses the answer. An answer that cannot be parsed is requested again a
    /// few times.
    pub(super) async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        call: &Call<'_>,
    ) -> Result<T, ClusterError> {
        let mut garbled = 0;
        loop {
            let error = match serde_json::from_slice(&self.call(call).await?) {
                Ok(document) => return Ok(document),
                Err(error) => error,
            };
            if !ask_again(&mut garbled).await {
                return Err(ClusterError::Answer { doing: call.doing.to_string(), source: error.into() });
            }
        }
    }
}

fn configure(options: &ConnectOptions) -> Result<Config, ClusterError> {
    let (path, kubeconfig) = match &options.kubeconfig {
        Some(path) => (path.clone(), read(path)?),
        None => match find()? {
            Some(found) => found,
            None => return within_pod(),
        },
    };
    let context = check_context(&kubeconfig, options.context.as_deref(), &path)?;
    of_context(&kubeconfig, &context).map_err(|source| ClusterError::Kubeconfig { path, source })
}

/// Returns the configuration of a context. Not left to the client, which would also choose the
/// proxy, and wrongly (`proxy.rs`).
fn of_context(kubeconfig: &Kubeconfig, name: &str) -> Result<Config, Cause> {
    let contexts = kubeconfig.contexts.iter().find(|known| known.name == name);
    let context = contexts.and_then(|known| known.context.clone()).unwrap_or_default();
    let clusters = kubeconfig.clusters.iter().find(|known| known.name == context.cluster);
    let cluster = clusters.and_then(|known| known.cluster.clone()).ok_or_else(|| {
        format!("its context `{name}` is in the cluster `{}`, which it does not describe", context.cluster)
    })?;
    let server = cluster.server.as_deref().unwrap_or_default();
    let address: http::Uri = server.parse().map_err(|error| {
        format!("the server `{server}` of its cluster `{}` is no URL: {error}", context.cluster)
    })?;
    let described = ExecAuthCluster::try_from(&cluster).map_err(|error| RootCause::of(&error))?;
    let users = kubeconfig.auth_infos.iter().find(|known| Some(&known.name) == context.user.as_ref());
    let mut user = users.and_then(|known| known.auth_info.clone()).unwrap_or_default();
    let mut config = Config::new(address);
    config.proxy_url = match cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty()) {
        // As with kubectl, the kubeconfig's proxy is used whatever NO_PROXY says.
        Some(proxy) => Some(proxy_at(proxy).map_err(|why| format!("its proxy-url: {why}"))?),
        None => Proxies::of_environment().towards(&config.cluster_url)?,
    };
    if config.proxy_url.is_some() {
        config.cluster_url = with_port(config.cluster_url);
    }
    config.root_cert = described.certificate_authority_data.as_deref().map(certificates).transpose()?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name;
    if let Some(namespace) = context.namespace {
        config.default_namespace = namespace;
    }
    if let Some(plugin) = user.exec.as_mut().filter(|plugin| plugin.provide_cluster_info) {
        plugin.cluster = Some(described);
    }
    config.auth_info = user;
    Ok(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let authorities =
        authorities.map_err(|error| format!("its certificate-authority(-data) is no PEM: {error}"))?;
    Ok(authorities.into_iter().map(|authority| authority.to_vec()).collect())
}

/// Returns the API server's address for messages, with the proxy that leads to it.
fn named(config: &Config) -> String {
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    match &config.proxy_url {
        Some(proxy) => format!("{server}, through the proxy {},", shown(proxy)),
        None => server,
    }
}

/// Returns the kubeconfig that kubectl would use, or `None` if there is none.
fn find() -> Result<Option<(PathBuf, Kubeconfig)>, ClusterError> {
    let named = std::env::var_os("KUBECONFIG").map(PathBuf::from).unwrap_or_default();
    match Kubeconfig::from_env() {
        Ok(Some(kubeconfig)) => return Ok(Some((named, kubeconfig))),
        Ok(None) => {}
        Err(error) => return Err(ClusterError::Kubeconfig { path: named, source: error.into() }),
    }
    match home_kubeconfig().filter(|path| path.exists()) {
        Some(path) => read(&path).map(|kubeconfig| Some((path, kubeconfig))),
        None => Ok(None),
    }
}

fn home_kubeconfig() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".kube").join("config"))
}

fn read(path: &Path) -> Result<Kubeconfig, ClusterError> {
    Kubeconfig::read_from(path).map_err(|error| ClusterError::Kubeconfig {
        path: path.to_owned(),
        source: RootCause::of(&error).into(),
    })
}

fn within_pod() -> Result<Config, ClusterError> {
    Config::incluster().map_err(|_| {
        let home =
            home_kubeconfig().map(|path| format!("and no file {}", path.display())).unwrap_or_default();
        ClusterError::NoKubeconfig { looked: format!("KUBECONFIG is not set {home}") }
    })
}

/// Returns the name of the context to use.
///
/// # Errors
/// If the kubeconfig does not have the context.
fn check_context(kubeconfig: &Kubeconfig, asked: Option<&str>, path: &Path) -> Result<String, ClusterError> {
    let context = asked.or(kubeconfig.current_context.as_deref()).filter(|context| !context.is_empty());
    if let Some(known) = kubeconfig.contexts.iter().find(|known| Some(&*known.name) == context) {
        return Ok(known.name.clone());
    }
    let known = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    Err(ClusterError::UnknownContext { context: context.map(str::to_owned), known, path: path.to_owned() })
}

#[cfg(test)]
mod tests;
