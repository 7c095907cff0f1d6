//! A location of many backups and restores, synced into an empty cluster by a server, beside a bare client that creates the
//! same objects; then what a pass costs that finds nothing new.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ark::store::{ObjectKey, PutMode, Store};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::Outcome;
use crate::backup::store;
use crate::client::{Client, Creation};
use crate::lab::{Lab, Place};
use crate::program::memory_field;
use crate::report::{Report, say};
use crate::setting::Setting;

/// Where the floor creates, and where the server lives.
const FLOOR: &str = "bench-sync-floor";
const HOME: &str = "bench-sync";
/// Puts under way at once, while the bucket is filled.
const WAYS: usize = 32;
/// What a run leaves in the bucket beside its document, as far as a listing is concerned.
const BACKUP_PARTS: [&str; 4] = ["{}.tar.zst", "index.ndjson.zst", "results.json.zst", "logs.ndjson.zst"];
const RESTORE_PARTS: [&str; 2] = ["results.json.zst", "logs.ndjson.zst"];
/// Between two passes of the server.
const PERIOD: &str = "5s";
/// Passes that find nothing new.
const IDLE_PASSES: f64 = 3.0;
/// Nothing here takes as long.
const LONGEST: Duration = Duration::from_secs(1200);
const MIB: f64 = (1 << 20) as f64;

/// Fills the bucket and the cluster, twice: by the bare client, and by a server.
pub async fn measure(setting: &Setting, lab: &Lab, report: &mut Report) -> Outcome<()> {
    let (backups, restores) = (setting.backups, setting.backups / 5);
    let number = (backups + restores) as f64;
    let place = lab.bucket("ark-bench-sync")?;
    say(&format!("filling a bucket with {backups} backups and {restores} restores"));
    let keys = fill(&*store(&place).await?, backups, restores).await?;
    let client = Client::new(&lab.kubeconfig()?).await?;
    prepare(&client, lab, &place).await?;

    let created = client.create(Arc::new(bodies(backups, restores)), false).await?.as_secs_f64();
    let finished = client.finish(Arc::new(bodies(backups, restores)), statuses).await?.as_secs_f64();
    let server = Server::start(lab)?;
    let first = server.passes(1.0, "the first pass").await?;
    let synced = first.seconds;
    report.note(
        "sync: bare creates; creates with status; Ark",
        rates(number, [created, created + finished, synced]),
    );
    let floor = created + finished;
    report.at_least("sync, rate beside bare creates with status", floor / synced, 0.5, "");
    report.at_least("sync, rate beside bare creates without", created / synced, 0.5, "");

    let before = server.passes(2.0, "the second pass").await?;
    let after = server.passes(2.0 + IDLE_PASSES, "idle passes").await?;
    let passes = after.passes - before.passes;
    let each = |counted: fn(&Counted) -> f64| (counted(&after) - counted(&before)) / passes;
    report.at_most("sync, idle pass", each(|c| c.seconds), 3.0, " s");
    // Each of the two listings ends with a page that is not full.
    let pages = (keys as f64 / 1000.0).ceil() + 2.0;
    report.at_most(format!("sync, idle pass over {keys} keys: pages listed"), each(|c| c.lists), pages, "");
    report.at_most("sync, idle pass: objects read (identity before and after)", each(|c| c.gets), 2.0, "");
    report.at_most("sync, idle pass: other requests", each(|c| c.others), 0.0, "");
    let (peak, now) = server.memory()?;
    report.at_most("sync, peak memory of the server", peak / MIB, 100.0, " MiB");
    report.note("sync, memory after idle passes", format!("{:.0} MiB", now / MIB));
    Ok(())
}

fn rates(number: f64, seconds: [f64; 3]) -> String {
    seconds.map(|seconds| format!("{:.0}/s", number / seconds)).join(", ")
}

