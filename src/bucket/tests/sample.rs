//! A real backup of made-up items: written as a run writes it.

use serde_json::{Value, json};

use super::*;
use crate::archive::{
    IndexEncoder, IndexFrame, IndexHeader, IndexItem, IndexLine, IndexedResource, ItemEntry, Packer, RawFrame,
};
use crate::bucket::{HashingUpload, IndexMetadata, StoredBackup};
use crate::model::{GroupResource, ItemKey};

pub const NAMESPACES: usize = 50;
pub const ITEMS_EACH: usize = 8;

/// Text that does not compress, so that sizes in the tarball are like those of many more items.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[(state % 64) as usize])
    };
    (0..length).map(|_| next()).collect()
}

struct Writing {
    tarball: HashingUpload,
    index: IndexEncoder,
}

impl Writing {
    async fn frame(&mut self, frame: RawFrame) {
        let sealed = frame.compress(1).unwrap();
        self.index.frame(&sealed, self.tarball.position()).unwrap();
        self.tarball.write(sealed.bytes).await.unwrap();
    }
}

/// Fifty namespaces of ConfigMaps, 80 KB each.
pub async fn write(bucket: &Bucket, name: &str, version: Option<&str>) -> StoredBackup {
    let items = (0..NAMESPACES * ITEMS_EACH).map(|number| {
        let (namespace, item) = (number / ITEMS_EACH, number % ITEMS_EACH);
        let (namespace, item_name) = (format!("ns-{namespace:02}"), format!("item:{item}.x"));
        let uid = format!("{namespace}-{item}");
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": item_name, "namespace": namespace, "uid": uid, "resourceVersion": "7"},
            "data": {"noise": noise((namespace.len() * 7919 + item) as u64 + xxh(&uid), 10_000)},
        });
        ("configmaps", body)
    });
    write_items(bucket, name, version, items).await
}

/// Makes a backup of these items, each with its kind and body; items of a kind are neighbours.
pub async fn write_items(
    bucket: &Bucket,
    name: &str,
    version: Option<&str>,
    items: impl IntoIterator<Item = (&'static str, Value)>,
) -> StoredBackup {
    write_backup(bucket, &document(name, Vec::new()), version, items).await
}

/// Makes the backup with this document, which gets its parts.
pub async fn write_backup(
    bucket: &Bucket,
    document: &Backup,
    version: Option<&str>,
    items: impl IntoIterator<Item = (&'static str, Value)>,
) -> StoredBackup {
    let parsed: BackupName = document.metadata.name.as_deref().unwrap().parse().unwrap();
    let attempt = bucket.claim_backup(&parsed, &claim("run")).await.unwrap();
    let mut writing = Writing {
        tarball: attempt.upload(Part::Tarball).await.unwrap(),
        index: IndexEncoder::new(&header()).unwrap(),
    };
    let mut packer = Packer::new(0);
    if let Some(version) = version {
        packer.metadata("metadata/version", version.as_bytes()).unwrap();
        let mut at_cut = document.clone();
        at_cut.status.as_mut().unwrap().phase = Some(BackupPhase::InProgress);
        packer.metadata("metadata/backup.json", &serde_json::to_vec(&at_cut).unwrap()).unwrap();
    }
    for (kind, body) in items {
        if let Some(frame) = push(&mut packer, &GroupResource::parse(kind), &body) {
            writing.frame(frame).await;
        }
    }
    for frame in packer.finish() {
        writing.frame(frame).await;
    }
    let Writing { tarball, index } = writing;
    let objects = vec![
        tarball.finish().await.unwrap(),
        attempt.put(Part::Index, index.finish().unwrap()).await.unwrap(),
        attempt.put(Part::Results, documents::encode_compressed(&Results::default()).unwrap()).await.unwrap(),
    ];
    let mut document = document.clone();
    document.status.as_mut().unwrap().objects = objects;
    attempt.commit(&document).await.unwrap();
    bucket.open_backup(&parsed).await.unwrap()
}

fn push(packer: &mut Packer, kind: &GroupResource, body: &Value) -> Option<RawFrame> {
    let text = body.to_string();
    let metadata = |field: &str| body["metadata"][field].as_str();
    let owners = body["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let controller =
        owners.filter(|owner| owner["controller"] == true).find_map(|owner| owner["uid"].as_str());
    let labels = &body["metadata"]["labels"];
    let labels = labels.is_object().then(|| labels.to_string());
    let entry = ItemEntry {
        kind,
        namespace: metadata("namespace"),
        name: metadata("name").unwrap(),
        body: &[text.as_bytes()],
        uid: metadata("uid").unwrap(),
        resource_version: metadata("resourceVersion").unwrap_or_default(),
        hash: xxh(&text),
        labels: labels.as_deref(),
        owner: controller,
        rollout: None,
    };
    packer.push(&entry).unwrap()
}

/// The header of the index.
pub fn header() -> IndexHeader {
    let (format, revision, cluster) = ("2".into(), Some("42".into()), "cluster-a".into());
    IndexHeader { format, revision, cluster, kinds: vec![] }
}

/// The index of a backup that holds nothing.
pub fn empty_index() -> Bytes {
    let mut index = IndexEncoder::new(&header()).unwrap();
    let end = Packer::new(0).finish().remove(0).compress(1).unwrap();
    index.frame(&end, 0).unwrap();
    index.finish().unwrap()
}

fn xxh(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// Returns the index metadata of an item, from its body.
pub fn describe(_: &ItemKey, body: &[u8], _: Option<&IndexedResource>) -> Result<IndexMetadata, String> {
    let object: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (uid, resource_version) = (text("uid"), text("resourceVersion"));
    let hash = xxhash_rust::xxh3::xxh3_64(body);
    Ok(IndexMetadata { uid, resource_version, hash, ..IndexMetadata::default() })
}

/// Decodes an index into its lines.
pub async fn index(backup: &StoredBackup) -> (Vec<IndexItem>, Vec<IndexFrame>) {
    let lines: Vec<IndexLine> = backup.index().await.unwrap().try_collect().await.unwrap();
    let (mut items, mut frames) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            IndexLine::Header(header) => assert_eq!(header.cluster, "cluster-a"),
            IndexLine::Item(item) => items.push(item),
            IndexLine::Frame(frame) => frames.push(frame),
        }
    }
    (items, frames)
}
