//! What every test of the lab needs: the lab itself, a namespace and a bucket of its own, and
//! patience with a deadline.

mod access;
mod busy_processors;
mod definitions;
mod interceptor;
mod namespace;
mod objects;
mod operator;
mod proxy;
mod rough;

use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::process::{self, Running};
pub use access::Right;
pub use busy_processors::Busy;
pub use definitions::DEFINITIONS;
pub use interceptor::{Act, Asked, Interceptor};
pub use namespace::TestNamespace;
pub use objects::{kind_path, objects, path_of};
pub use operator::Operator;
pub use proxy::Proxy;
pub use rough::RoughCluster;

/// What is waited for in the lab comes within seconds, and the namespace controller may have those
/// of a hundred other tests to remove first. A machine that is ten times as slow gets the time as
/// well, since no test is about speed.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// Who disturbs nobody shares the lab; who does has it alone.
static ORDER: RwLock<()> = RwLock::const_new(());

enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

/// Two real clusters and a real S3 server.
pub struct Lab {
    /// The cluster that is backed up.
    pub a: Cluster,
    /// The other one; its API server answers lists of the past from etcd, as all did before 1.34,
    /// not from its cache.
    pub b: Cluster,
    /// Where MinIO listens.
    pub s3: String,
    _turn: Turn,
}

/// One cluster of the lab.
pub struct Cluster {
    /// For `--kubeconfig` and `KUBECONFIG`.
    pub kubeconfig: PathBuf,
    /// Administrator's client, of the runtime of this test.
    pub client: Client,
    etcd: String,
}

impl Lab {
    /// The lab, together with the other tests.
    pub async fn get() -> Self {
        Self::open(Turn::Shared { _guard: ORDER.read().await }).await
    }

    /// The lab while no other test uses it.
    pub async fn alone() -> Self {
        Self::open(Turn::Alone { _guard: ORDER.write().await }).await
    }

    async fn open(turn: Turn) -> Self {
        Self {
            a: Cluster::open("A").await,
            b: Cluster::open("B").await,
            s3: fact("ARK_LAB_S3_ENDPOINT"),
            _turn: turn,
        }
    }

    /// The URL of a bucket that no other test uses; it is created when it is first opened.
    pub fn bucket(&self) -> String {
        let query = "region=us-east-1&forcePathStyle=true&createBucket=true";
        format!("s3://{}?endpoint={}&{query}", unique("bucket"), self.s3)
    }
}

impl Cluster {
    async fn open(letter: &str) -> Self {
        let kubeconfig = PathBuf::from(fact(&format!("ARK_LAB_KUBECONFIG_{letter}")));
        let client = connect(&kubeconfig).await;
        Self { kubeconfig, client, etcd: fact(&format!("ARK_LAB_ETCD_{letter}")) }
    }

    /// Whether the API server gives no answer within a second.
    pub async fn is_away(&self) -> bool {
        let answer = tokio::time::timeout(Duration::from_secs(1), self.client.apiserver_version()).await;
        !matches!(answer, Ok(Ok(_)))
    }

    /// `ark ARGUMENTS…` against this cluster, with the credentials of the lab's S3 server.
    pub fn ark<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = process::ark(arguments);
        command.env("KUBECONFIG", &self.kubeconfig);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
            command.env(name, fact(name));
        }
        command
    }

    /// Makes etcd forget all revisions before its current one. B refuses them at once; A has them
    /// in its cache, learns of this by the note that API servers leave for each other, and refuses
    /// them within 15 s: [`eventually`].
    pub fn compact(&self) {
        let revision = self.revision();
        let note = base64(revision.as_str().expect("etcd tells its revision"));
        self.ask_etcd("kv/put", &json!({ "key": base64("compact_rev_key"), "value": note }));
        self.ask_etcd("kv/compaction", &json!({ "revision": revision, "physical": true }));
    }

    /// Puts an object straight into etcd, as an older API server has left it there.
    pub fn store(&self, key: &str, object: &Value) {
        let value = base64(&object.to_string());
        self.ask_etcd("kv/put", &json!({ "key": base64(key), "value": value }));
    }

    /// The other API server of a cluster that has two; it answers for the same etcd.
    pub async fn second_of_b() -> Self {
        let kubeconfig = PathBuf::from(fact("ARK_LAB_KUBECONFIG_B2"));
        let client = connect(&kubeconfig).await;
        Self { kubeconfig, client, etcd: fact("ARK_LAB_ETCD_B") }
    }

    /// The address of its API server: `127.0.0.1:1234`.
    pub fn address(&self) -> String {
        let config = Kubeconfig::read_from(&self.kubeconfig).expect("readable");
        let server = config.clusters[0].cluster.as_ref().and_then(|cluster| cluster.server.clone());
        server.expect("a kubeconfig names a server").trim_start_matches("https://").to_owned()
    }

    /// The revision that etcd is at, as a text.
    fn revision(&self) -> Value {
        self.ask_etcd("kv/range", &json!({ "key": base64("\0") }))["header"]["revision"].clone()
    }

    fn ask_etcd(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/v3/{path}", self.etcd);
        let answer =
            Command::new("curl").args(["-sSf", "--max-time", "120", "-d", &body.to_string(), &url]).output();
        let answer = answer.expect("curl can be started");
        assert!(answer.status.success(), "{url}: {}", String::from_utf8_lossy(&answer.stderr));
        serde_json::from_slice(&answer.stdout).expect("etcd answers JSON")
    }
}

/// An administrator's client of the runtime that asks.
pub async fn connect(kubeconfig: &Path) -> Client {
    let file =
        Kubeconfig::read_from(kubeconfig).unwrap_or_else(|error| panic!("{}: {error}", kubeconfig.display()));
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("the lab's kubeconfig is complete"))
        .expect("the lab's certificates are good")
}

/// As etcd's JSON gateway wants keys and values.
fn base64(text: &str) -> Value {
    json!(ByteString(text.as_bytes().to_vec()))
}

/// One fact of the lab, which `hack/test.sh` puts into the environment.
pub fn fact(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: this test needs the lab, run hack/test.sh"))
}

/// A name for a namespace or bucket that nobody has used.
pub fn unique(purpose: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanoseconds = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default() % 1_000_000_000;
    format!("{purpose}-{}-{}-{nanoseconds:x}", id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until `look` finds something, and fails with `what` was waited for after [`PATIENCE`].
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).await
}

/// As [`eventually`], for what takes longer than others, or is promised sooner.
pub async fn within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ctrl-C.
pub fn interrupt(running: &Running) {
    signal("INT", running);
}

/// The end without a word, as out of memory has it.
pub fn kill(running: &Running) {
    signal("KILL", running);
}

fn signal(name: &str, running: &Running) {
    let id = running.id().to_string();
    let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &id]).status();
    assert!(sent.expect("sh can be started").success(), "the process has ended before it got the signal");
}