/// Writes everything that the runs consist of; returns the number of keys.
async fn fill(store: &dyn Store, backups: usize, restores: usize) -> Outcome<usize> {
    let backup = |number: usize| {
        let name = backup_name(number);
        let parts =
            BACKUP_PARTS.map(|part| (format!("backups/{name}/{}", part.replace("{}", &name)), "x".into()));
        let document = (format!("backups/{name}/ark-backup.json"), backup(number).to_string());
        parts.into_iter().chain([document])
    };
    let restore = |number: usize| {
        let name = restore_name(number);
        let parts = RESTORE_PARTS.map(|part| (format!("restores/{name}/{part}"), "x".to_owned()));
        let document = (format!("restores/{name}/ark-restore.json"), restore(number).to_string());
        parts.into_iter().chain([document])
    };
    let all = (0..backups).flat_map(backup).chain((0..restores).flat_map(restore));
    let puts = stream::iter(all).map(|(key, body)| async move {
        let key = ObjectKey::new(key).map_err(text)?;
        store.put(&key, Bytes::from(body), PutMode::Overwrite).await.map_err(text)
    });
    puts.buffer_unordered(WAYS).try_fold(0, async |keys, ()| Ok(keys + 1)).await
}

/// Ark's kinds, two namespaces, and in the server's one the location and its credentials.
async fn prepare(client: &Client, lab: &Lab, place: &Place) -> Outcome<()> {
    let at = |path: &str, body: &Value| Creation { path: path.to_owned(), body: body.to_string().into() };
    let definitions = ark::api::crds();
    let paths: Vec<String> = definitions
        .iter()
        .map(|definition| format!("/apis/ark.heptio.com/v1/{}", definition.spec.names.plural))
        .collect();
    let to_value = |definition| serde_json::to_value(definition).map_err(text);
    let definitions = definitions.iter().map(to_value).collect::<Outcome<Vec<_>>>()?;
    let definitions = definitions
        .iter()
        .map(|definition| at("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition));
    client.create(Arc::new(definitions.collect()), true).await?;
    for path in paths {
        client.served(&path).await?;
    }
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let namespaces = [FLOOR, HOME].map(|name| at("/api/v1/namespaces", &namespace(name)));
    client.create(Arc::new(namespaces.into()), true).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bucket"},
        "stringData": {"cloud": std::fs::read_to_string(place.credentials()).map_err(text)?}});
    let config = json!({"region": "us-east-1", "endpoint": lab.fact("S3_ENDPOINT")?, "forcePathStyle": true});
    let location = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "default"},
        "spec": {"provider": "s3", "bucket": "ark-bench-sync", "config": config, "syncPeriod": PERIOD,
            // Its own requests would be counted among those of a pass.
            "validationPeriod": "24h", "credential": {"name": "bucket", "key": "cloud"}}});
    let objects = vec![
        at(&format!("/api/v1/namespaces/{HOME}/secrets"), &secret),
        at(&format!("/apis/ark.heptio.com/v1/namespaces/{HOME}/backupstoragelocations"), &location),
    ];
    client.create(Arc::new(objects), true).await.map(|_| ())
}

fn backup_name(number: usize) -> String {
    format!("nightly-{number:014}")
}

fn restore_name(number: usize) -> String {
    format!("drill-{number:014}")
}

/// The document of a backup, of the size that a run leaves.
fn backup(number: usize) -> Value {
    let name = backup_name(number);
    let objects = BACKUP_PARTS.map(|part| {
        json!({"key": format!("backups/{name}/{}", part.replace("{}", &name)), "size": 123_456, "sha256": "0123456789abcdef".repeat(4)})
    });
    json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Backup",
        "metadata": {"name": name, "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "labels": {"ark.heptio.com/schedule-name": "nightly"}},
        "spec": {"includedNamespaces": ["shop", "billing"], "excludedResources": ["events"], "ttl": "720h", "storageLocation": "default"},
        "status": {"phase": "Completed", "formatVersion": "2.0.0", "attempt": 1, "holder": "ark-0/1",
            "startTimestamp": "2026-01-01T03:00:00Z", "completionTimestamp": "2026-01-01T03:01:00Z",
            "expiration": "2036-01-31T03:00:00Z", "progress": {"totalItems": 10_000, "itemsBackedUp": 10_000, "bytes": 26_000_000},
            "cluster": {"uid": "00000000-0000-4000-8000-000000000000", "version": "v1.35.4"}, "objects": objects},
    })
}

