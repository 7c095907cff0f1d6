//! A fake cluster with Ark's kinds, and a fake server in it that does what a test laid down.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::spawn;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake_wire::{forbidden, merge, missing, sealed, selected, serve, status, taken};
use crate::support::ark;

/// The credentials of the cluster, which must not go anywhere else.
const TOKEN: &str = "only-for-the-cluster";

/// What the server knows.
#[derive(Default)]
struct Content {
    objects: BTreeMap<String, Value>,
    /// What becomes of new objects of a kind: one status after the other, at each look.
    scripts: BTreeMap<&'static str, Vec<Value>>,
    /// What becomes of only the next object of a kind.
    next: BTreeMap<&'static str, Vec<Value>>,
    /// What is still to become of an object.
    pending: BTreeMap<String, Vec<Value>>,
    /// What a DownloadRequest leads to, by its kind.
    parts: BTreeMap<String, Vec<u8>>,
    /// Whether downloads go through the API server, as those of a folder do.
    proxied: bool,
    /// Whether the server's pod is gone.
    without_pod: bool,
    /// Where the bucket is said to be; at the cluster's own address when it is not said.
    bucket: Option<String>,
    /// Verbs and kinds that are forbidden.
    forbidden: BTreeSet<(&'static str, &'static str)>,
    installed: bool,
    version: u64,
    /// How often each kind was listed, and each object read.
    lists: BTreeMap<String, u64>,
    /// Requests with the cluster's credentials that went to the bucket.
    leaked: u64,
}

/// The server; it answers as long as the test's process lives.
pub struct FakeCluster {
    address: SocketAddr,
    folder: TempDir,
    content: Arc<Mutex<Content>>,
}

impl FakeCluster {
    /// A cluster with the namespace `heptio-ark`, Ark's kinds, and a server that holds its Lease.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let content = Arc::new(Mutex::new(Content { installed: true, ..Content::default() }));
        let shared = Arc::clone(&content);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = Arc::clone(&shared);
                let answer = move |head: &str, body: &[u8]| {
                    content.lock().expect("no test panics here").answer(head, body, address)
                };
                spawn(move || serve(stream, answer));
            }
        });
        let cluster = Self { address, folder: tempfile::tempdir().expect("a folder"), content };
        cluster.set(
            "/api/v1/namespaces/heptio-ark",
            json!({"kind": "Namespace", "metadata": {"name": "heptio-ark"}}),
        );
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        cluster.lease("ark-0", &now);
        cluster
    }

    /// The command `ark ARGUMENTS…` with this cluster as its own.
    pub fn ark(&self, arguments: &[&str]) -> Command {
        self.ark_at(&json!({"server": format!("http://{}", self.address)}), arguments)
    }

    /// The same with another way to the cluster: the `cluster` of a kubeconfig.
    pub fn ark_at(&self, cluster: &Value, arguments: &[&str]) -> Command {
        let path = self.folder.path().join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "me", "user": {"token": TOKEN}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        });
        std::fs::write(&path, config.to_string()).expect("a kubeconfig can be written");
        let mut command = ark(arguments);
        command.env("KUBECONFIG", path);
        command
    }

    /// Puts an object of ours there.
    pub fn put(&self, plural: &str, name: &str, mut object: Value) {
        let kind = match plural {
            "backups" => "Backup",
            "restores" => "Restore",
            "schedules" => "Schedule",
            _ => "BackupStorageLocation",
        };
        object["apiVersion"] = "ark.heptio.com/v1".into();
        object["kind"] = kind.into();
        object["metadata"]["name"] = name.into();
        object["metadata"]["namespace"] = "heptio-ark".into();
        object["metadata"]["creationTimestamp"] = "2026-11-21T03:00:00Z".into();
        self.set(&path(plural, name), object);
    }

    /// Reads an object of ours.
    pub fn read(&self, plural: &str, name: &str) -> Option<Value> {
        self.content().objects.get(&path(plural, name)).cloned()
    }

    /// How often a kind has been listed, or an object of it (`kind/name`) been read.
    pub fn lists(&self, plural: &str) -> u64 {
        self.content().lists.get(plural).copied().unwrap_or_default()
    }

    /// Removes an object of ours.
    pub fn remove(&self, plural: &str, name: &str) {
        self.content().objects.remove(&path(plural, name));
    }

    /// All objects of a kind.
    pub fn all(&self, plural: &str) -> Vec<Value> {
        let content = self.content();
        let below = path(plural, "");
        content
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// What becomes of the next objects of a kind.
    pub fn script(&self, plural: &'static str, statuses: &[Value]) {
        self.content().scripts.insert(plural, statuses.to_vec());
    }

    /// What becomes of the next object of a kind, and of no later one.
    pub fn script_next(&self, plural: &'static str, statuses: &[Value]) {
        self.content().next.insert(plural, statuses.to_vec());
    }

    /// What a kind of DownloadRequest leads to.
    pub fn serve_part(&self, kind: &str, bytes: Vec<u8>) {
        self.content().parts.insert(kind.to_owned(), bytes);
    }

    /// Downloads go through the API server from now on.
    pub fn proxy_downloads(&self) {
        self.content().proxied = true;
    }

    /// The server's pod is gone from now on.
    pub fn lose_pod(&self) {
        self.content().without_pod = true;
    }

    /// Addresses in the bucket begin so from now on.
    pub fn move_bucket(&self, address: &str) {
        self.content().bucket = Some(address.to_owned());
    }

    /// Where the cluster answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's Lease.
    pub fn lease(&self, holder: &str, renewed: &str) {
        let spec = json!({"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 30});
        self.set(LEASE, json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "ark-server"}, "spec": spec}));
    }

    /// No server ever ran.
    pub fn no_lease(&self) {
        self.content().objects.remove(LEASE);
    }

    /// The cluster does not know Ark's kinds.
    pub fn uninstall(&self) {
        self.content().installed = false;
    }

    /// The namespace is not there.
    pub fn no_namespace(&self) {
        self.content().objects.remove("/api/v1/namespaces/heptio-ark");
    }

    /// From now on a verb on a kind is forbidden.
    pub fn forbid(&self, verb: &'static str, plural: &'static str) {
        self.content().forbidden.insert((verb, plural));
    }

    /// How often the bucket was shown the cluster's credentials.
    pub fn leaked(&self) -> u64 {
        self.content().leaked
    }

    fn set(&self, path: &str, object: Value) {
        self.content().objects.insert(path.to_owned(), object);
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no test panics here")
    }
}

