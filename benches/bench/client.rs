//! The floor: a client that does nothing but talk to the API server. It decodes nothing and keeps
//! nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ark::archive::IndexedResource;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::task::JoinSet;

use crate::Outcome;

/// What kubectl asks for at once.
const PAGE: usize = 500;
/// How many creates are under way at once, where nothing is measured and beside a restore.
pub const WAYS: usize = 32;
/// How often the distance is measured; the shortest counts, since the rest waited for a processor.
const QUESTIONS: usize = 50;
/// Bytes of the beginning and of the end of a list in which its metadata is: built-in kinds have it
/// in front, custom resources behind.
const EDGE: usize = 4096;

/// What to send.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Where to post it.
    pub path: String,
    /// The object.
    pub body: Bytes,
}

/// The bare client.
#[derive(Clone)]
pub struct Client(kube::Client);

impl Client {
    /// A client that has no connection yet.
    pub async fn new(kubeconfig: &Path) -> Outcome<Self> {
        let wrong = |error: &dyn std::fmt::Display| format!("reading {}: {error}", kubeconfig.display());
        let read = Kubeconfig::read_from(kubeconfig).map_err(|error| wrong(&error))?;
        let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let client = kube::Client::try_from(config.map_err(|error| wrong(&error))?);
        Ok(Self(client.map_err(|error| wrong(&error))?))
    }

    /// Lists the kinds one after the other, each page to its end, and says how long it took and how
    /// many bytes came.
    pub async fn list(&self, kinds: &[IndexedResource]) -> Outcome<(Duration, u64)> {
        let began = Instant::now();
        let mut bytes = 0;
        for kind in kinds {
            let path = collection(kind, None);
            let mut token: Option<String> = None;
            loop {
                let rest = token.map(|token| format!("&continue={token}")).unwrap_or_default();
                let (size, next) = self.page(&format!("{path}?limit={PAGE}{rest}")).await?;
                bytes += size;
                token = next;
                if token.is_none() {
                    break;
                }
            }
        }
        Ok((began.elapsed(), bytes))
    }

    /// Brings everything to a cluster where it may be already, [`WAYS`] at once.
    pub async fn load(&self, all: Vec<Creation>) -> Outcome<Duration> {
        let post = |client: Self, creation: Creation| async move { client.post(&creation, true).await };
        self.each(all.into(), WAYS, post).await
    }

    /// Creates everything, so many at once, in this order, and says how long it took.
    pub async fn create(&self, all: &Arc<[Creation]>, ways: usize) -> Outcome<Duration> {
        let post = |client: Self, creation: Creation| async move { client.post(&creation, false).await };
        self.each(Arc::clone(all), ways, post).await
    }

    /// Merges into everything that was created what `status` makes of it, so many at once, and says
    /// how long it took.
    pub async fn finish(
        &self,
        all: &[Creation],
        ways: usize,
        status: fn(&Creation) -> Outcome<Creation>,
    ) -> Outcome<Duration> {
        let all = all.iter().map(status).collect::<Outcome<_>>()?;
        let merge = |client: Self, creation: Creation| async move { client.merge(&creation).await };
        self.each(all, ways, merge).await
    }

    /// Does something with each, so many at once, in this order, and says how long it took.
    async fn each<F>(
        &self,
        all: Arc<[Creation]>,
        ways: usize,
        act: impl Fn(Self, Creation) -> F + Copy + Send + 'static,
    ) -> Outcome<Duration>
    where
        F: Future<Output = Outcome<()>> + Send + 'static,
    {
        let began = Instant::now();
        let next = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for _ in 0..ways {
            let (client, all, next) = (self.clone(), Arc::clone(&all), Arc::clone(&next));
            running.spawn(async move {
                while let Some(creation) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(client.clone(), creation.clone()).await?;
                }
                Ok::<(), String>(())
            });
        }
        while let Some(done) = running.join_next().await {
            done.map_err(|error| error.to_string())??;
        }
        Ok(began.elapsed())
    }

    /// How soon the API server answers a question that costs it nothing, over a connection that is
    /// there.
    pub async fn distance(&self) -> Outcome<Duration> {
        self.page("/version").await?;
        let mut shortest = Duration::MAX;
        for _ in 0..QUESTIONS {
            let began = Instant::now();
            self.page("/version").await?;
            shortest = shortest.min(began.elapsed());
        }
        Ok(shortest)
    }

    /// Waits until this path answers.
    pub async fn served(&self, path: &str) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.page(path).await.is_err() {
            if Instant::now() > deadline {
                return Err(format!("{path} was not served within 30 s"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn post(&self, creation: &Creation, again: bool) -> Outcome<()> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&creation.path)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json");
        let (status, _, edges) = self.send(request, Body::from(creation.body.clone())).await?;
        match status {
            StatusCode::CREATED => Ok(()),
            StatusCode::CONFLICT if again => Ok(()),
            _ => Err(format!("creating at {}: {status} {}", creation.path, String::from_utf8_lossy(&edges))),
        }
    }

    async fn merge(&self, creation: &Creation) -> Outcome<()> {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(&creation.path)
            .header("Content-Type", "application/merge-patch+json")
            .header("Accept", "application/json");
        let (status, _, edges) = self.send(request, Body::from(creation.body.clone())).await?;
        match status {
            StatusCode::OK => Ok(()),
            _ => Err(format!("changing {}: {status} {}", creation.path, String::from_utf8_lossy(&edges))),
        }
    }

    async fn page(&self, path: &str) -> Outcome<(u64, Option<String>)> {
        let request = Request::builder().uri(path).header("Accept", "application/json");
        let (status, size, edges) = self.send(request, Body::empty()).await?;
        if status != StatusCode::OK {
            return Err(format!("listing {path}: {status} {}", String::from_utf8_lossy(&edges)));
        }
        Ok((size, token(&edges)))
    }

    /// Reads an answer to its end and keeps its edges.
    async fn send(&self, request: http::request::Builder, body: Body) -> Outcome<(StatusCode, u64, Vec<u8>)> {
        let request = request.body(body).map_err(|error| error.to_string())?;
        let answer = self.0.send(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let mut body = answer.into_body();
        let (mut size, mut head, mut tail) = (0, Vec::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() else { continue };
            size += data.len() as u64;
            let (front, rest) = data.split_at(data.len().min(EDGE.saturating_sub(head.len())));
            head.extend_from_slice(front);
            tail.extend_from_slice(rest.get(rest.len().saturating_sub(EDGE)..).unwrap_or_default());
            tail.drain(..tail.len().saturating_sub(EDGE));
        }
        head.extend_from_slice(&tail);
        Ok((status, size, head))
    }
}

/// Where the items of a kind are.
pub fn collection(kind: &IndexedResource, namespace: Option<&str>) -> String {
    let root = if kind.version.contains('/') { "apis" } else { "api" };
    let namespace = namespace.map(|name| format!("namespaces/{name}/")).unwrap_or_default();
    format!("/{root}/{}/{namespace}{}", kind.version, kind.resource.resource())
}

/// The continue token, somewhere near the edges of a list.
fn token(edges: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(edges);
    let (_, rest) = text.split_once(r#""continue":""#)?;
    let (token, _) = rest.split_once('"')?;
    (!token.is_empty()).then(|| token.to_owned())
}