fn restore(number: usize) -> Value {
    json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Restore",
        "metadata": {"name": restore_name(number), "uid": format!("00000000-0000-4000-9000-{number:012}")},
        "spec": {"backupName": backup_name(number), "namespaceMapping": {"shop": "drill"}},
        "status": {"phase": "Completed", "attempt": 1, "created": 9000, "skipped": 1000,
            "startTimestamp": "2026-01-01T03:00:00Z", "completionTimestamp": "2026-01-01T03:01:00Z",
            "progress": {"totalItems": 10_000, "itemsRestored": 10_000}},
    })
}

/// The same objects as a server would create them.
fn bodies(backups: usize, restores: usize) -> Vec<Creation> {
    let creation = |kind: &str, mut object: Value| {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("uid");
        }
        object["metadata"]["labels"]["ark.heptio.com/storage-location"] = json!("default");
        object["metadata"]["annotations"]["ark.heptio.com/synced-from"] =
            json!("00000000-0000-4000-8000-000000000000");
        let path = format!("/apis/ark.heptio.com/v1/namespaces/{FLOOR}/{kind}");
        Creation { path, body: object.to_string().into() }
    };
    let backups = (0..backups).map(|number| creation("backups", backup(number)));
    backups.chain((0..restores).map(|number| creation("restores", restore(number)))).collect()
}

/// What is put into the status of an object that was created: its path, and what is merged into it.
fn statuses(creation: &Creation) -> Outcome<Creation> {
    let object: Value = serde_json::from_slice(&creation.body).map_err(text)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let body = json!({"status": object["status"]}).to_string().into();
    Ok(Creation { path: format!("{}/{name}/status", creation.path), body })
}

/// A server in its namespace; killed when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

/// What it has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    passes: f64,
    seconds: f64,
    gets: f64,
    lists: f64,
    others: f64,
}

impl Server {
    fn start(lab: &Lab) -> Outcome<Self> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(text)?;
        let child = Command::new(env!("CARGO_BIN_EXE_ark"))
            .args(["server", "--namespace", HOME, "--restore-only", "--listen", &address.to_string()])
            .env("KUBECONFIG", lab.kubeconfig()?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Ok(Self { child: child.map_err(text)?, address })
    }

    /// Waits until it has made so many passes, and says what it has counted then.
    async fn passes(&self, passes: f64, what: &str) -> Outcome<Counted> {
        let deadline = Instant::now() + LONGEST;
        while Instant::now() < deadline {
            let counted = self.counted().unwrap_or_default();
            if counted.passes >= passes {
                return Ok(counted);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{what}: not within {} s", LONGEST.as_secs()))
    }

    fn counted(&self) -> Option<Counted> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let mut counted = Counted::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            match name {
                _ if name.starts_with("ark_sync_duration_seconds_count") => counted.passes = value,
                _ if name.starts_with("ark_sync_duration_seconds_sum") => counted.seconds = value,
                _ if !name.starts_with("ark_store_requests_total") => {}
                _ if name.contains("op=\"get\"") => counted.gets += value,
                _ if name.contains("op=\"list\"") => counted.lists += value,
                _ => counted.others += value,
            }
        }
        Some(counted)
    }

    /// Most bytes in memory at once, and bytes now.
    fn memory(&self) -> Outcome<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).map_err(text)?;
        let figure = |field| memory_field(&status, field).map(|bytes| bytes as f64);
        figure("VmHWM:")
            .zip(figure("VmRSS:"))
            .ok_or_else(|| "the kernel does not tell the server's memory".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