const OURS: &str = "/apis/ark.heptio.com/v1/namespaces/heptio-ark/";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/heptio-ark/leases/ark-server";

fn path(plural: &str, name: &str) -> String {
    format!("{OURS}{plural}/{name}")
}

impl Content {
    fn answer(&mut self, head: &str, body: &[u8], address: SocketAddr) -> (u16, Vec<u8>) {
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        if let Some(kind) = path.strip_prefix("/bucket/") {
            self.leaked += u64::from(head.contains(TOKEN));
            return self.part(kind);
        }
        if let Some((_, kind)) = path.split_once("/proxy/download/") {
            if self.without_pod {
                let (code, answer) = self.get("", "pods", "ark-0");
                return (code, answer.to_string().into_bytes());
            }
            return if head.contains(TOKEN) { self.part(kind) } else { (401, Vec::new()) };
        }
        let (code, answer) = match path.strip_prefix(OURS) {
            Some(_) if !self.installed => {
                status(404, "NotFound", "the server could not find the requested resource", None)
            }
            Some(rest) => {
                let (plural, name) = rest.split_once('/').unwrap_or((rest, ""));
                self.ours(method, plural, name, target, body, address)
            }
            None => self.get(path, "namespaces", path.rsplit('/').next().unwrap_or_default()),
        };
        (code, answer.to_string().into_bytes())
    }

    fn part(&self, kind: &str) -> (u16, Vec<u8>) {
        match self.parts.get(kind) {
            Some(bytes) => (200, bytes.clone()),
            None => (404, b"<Error><Message>there is no such key</Message></Error>".to_vec()),
        }
    }

