//! An installation with an interceptor before S3 and another before the API server: its server
//! fails, waits or is killed at a request of its own, and its bucket can be looked into.

use std::sync::Arc;

use ark::bucket::AttemptId;
use ark::store::{ObjectKey, ObjectStore, read_all};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::{Installation, LOCATION, Server, ServerOptions};
use crate::process::run;
use crate::restore::store;
use crate::support::{Act, Interceptor, Lab, eventually};

/// Larger than any document of the tests.
const DOCUMENT: u64 = 1 << 20;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    S3,
    ApiServer,
}

/// Whether the server dies before its request arrives, or after it was answered and before it
/// knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMoment {
    Before,
    After,
}

/// A write of the server at which it is killed: the first request of this method whose path ends
/// so, and whose body holds that. `{}` is a name, `*` the folder of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct KillPoint {
    /// In words, as `docs/crash.md` calls it.
    pub what: &'static str,
    pub destination: Destination,
    pub method: &'static str,
    pub path: &'static str,
    pub holds: &'static str,
}

/// A write to the bucket.
pub const fn s3(what: &'static str, method: &'static str, path: &'static str) -> KillPoint {
    KillPoint { what, destination: Destination::S3, method, path, holds: "" }
}

/// A write to the API server.
pub const fn api(
    what: &'static str,
    method: &'static str,
    path: &'static str,
    holds: &'static str,
) -> KillPoint {
    KillPoint { what, destination: Destination::ApiServer, method, path, holds }
}

/// Whether a path ends as a pattern says, in which `*` stands for one segment.
pub fn ends_like(path: &str, pattern: &str) -> bool {
    let path = path.trim_end_matches('/');
    let Some((begin, end)) = pattern.split_once('*') else { return path.ends_with(pattern) };
    path.strip_suffix(end)
        .and_then(|rest| rest.rsplit_once('/'))
        .is_some_and(|(rest, _)| begin.strip_suffix('/').is_some_and(|begin| rest.ends_with(begin)))
}

/// Keys as if no attempt had a folder of its own, in order.
pub fn without_attempts(keys: Vec<String>) -> Vec<String> {
    let mut keys: Vec<String> = keys
        .into_iter()
        .map(|key| {
            match key.rsplit_once('/').and_then(|(folder, file)| Some((folder.rsplit_once('/')?, file))) {
                Some(((run, attempt), file)) if AttemptId::is_one(attempt) => format!("{run}/{file}"),
                _ => key,
            }
        })
        .collect();
    keys.sort_unstable();
    keys
}

/// The one key of a store that begins and ends so.
pub async fn key(store: &dyn ObjectStore, begin: &str, end: &str) -> String {
    let listed = store.list(begin, false, None).await.expect("listable").objects;
    let mut keys = listed.into_iter().map(|object| object.key.to_string()).filter(|key| key.ends_with(end));
    let found = keys.next().unwrap_or_else(|| panic!("there is no {begin}…{end}"));
    assert_eq!(keys.next(), None, "{begin}…{end}");
    found
}

/// An installation, its server, the interceptors before what the server talks to, and its bucket.
pub struct InterceptedServer<'a> {
    pub lab: &'a Lab,
    pub installation: Installation<'a>,
    /// The bucket, past the interceptor.
    pub bucket: String,
    pub s3: Interceptor,
    pub api: Interceptor,
    pub server: Option<Server>,
    pub store: Arc<dyn ObjectStore>,
    kubeconfig: NamedTempFile,
}

impl<'a> InterceptedServer<'a> {
    /// An installation with one location, `default`, and a server that has found it good.
    pub async fn start(lab: &'a Lab, purpose: &str) -> Self {
        let mut intercepted = Self::prepare(lab, purpose).await;
        intercepted.start_next().await;
        intercepted
    }

    /// The same, without the server.
    pub async fn prepare(lab: &'a Lab, purpose: &str) -> Self {
        let installation = Installation::prepare(&lab.a, purpose).await;
        let (s3, api) = (Interceptor::of_s3(lab).await, Interceptor::of_cluster(&lab.a).await);
        let bucket = lab.bucket();
        let store = store(&bucket).await;
        installation
            .location(
                "default",
                &s3.through(lab, &bucket),
                json!({"default": true, "validationPeriod": "1s"}),
            )
            .await;
        let kubeconfig = api.kubeconfig();
        Self { lab, installation, bucket, s3, api, server: None, store, kubeconfig }
    }

    /// What every server here is started with.
    pub fn options(&self) -> ServerOptions {
        ServerOptions { kubeconfig: Some(self.kubeconfig.path().to_owned()), ..ServerOptions::default() }
    }

    /// Starts the next server, which nothing happens to, and waits until it has found the location
    /// good.
    pub async fn start_next(&mut self) {
        self.s3.clear();
        self.api.clear();
        self.server = None;
        self.server = Some(self.installation.start_again(self.options()).await);
        self.installation.reach(LOCATION, "default", "Available").await;
    }

    /// From now on, what is asked of a key that ends so does not arrive at S3, not even once its
    /// server has ended; `*` is one segment.
    pub fn hold(&self, key: &'static str) {
        let never = CancellationToken::new();
        self.s3.set(
            move |asked| {
                if ends_like(&asked.path, key) { Act::Held(never.clone()) } else { Act::Pass }
            },
        );
    }

    /// From now on, the server dies at `point`, where `name` stands for `{}`.
    pub fn kill_at(&self, point: KillPoint, moment: KillMoment, name: &str) {
        let killer = self.server.as_ref().expect("a server runs").killer();
        let deed: Arc<dyn Fn() + Send + Sync> = Arc::new(move || killer.kill());
        let (path, holds) = (point.path.replace("{}", name), point.holds.replace("{}", name));
        let interceptor = match point.destination {
            Destination::S3 => &self.s3,
            Destination::ApiServer => &self.api,
        };
        let mut struck = false;
        interceptor.set(move |asked| {
            let here = asked.method == point.method && ends_like(&asked.path, &path);
            if struck || !here || !asked.body.to_string().contains(&holds) {
                return Act::Pass;
            }
            struck = true;
            match moment {
                KillMoment::Before => Act::Before(Arc::clone(&deed)),
                KillMoment::After => Act::After(Arc::clone(&deed)),
            }
        });
    }

    /// Waits until the server has died at this point, see [`InterceptedServer::kill_at`].
    pub async fn dies_at(&self, point: KillPoint, moment: KillMoment) {
        let what = format!("the server dies {moment:?} `{}`", point.what);
        let server = self.server.as_ref().expect("a server runs");
        eventually(&what, async || server.ended()).await;
    }

    /// The keys of the bucket that begin so, in order.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let (mut keys, mut page) = (Vec::new(), None);
        loop {
            let listing = self.store.list(prefix, false, page).await.expect("listable");
            keys.extend(listing.objects.into_iter().map(|object| object.key.to_string()));
            page = listing.next;
            if page.is_none() {
                return keys;
            }
        }
    }

    /// An object of the bucket as JSON; none when it is not there.
    pub async fn object(&self, key: &str) -> Option<Value> {
        let key = ObjectKey::new(key).expect("a key");
        match read_all(&*self.store, &key, DOCUMENT).await {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("JSON")),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{key}: {error}"),
        }
    }

    /// `ark backup verify` finds nothing wrong.
    pub async fn verify(&self, backup: &str) {
        let mut command = self.lab.a.ark(["backup", "verify", backup, "--location", &self.bucket]);
        tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
    }
}
