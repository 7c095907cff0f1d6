//! The archive and what it needs, compiled by themselves from the project's own files, and samples
//! to begin from.
//!
//! Only these modules: instrumenting the whole program would take minutes and find nothing more.

#[path = "../../src/archive/mod.rs"]
pub mod archive;
#[path = "../../src/model/mod.rs"]
pub mod model;

use archive::{FORMAT, IndexEncoder, IndexFrame, IndexHeader, ItemEntry, Packer};
use model::GroupResource;

/// A small archive: its tarball, its index, and its frames' lines.
pub struct Sample {
    /// Compressed.
    pub tarball: Vec<u8>,
    /// Compressed.
    pub index: Vec<u8>,
    /// Where each frame lies.
    pub frames: Vec<IndexFrame>,
}

/// An archive with a short and a long path, labels, owner and rollout.
pub fn sample() -> Sample {
    let header = IndexHeader {
        format: FORMAT.into(),
        revision: Some("1".into()),
        cluster: "c".into(),
        kinds: Vec::new(),
    };
    let mut packer = Packer::new(1);
    packer.metadata("metadata/version", b"2.0.0\n").expect("the format has it");
    let (roles, sets) = (
        GroupResource::new("clusterroles", "rbac.authorization.k8s.io"),
        GroupResource::new("replicasets", "apps"),
    );
    let long = "system:long.".repeat(20);
    let role = ItemEntry {
        kind: &roles,
        namespace: None,
        name: &long,
        body: &[br#"{"metadata":{"name":"x"}}"#],
        uid: "u",
        resource_version: "2",
        hash: 3,
        labels: Some(r#"{"a":"b"}"#),
        owner: None,
        rollout: None,
    };
    let set = ItemEntry {
        kind: &sets,
        namespace: Some("n"),
        name: "s",
        owner: Some("o"),
        rollout: Some(4),
        ..role
    };
    let mut raw = Vec::new();
    for item in [role, set] {
        raw.extend(packer.push(&item).expect("the format takes it"));
    }
    raw.extend(packer.finish());
    let mut encoder = IndexEncoder::new(&header).expect("there is memory");
    let mut sample = Sample { tarball: Vec::new(), index: Vec::new(), frames: Vec::new() };
    for frame in raw {
        let sealed = frame.compress(3).expect("there is memory");
        let at = sample.tarball.len() as u64;
        encoder.frame(&sealed, at).expect("there is memory");
        sample.frames.push(sealed.index(at));
        sample.tarball.extend_from_slice(&sealed.bytes);
    }
    sample.index = encoder.finish().expect("there is memory").to_vec();
    sample
}

/// What the bytes of the fuzzer stand for; the first one tells: themselves, the content of a
/// compressed stream, or changes (two bytes of place, one of value) of a whole stream or of its
/// content.
pub fn input(data: &[u8], whole: &[u8]) -> Option<Vec<u8>> {
    let (how, data) = data.split_first()?;
    let compress = |content: &[u8]| zstd::bulk::compress(content, 1).ok();
    match how % 4 {
        0 => Some(data.to_vec()),
        1 => compress(data),
        2 => Some(changed(whole.to_vec(), data)),
        _ => compress(&changed(zstd::stream::decode_all(whole).ok()?, data)),
    }
}

fn changed(mut bytes: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[place] = change[2];
    }
    bytes
}
