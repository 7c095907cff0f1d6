//! A location of many backups and restores, synced into an empty cluster by a server, beside a bare
//! client that creates the same objects; then what a pass costs that finds nothing new.

use std::sync::Arc;

use ark::store::{ObjectKey, ObjectStore, PutMode};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::Outcome;
use crate::backup::store;
use crate::client::{Client, Creation};
use crate::lab::{Lab, Place};
use crate::report::{Report, say};
use crate::server::{Counted, Server};
use crate::setting::Setting;
use crate::text;

/// Where the floor creates, and where the server lives.
const FLOOR: &str = "bench-sync-floor";
const HOME: &str = "bench-sync";
const BUCKET: &str = "ark-bench-sync";
/// Puts under way at once, while the bucket is filled.
const WAYS: usize = 32;
/// Creates under way at once, of the bare client.
const CREATES: usize = 16;
/// What a run leaves in the bucket beside its document, as far as a listing is concerned.
const BACKUP_PARTS: [&str; 4] = ["{}.tar.zst", "index.ndjson.zst", "results.json.zst", "logs.ndjson.zst"];
const RESTORE_PARTS: [&str; 2] = ["results.json.zst", "logs.ndjson.zst"];
/// Between two passes of the server.
const PERIOD: &str = "5s";
/// Passes that find nothing new.
const IDLE_PASSES: f64 = 3.0;
const MIB: f64 = (1 << 20) as f64;

/// Fills the bucket and the cluster, twice: by the bare client, and by a server.
pub async fn measure(setting: &Setting, lab: &Lab, report: &mut Report) -> Outcome<()> {
    let (backups, restores) = (setting.backups, setting.backups / 5);
    let number = (backups + restores) as f64;
    let place = lab.bucket(BUCKET)?;
    say(&format!("filling a bucket with {backups} backups and {restores} restores"));
    let keys = fill(&*store(&place).await?, backups, restores).await?;
    let client = Client::new(&lab.kubeconfig()?).await?;
    install(&client).await?;
    client.load(vec![namespace(FLOOR)]).await?;
    settle(&client, lab, &place, HOME, BUCKET).await?;

    let bodies: Arc<[Creation]> = bodies(backups, restores).into();
    let created = client.create(&bodies, CREATES).await?.as_secs_f64();
    let finished = client.finish(&bodies, CREATES, statuses).await?.as_secs_f64();
    let server = Server::start(lab, HOME, &["--restore-only"])?;
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
pub async fn fill(store: &dyn ObjectStore, backups: usize, restores: usize) -> Outcome<usize> {
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

fn at(path: &str, body: &Value) -> Creation {
    Creation { path: path.to_owned(), body: body.to_string().into() }
}

fn namespace(name: &str) -> Creation {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    at("/api/v1/namespaces", &body)
}

/// Ark's kinds.
pub async fn install(client: &Client) -> Outcome<()> {
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
    client.load(definitions.collect()).await?;
    for path in paths {
        client.served(&path).await?;
    }
    Ok(())
}

/// A namespace for a server, with a location and its credentials.
pub async fn settle(client: &Client, lab: &Lab, place: &Place, home: &str, bucket: &str) -> Outcome<()> {
    client.load(vec![namespace(home)]).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bucket"},
        "stringData": {"cloud": std::fs::read_to_string(place.credentials()).map_err(text)?}});
    let config = json!({"region": "us-east-1", "endpoint": lab.fact("S3_ENDPOINT")?, "forcePathStyle": true});
    let location = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "default"},
        "spec": {"provider": "s3", "bucket": bucket, "config": config, "syncPeriod": PERIOD,
            // Its own requests would be counted among those of a pass.
            "validationPeriod": "24h", "credential": {"name": "bucket", "key": "cloud"}}});
    let objects = vec![
        at(&format!("/api/v1/namespaces/{home}/secrets"), &secret),
        at(&format!("/apis/ark.heptio.com/v1/namespaces/{home}/backupstoragelocations"), &location),
    ];
    client.load(objects).await.map(|_| ())
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