    fn ours(
        &mut self,
        method: &str,
        plural: &str,
        name: &str,
        target: &str,
        body: &[u8],
        address: SocketAddr,
    ) -> (u16, Value) {
        let verb = match (method, name) {
            ("GET", "") => "list",
            ("GET", _) => "get",
            ("POST", _) => "create",
            ("PATCH", _) => "patch",
            _ => "delete",
        };
        if self.forbidden.iter().any(|(forbidden, kind)| *forbidden == verb && *kind == plural) {
            return forbidden(verb, plural);
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match verb {
            "list" => {
                *self.lists.entry(plural.to_owned()).or_default() += 1;
                self.list(plural, target)
            }
            "create" => self.create(plural, body, address),
            "get" => {
                *self.lists.entry(format!("{plural}/{name}")).or_default() += 1;
                self.advance(&path(plural, name));
                self.get(&path(plural, name), plural, name)
            }
            "patch" => {
                if let Some(object) = self.objects.get_mut(&path(plural, name)) {
                    merge(object, &body);
                }
                self.get(&path(plural, name), plural, name)
            }
            _ => {
                let answer = self.get(&path(plural, name), plural, name);
                self.objects.remove(&path(plural, name));
                answer
            }
        }
    }

    fn get(&self, path: &str, plural: &str, name: &str) -> (u16, Value) {
        match self.objects.get(path) {
            Some(object) => (200, object.clone()),
            None => missing(plural, name),
        }
    }

    fn list(&self, plural: &str, target: &str) -> (u16, Value) {
        let below = path(plural, "");
        let selector = selected(target);
        let fits = |object: &&Value| {
            selector.as_ref().is_none_or(|(key, value)| object["metadata"]["labels"][key] == value.as_str())
        };
        let found =
            self.objects.iter().filter(|(path, _)| path.starts_with(&below)).map(|(_, object)| object);
        let items: Vec<&Value> = found.filter(fits).collect();
        let metadata = json!({"resourceVersion": "1"});
        (200, json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}))
    }

    fn create(&mut self, plural: &str, mut object: Value, address: SocketAddr) -> (u16, Value) {
        if !self.objects.contains_key("/api/v1/namespaces/heptio-ark") {
            return missing("namespaces", "heptio-ark");
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let path = path(plural, &name);
        if self.objects.contains_key(&path) {
            return taken(plural, &name);
        }
        object["metadata"]["creationTimestamp"] = "2026-11-21T03:00:00Z".into();
        self.objects.insert(path.clone(), object.clone());
        let script = self.next.remove(plural).or_else(|| self.scripts.get(plural).cloned());
        let mut script = script.unwrap_or_default();
        if plural == "downloadrequests" && script.is_empty() {
            script = vec![self.download(&object, address)];
        }
        self.pending.insert(path.clone(), script);
        self.advance_version(&path);
        (201, self.objects[&path].clone())
    }

    fn download(&self, request: &Value, address: SocketAddr) -> Value {
        let kind = request["spec"]["target"]["kind"].as_str().unwrap_or_default();
        let url = if self.proxied || request["spec"]["throughServer"] == true {
            format!("/api/v1/namespaces/heptio-ark/pods/http:ark-0:8085/proxy/download/{kind}")
        } else {
            let bucket = self.bucket.clone().unwrap_or_else(|| format!("http://{address}"));
            format!("{bucket}/bucket/{kind}?signature=secret")
        };
        json!({"phase": "Processed", "url": url})
    }

    /// Takes the next status. A deletion without errors removes its backup, finalizers permitting.
    fn advance(&mut self, path: &str) {
        let Some(script) = self.pending.get_mut(path).filter(|script| !script.is_empty()) else { return };
        let status = script.remove(0);
        let Some(object) = self.objects.get_mut(path) else { return };
        object["status"] = sealed(status, object);
        let done = object["status"]["phase"] == "Processed" && object["status"]["errors"].is_null();
        let backup = object["spec"]["backupName"].as_str().map(str::to_owned);
        self.advance_version(path);
        if let (true, Some(backup)) = (done, backup) {
            let path = self::path("backups", &backup);
            match self.objects.get_mut(&path).filter(|backup| backup["metadata"]["finalizers"].is_array()) {
                Some(held) => held["metadata"]["deletionTimestamp"] = "2026-11-21T03:00:00Z".into(),
                None => _ = self.objects.remove(&path),
            }
        }
    }

    fn advance_version(&mut self, path: &str) {
        self.version += 1;
        if let Some(object) = self.objects.get_mut(path) {
            object["metadata"]["resourceVersion"] = self.version.to_string().into();
        }
    }
}
