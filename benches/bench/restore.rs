//! Restores beside bare creates of the same bodies, each into a new cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ark::archive::{IndexItem, IndexLine, IndexedResource};
use bytes::Bytes;
use futures::TryStreamExt as _;
use serde_json::Value;

use crate::Outcome;
use crate::backup::{self, Original};
use crate::client::{Client, Creation, WAYS, collection};
use crate::lab::Lab;
use crate::objects;
use crate::program::Program;
use crate::report::{Report, median, say};
use crate::setting::Setting;

/// What must be there before the rest, and the rest.
pub struct Bodies {
    definitions: Arc<[Creation]>,
    namespaces: Arc<[Creation]>,
    rest: Arc<[Creation]>,
}

impl Bodies {
    /// How many objects.
    pub fn count(&self) -> usize {
        self.rest.len() + self.namespaces.len() + self.definitions.len()
    }

    /// The floor: definitions, namespaces, and when the definition is served all the rest, so many
    /// at once.
    pub async fn create(&self, client: &Client, ways: usize) -> Outcome<Duration> {
        let began = Instant::now();
        client.create(&self.definitions, ways).await?;
        client.create(&self.namespaces, ways).await?;
        client.served(objects::WIDGETS).await?;
        client.create(&self.rest, ways).await?;
        Ok(began.elapsed())
    }
}

/// Restores and bare creates in turns; who begins alternates.
pub async fn measure(setting: &Setting, original: &Original, report: &mut Report) -> Outcome<()> {
    let bodies = prepare(original).await?;
    let count = bodies.count();
    say(&format!("{count} objects to create"));
    let mut pairs = Vec::new();
    let mut peaks = Vec::new();
    for round in 0..setting.restores {
        let (floor, ran) = if round % 2 == 0 {
            let floor = create(&bodies).await?;
            (floor, restore(original)?)
        } else {
            let ran = restore(original)?;
            (create(&bodies).await?, ran)
        };
        say(&format!(
            "bare creates {:.1} s, restore {:.1} s, {} MiB",
            floor.as_secs_f64(),
            ran.time.as_secs_f64(),
            ran.peak >> 20
        ));
        peaks.push(ran.peak);
        pairs.push((floor.as_secs_f64(), ran.time.as_secs_f64()));
    }
    let rate = |times: Vec<f64>| count as f64 / median(times);
    let bare = rate(pairs.iter().map(|(floor, _)| *floor).collect());
    let ark = rate(pairs.iter().map(|(_, ark)| *ark).collect());
    report.note(format!("creates a second: {WAYS} bare clients, restore"), format!("{bare:.0}, {ark:.0}"));
    let ratio = median(pairs.iter().map(|(floor, ark)| floor / ark).collect());
    report.at_least(format!("restore of {count} objects, rate beside {WAYS} bare clients"), ratio, 1.0, "");
    let peak = peaks.into_iter().max().unwrap_or_default();
    report.note("restore: peak memory", format!("{} MiB", peak >> 20));
    Ok(())
}

async fn create(bodies: &Bodies) -> Outcome<Duration> {
    let lab = Lab::up("bench-b", false)?;
    bodies.create(&Client::new(&lab.kubeconfig()?).await?, WAYS).await
}

fn restore(original: &Original) -> Outcome<crate::program::Ran> {
    let lab = Lab::up("bench-b", false)?;
    let program = Program::new(&lab, &original.place)?;
    let name = original.name.to_string();
    tokio::task::block_in_place(|| program.run(&["restore", "run", "--from-backup", &name, "-q"]))
}

/// Reads the backup, and takes from it what the load put there, as a restore would send it.
pub async fn prepare(original: &Original) -> Outcome<Bodies> {
    let backup = backup::open(&original.place, &original.name).await?;
    let mut lines = backup.index().await.map_err(text)?;
    let mut items: BTreeMap<u32, Vec<(IndexItem, Target)>> = BTreeMap::new();
    let mut wanted = Vec::new();
    while let Some(line) = lines.try_next().await.map_err(text)? {
        match line {
            IndexLine::Header(_) => {}
            IndexLine::Item(item) => {
                if let Some(target) = target(&item, &original.kinds)? {
                    items.entry(item.frame).or_default().push((item, target));
                }
            }
            IndexLine::Frame(frame) if items.contains_key(&frame.frame) => wanted.push(frame),
            IndexLine::Frame(_) => {}
        }
    }
    let mut sorted: [Vec<Creation>; 3] = Default::default();
    let mut reader = backup.frames(wanted).map_err(text)?;
    while let Some((number, frame)) = reader.next().await.map_err(text)? {
        let frame = frame.map_err(text)?;
        for (item, target) in items.remove(&number).unwrap_or_default() {
            let body = as_created(&frame.item(&item).map_err(text)?)?;
            sorted[target.group].push(Creation { path: target.path, body });
        }
    }
    let [definitions, namespaces, rest] = sorted.map(Into::into);
    Ok(Bodies { definitions, namespaces, rest })
}

/// Which group an item belongs to, and where it is posted.
struct Target {
    group: usize,
    path: String,
}

/// What the cluster makes by itself in every namespace, and what it had before the load, is not
/// created.
fn target(item: &IndexItem, kinds: &[IndexedResource]) -> Outcome<Option<Target>> {
    let key = item.key().map_err(text)?;
    let Some(kind) = kinds.iter().find(|kind| kind.resource == key.resource) else { return Ok(None) };
    let ours = |name: &str| name.starts_with(objects::PREFIX);
    let group = match (&key.namespace, key.resource.as_str()) {
        (None, "customresourcedefinitions.apiextensions.k8s.io") => Some(0),
        (None, "namespaces") if ours(&key.name) => Some(1),
        (Some(namespace), _) if ours(namespace) => {
            (!matches!(&*key.name, "default" | "kube-root-ca.crt")).then_some(2)
        }
        _ => None,
    };
    Ok(group.map(|group| Target { group, path: collection(kind, key.namespace.as_deref()) }))
}

/// Without what a server sets.
fn as_created(body: &[u8]) -> Outcome<Bytes> {
    let mut object: Value = serde_json::from_slice(body).map_err(text)?;
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"] {
                metadata.remove(field);
            }
        }
        if fields.get("kind").and_then(Value::as_str) == Some("Service")
            && let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut)
        {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
    }
    serde_json::to_vec(&object).map(Bytes::from).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
