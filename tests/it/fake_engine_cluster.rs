//! The cluster that the engine's tests back up: an API server on the loopback device with three
//! kinds, pods and PersistentVolumeClaims once a test puts some there, a few objects, and answers
//! that a test may forbid. Pods that are created run at once. It knows nothing of Ark's own kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake_exec;
use crate::support::ark;

const REVISION: &str = "1000";

/// What a command does comes within milliseconds; a slow machine gets more.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// What the server knows.
#[derive(Default)]
struct Content {
    objects: BTreeMap<&'static str, Vec<Value>>,
    forbidden: BTreeSet<&'static str>,
    /// Kinds whose revisions are others' than the cluster's, as those of an aggregated API are.
    elsewhere: BTreeSet<&'static str>,
    /// Paths and queries of the requests so far.
    asked: Vec<String>,
    /// Requests whose path and query have this part are not answered yet.
    held: Option<&'static str>,
}

/// The server; it answers as long as the test's process lives.
pub struct FakeEngineCluster {
    address: SocketAddr,
    folder: TempDir,
    content: Arc<Mutex<Content>>,
}

impl FakeEngineCluster {
    /// A cluster with the namespaces `default`, `kube-system` and `shop`, two settings and a
    /// secret in the latter.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let content = Arc::<Mutex<Content>>::default();
        let shared = Arc::clone(&content);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = Arc::clone(&shared);
                spawn(move || serve(stream, &content));
            }
        });
        let server = Self { address, folder: tempfile::tempdir().expect("a folder"), content };
        for name in ["default", "kube-system", "shop"] {
            server.put(
                "namespaces",
                None,
                name,
                json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
            );
        }
        server.put("configmaps", Some("shop"), "settings", json!({"data": {"greeting": "Grüß Gott"}}));
        server.put("configmaps", Some("shop"), "prices", json!({"data": {"apple": "1.20"}}));
        server.put("secrets", Some("shop"), "login", json!({"data": {"password": "c2VjcmV0"}}));
        server
    }

    /// Adds or replaces an object; of its metadata, labels and annotations may be given.
    pub fn put(&self, plural: &'static str, namespace: Option<&str>, name: &str, fields: Value) {
        let mut object = fields;
        let mut metadata = json!({
            "name": name, "uid": format!("00000000-0000-0000-0000-{:0>12}", name.len()), "resourceVersion": "7",
            "labels": {"app": name},
        });
        for (field, value) in object["metadata"].as_object().into_iter().flatten() {
            metadata[field] = value.clone();
        }
        object["metadata"] = metadata;
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = namespace.into();
        }
        self.remove(plural, name);
        self.content.lock().expect("no test panics here").objects.entry(plural).or_default().push(object);
    }

    /// Removes an object.
    pub fn remove(&self, plural: &'static str, name: &str) {
        let mut content = self.content.lock().expect("no test panics here");
        content.objects.entry(plural).or_default().retain(|object| object["metadata"]["name"] != name);
    }

    /// From now on, a list gives this object a second time, as a server does that pages
    /// carelessly, with these fields changed.
    pub fn repeat(&self, plural: &'static str, name: &str, changed: Value) {
        let mut content = self.content.lock().expect("no test panics here");
        let objects = content.objects.entry(plural).or_default();
        let first = objects.iter().find(|object| object["metadata"]["name"] == name);
        let mut again = first.expect("it is there").clone();
        for (field, value) in changed.as_object().into_iter().flatten() {
            again[field] = value.clone();
        }
        objects.push(again);
    }

    /// From now on, this kind may not be listed.
    pub fn forbid(&self, plural: &'static str) {
        self.content.lock().expect("no test panics here").forbidden.insert(plural);
    }

    /// From now on, this kind is kept elsewhere and knows nothing of the cluster's revisions.
    pub fn keep_elsewhere(&self, plural: &'static str) {
        self.content.lock().expect("no test panics here").elsewhere.insert(plural);
    }

    /// From now on, requests whose path and query have this part wait for [`Self::go_on`].
    pub fn hold(&self, part: &'static str) {
        self.content.lock().expect("no test panics here").held = Some(part);
    }

    /// Answers what waits.
    pub fn go_on(&self) {
        self.content.lock().expect("no test panics here").held = None;
    }

    /// Paths and queries of the requests so far, in their order.
    pub fn asked(&self) -> Vec<String> {
        self.content.lock().expect("no test panics here").asked.clone()
    }

    /// Waits until a path and query with all of these parts has been asked for.
    pub fn await_asked(&self, parts: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while !self.asked().iter().any(|asked| parts.iter().all(|part| asked.contains(part))) {
            assert!(Instant::now() < deadline, "nobody asked for {parts:?} within {PATIENCE:?}");
            sleep(PAUSE);
        }
    }

    /// The command `ark ARGUMENTS…` with this cluster as its own.
    pub fn ark<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = ark(arguments);
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// The file with a kubeconfig that leads here.
    pub fn kubeconfig(&self) -> PathBuf {
        let path = self.folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig(self.address)).expect("a kubeconfig can be written");
        path
    }
}

/// A kubeconfig whose current context `here` leads to an address without TLS.
pub fn kubeconfig(address: SocketAddr) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    })
    .to_string()
}

/// An address at which nobody listens: no program is given a port below 1024 that it did not ask
/// for, so that no test that runs beside takes it meanwhile.
pub fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

