//! Properties of the archive as a whole: what is written can be read, what is damaged or hostile
//! is refused.

mod arbitrary;
mod damage;
mod documentation;
mod hostile;
mod programs;
mod round_trip;

use super::*;
use crate::model::{GroupResource, ItemKey, LabelSet};

/// An item that owns what [`ItemEntry`] borrows.
#[derive(Clone, Debug)]
pub struct Sample {
    key: ItemKey,
    body: Vec<u8>,
    uid: String,
    revision: String,
    hash: u64,
    labels: LabelSet,
    owner: Option<String>,
    rollout: Option<u64>,
}

impl Sample {
    fn new(kind: &str, namespace: Option<&str>, name: &str, filling: usize) -> Self {
        let key = ItemKey {
            resource: GroupResource::parse(kind),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let metadata = serde_json::json!({"name": key.name, "namespace": key.namespace});
        let body = serde_json::json!({"metadata": metadata, "data": "x".repeat(filling)});
        Self {
            body: serde_json::to_vec(&body).unwrap(),
            uid: format!("uid of {key}"),
            revision: filling.to_string(),
            hash: u64::MAX - filling as u64,
            labels: LabelSet::new(),
            owner: None,
            rollout: None,
            key,
        }
    }

    fn push(&self, packer: &mut Packer) -> Option<RawFrame> {
        let labels = serde_json::to_string(&self.labels).unwrap();
        let (first, second) = self.body.split_at(self.body.len() / 3);
        let entry = ItemEntry {
            kind: &self.key.resource,
            namespace: self.key.namespace.as_deref(),
            name: &self.key.name,
            body: &[first, second],
            uid: &self.uid,
            resource_version: &self.revision,
            hash: self.hash,
            labels: Some(&labels),
            owner: self.owner.as_deref(),
            rollout: self.rollout,
        };
        packer.push(&entry).unwrap()
    }
}

/// A whole archive as it would stand in a bucket.
pub struct Archive {
    tarball: Vec<u8>,
    index: Vec<u8>,
    frames: Vec<IndexFrame>,
}

fn header() -> IndexHeader {
    IndexHeader {
        format: FORMAT.to_owned(),
        revision: Some("4711".to_owned()),
        cluster: "0b9a".to_owned(),
        kinds: vec![IndexedResource {
            resource: GroupResource::parse("deployments.apps"),
            version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            singular: "deployment".to_owned(),
            short_names: vec!["deploy".to_owned()],
            namespaced: true,
            status_is_data: false,
        }],
    }
}

fn pack(samples: &[Sample]) -> Archive {
    let mut packer = Packer::new(1_700_000_000);
    packer.metadata("metadata/version", b"2.0.0\n").unwrap();
    packer.metadata("metadata/backup.json", b"{}").unwrap();
    let mut raw: Vec<RawFrame> = samples.iter().filter_map(|sample| sample.push(&mut packer)).collect();
    raw.extend(packer.finish());
    let mut encoder = IndexEncoder::new(&header()).unwrap();
    let mut archive = Archive { tarball: Vec::new(), index: Vec::new(), frames: Vec::new() };
    for frame in raw {
        let sealed = frame.compress(3).unwrap();
        let at = archive.tarball.len() as u64;
        encoder.frame(&sealed, at).unwrap();
        archive.frames.push(sealed.index(at));
        archive.tarball.extend_from_slice(&sealed.bytes);
        archive.index.extend_from_slice(&encoder.take());
    }
    archive.index.extend_from_slice(&encoder.finish().unwrap());
    archive
}

fn read_index(bytes: &[u8], chunk: usize) -> Result<Vec<IndexLine>, ArchiveError> {
    let mut decoder = IndexDecoder::new()?;
    let mut lines = Vec::new();
    for chunk in bytes.chunks(chunk) {
        lines.extend(decoder.feed(chunk)?);
    }
    decoder.finish().map(|()| lines)
}

fn read_tarball(bytes: &[u8]) -> Result<Vec<TarballEntry>, ArchiveError> {
    let mut reader = TarballReader::new(bytes)?;
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    Ok(entries)
}

/// Returns the bytes that a frame line names.
fn range<'a>(tarball: &'a [u8], line: &IndexFrame) -> &'a [u8] {
    let begin = usize::try_from(line.at).unwrap();
    &tarball[begin..begin + usize::try_from(line.len).unwrap()]
}

/// Returns a small archive with everything in it.
fn small() -> Archive {
    let mut deployment = Sample::new("deployments.apps", Some("shop"), "web", 40);
    deployment.labels.insert("app".to_owned(), "wëb \"1\"".to_owned());
    deployment.owner = Some("owner".to_owned());
    deployment.rollout = Some(7);
    pack(&[
        Sample::new("namespaces", None, "shop", 3),
        Sample::new("clusterroles.rbac.authorization.k8s.io", None, "system:controller:x", 9),
        Sample::new("clusterroles.rbac.authorization.k8s.io", None, &"long.".repeat(60), 9),
        deployment,
    ])
}