/// Answers the requests of one connection, one after the other.
fn serve(mut stream: TcpStream, content: &Mutex<Content>) {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(size @ 1..) = stream.read(&mut chunk) {
        received.extend_from_slice(&chunk[..size]);
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let sent = received.split_off(end + 4);
        received.clear();
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        content.lock().expect("no test panics here").asked.push(target.to_owned());
        while content.lock().expect("no test panics here").held.is_some_and(|part| target.contains(part)) {
            sleep(PAUSE);
        }
        if target.contains("/exec?") {
            return fake_exec::serve(stream, &head, target);
        }
        let (code, body) = match method {
            "POST" => create(target, &rest_of_body(&mut stream, &head, sent), content),
            _ => answer(target, &content.lock().expect("no test panics here")),
        };
        let body = body.to_string();
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {code} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads the body of a request to its end; `sent` came with its head.
fn rest_of_body(stream: &mut TcpStream, head: &str, mut sent: Vec<u8>) -> Value {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut rest = vec![0; length.expect("a body has a length").saturating_sub(sent.len())];
    stream.read_exact(&mut rest).expect("the body comes");
    sent.extend(rest);
    serde_json::from_slice(&sent).expect("a body is JSON")
}

/// Creates an object; the containers of a pod run at once.
fn create(target: &str, object: &Value, content: &Mutex<Content>) -> (u16, Value) {
    let path = target.split('?').next().unwrap_or_default();
    let plural = path.rsplit('/').next().unwrap_or_default();
    let mut object = object.clone();
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut content = content.lock().expect("no test panics here");
    if get(&content, plural, &name).0 == 200 {
        return status(409, "AlreadyExists", &format!("{plural} \"{name}\" already exists"));
    }
    let Some((_, objects)) = content.objects.iter_mut().find(|(kind, _)| **kind == plural) else {
        return status(404, "NotFound", "the server could not find the requested resource");
    };
    object["metadata"]["uid"] = "00000000-0000-0000-0000-00000000beef".into();
    object["metadata"]["resourceVersion"] = "8".into();
    if plural == "pods" {
        let containers = object["spec"]["containers"].as_array().into_iter().flatten();
        let running = containers.map(|each| json!({"name": each["name"], "state": {"running": {}}}));
        let running: Vec<Value> = running.collect();
        object["status"] = json!({"phase": "Running", "containerStatuses": running});
    }
    objects.push(object.clone());
    (201, object)
}

fn answer(target: &str, content: &Content) -> (u16, Value) {
    let path = target.split('?').next().unwrap_or_default();
    match path {
        "/version" => return (200, json!({"gitVersion": "v1.35.4"})),
        "/api" => return (200, json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => return (200, json!({"kind": "APIGroupList", "groups": []})),
        "/api/v1" => return (200, resources(content)),
        _ => {}
    }
    if let Some(name) = path.strip_prefix("/apis/ark.heptio.com/v1/namespaces/heptio-ark/schedules/") {
        return get(content, "schedules", name);
    }
    let parts: Vec<&str> = path.trim_start_matches("/api/v1/").split('/').collect();
    match *parts {
        ["namespaces", name] => get(content, "namespaces", name),
        ["namespaces", _, plural, name] => get(content, plural, name),
        ["namespaces", namespace, plural] => list(content, plural, Some(namespace), wanted_name(target)),
        [plural] => list(content, plural, None, None),
        _ => status(404, "NotFound", "the server could not find the requested resource"),
    }
}

fn resources(content: &Content) -> Value {
    let resource = |name: &str, kind: &str, short: &str, namespaced: bool| {
        json!({
            "name": name, "singularName": kind.to_lowercase(), "kind": kind, "namespaced": namespaced,
            "shortNames": [short],
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        })
    };
    let mut resources = vec![
        resource("namespaces", "Namespace", "ns", false),
        resource("configmaps", "ConfigMap", "cm", true),
        resource("secrets", "Secret", "sec", true),
    ];
    for (name, kind, short) in
        [("persistentvolumeclaims", "PersistentVolumeClaim", "pvc"), ("pods", "Pod", "po")]
    {
        if content.objects.contains_key(name) {
            resources.push(resource(name, kind, short, true));
        }
    }
    json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": resources})
}

fn get(content: &Content, plural: &str, name: &str) -> (u16, Value) {
    let objects = content.objects.get(plural).map(Vec::as_slice).unwrap_or_default();
    match objects.iter().find(|object| object["metadata"]["name"] == name) {
        Some(object) => (200, object.clone()),
        None => status(404, "NotFound", &format!("{plural} \"{name}\" not found")),
    }
}

/// The one name that a field selector asks for.
fn wanted_name(target: &str) -> Option<&str> {
    let (_, selector) = target.split_once("fieldSelector=metadata.name%3D")?;
    selector.split('&').next()
}

fn list(content: &Content, plural: &str, namespace: Option<&str>, name: Option<&str>) -> (u16, Value) {
    if content.forbidden.contains(plural) {
        let message = format!("{plural} is forbidden: User \"me\" cannot list resource \"{plural}\"");
        return status(403, "Forbidden", &message);
    }
    let objects = content.objects.get(plural).map(Vec::as_slice).unwrap_or_default();
    let inside = |object: &&Value| {
        let metadata = &object["metadata"];
        namespace.is_none_or(|namespace| metadata["namespace"] == namespace)
            && name.is_none_or(|name| metadata["name"] == name)
    };
    let revision = if content.elsewhere.contains(plural) { "5" } else { REVISION };
    let items: Vec<&Value> = objects.iter().filter(inside).collect();
    (
        200,
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": revision}, "items": items}),
    )
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}))
}
