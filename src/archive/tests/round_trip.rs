//! Tests that what is written can be read, by index and frame as well as by reading the whole
//! tarball.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

fn any_sample() -> impl Strategy<Value = Sample> {
    let kind = prop::sample::select(vec!["pods", "deployments.apps", "widgets.a-b.example.com"]);
    let namespace = prop::option::of("[a-z]([-a-z0-9]{0,8}[a-z0-9])?");
    let name = prop_oneof![
        8 => "[a-z0-9]([-a-z0-9.:]{0,20}[a-z0-9])?",
        2 => "[^/]{1,40}",
        1 => "[a-z]{90,300}",
    ];
    let filling =
        prop_oneof![8 => 0_usize..3000, 1 => 60_000_usize..200_000, 1 => 1_000_000_usize..1_300_000];
    let labels = btree_map("\\PC{0,20}", any::<String>(), 0..4);
    let rest =
        (any::<String>(), any::<u64>(), labels, prop::option::of(any::<String>()), any::<Option<u64>>());
    (kind, namespace, name, filling, rest).prop_map(|(kind, namespace, name, filling, rest)| {
        let mut sample = Sample::new(kind, namespace.as_deref(), &name, filling);
        (sample.uid, sample.hash, sample.labels, sample.owner, sample.rollout) = rest;
        sample
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn items_come_back_as_they_were(mut samples in vec(any_sample(), 0..30), chunk in 1_usize..5000) {
        samples.sort_by(|a, b| a.key.cmp(&b.key));
        samples.dedup_by(|a, b| a.key == b.key);
        let archive = pack(&samples);
        let lines = read_index(&archive.index, chunk).unwrap();

        let mut expected = samples.iter();
        let mut frames = Vec::new();
        let mut items: Vec<IndexItem> = Vec::new();
        for line in lines {
            match line {
                IndexLine::Header(read) => prop_assert_eq!(read, header()),
                IndexLine::Item(item) => items.push(item),
                IndexLine::Frame(line) => {
                    let frame = open_frame(&line, range(&archive.tarball, &line)).unwrap();
                    let kinds: BTreeSet<_> = items.iter().map(|item| item.key().unwrap().resource).collect();
                    prop_assert!(kinds.len() <= 1, "one kind a frame, but {kinds:?}");
                    prop_assert!(line.raw <= FRAME_TARGET as u64 || items.len() == 1, "{line:?}");
                    for item in items.drain(..) {
                        let sample = expected.next().unwrap();
                        prop_assert_eq!(&frame.item(&item).unwrap(), &sample.body);
                        prop_assert_eq!(item.key().unwrap(), sample.key.clone());
                        prop_assert_eq!(item_path(&sample.key), item.path);
                        prop_assert_eq!(item.size, sample.body.len() as u64);
                        prop_assert_eq!(item.uid, sample.uid.clone());
                        prop_assert_eq!(item.resource_version, sample.revision.clone());
                        prop_assert_eq!(item.hash, sample.hash);
                        prop_assert_eq!(item.labels, sample.labels.clone());
                        prop_assert_eq!(item.owner, sample.owner.clone());
                        prop_assert_eq!(item.rollout, sample.rollout);
                        check_body(&sample.key, &sample.body).unwrap();
                    }
                    frames.push(line);
                }
            }
        }
        prop_assert!(expected.next().is_none());
        prop_assert_eq!(&frames, &archive.frames);

        let entries = read_tarball(&archive.tarball).unwrap();
        prop_assert_eq!(entries.len(), samples.len() + 2);
        prop_assert_eq!(&entries[0].name, &EntryName::MetadataVersion);
        prop_assert_eq!(&entries[1].name, &EntryName::MetadataBackup);
        for (entry, sample) in entries[2..].iter().zip(&samples) {
            let name = EntryName::Item { layout: Layout::Version2, key: sample.key.clone() };
            prop_assert_eq!(&entry.name, &name);
            prop_assert_eq!(&entry.body, &sample.body);
        }

        let mut reader = FrameReader::new(&archive.tarball[..]).unwrap();
        for line in &archive.frames {
            prop_assert_eq!(&reader.next_frame().unwrap().unwrap().0, line);
        }
        prop_assert!(reader.next_frame().unwrap().is_none());
    }
}

#[test]
fn a_namespace_can_be_read_without_its_neighbours() {
    let namespaces: Vec<String> = (0..50).map(|number| format!("team-{number:02}")).collect();
    let samples: Vec<Sample> = namespaces
        .iter()
        .flat_map(|space| {
            (0..100).map(move |n| Sample::new("configmaps", Some(space), &format!("c{n:03}"), n * 13))
        })
        .collect();
    let archive = pack(&samples);
    let mut wanted = BTreeSet::new();
    for line in read_index(&archive.index, 1 << 16).unwrap() {
        if let IndexLine::Item(item) = line
            && item.key().unwrap().namespace.as_deref() == Some("team-07")
        {
            wanted.insert(item.frame);
        }
    }
    let read: u64 =
        archive.frames.iter().filter(|line| wanted.contains(&line.frame)).map(|line| line.len).sum();
    assert!(read * 10 < archive.tarball.len() as u64, "{read} of {} bytes", archive.tarball.len());
}

#[test]
fn labels_that_are_no_labels_and_line_breaks_in_them_do_not_spoil_the_index() {
    let mut packer = Packer::new(0);
    let kind = GroupResource::parse("pods");
    for (number, labels) in ["null", "[]", "{\"a\":1}", "{\r\n \"a\": \"b\"\n}"].into_iter().enumerate() {
        let name = number.to_string();
        let entry = ItemEntry {
            kind: &kind,
            namespace: None,
            name: &name,
            body: &[b"{}"],
            uid: "",
            resource_version: "",
            hash: 0,
            labels: Some(labels),
            owner: None,
            rollout: None,
        };
        assert!(packer.push(&entry).unwrap().is_none());
    }
    let mut encoder = IndexEncoder::new(&header()).unwrap();
    let frame = packer.flush().unwrap().compress(3).unwrap();
    assert_eq!(frame.items, 4);
    encoder.frame(&frame, 0).unwrap();
    let lines = read_index(&encoder.finish().unwrap(), 7).unwrap();
    let labels: Vec<LabelSet> = lines
        .into_iter()
        .filter_map(|line| if let IndexLine::Item(item) = line { Some(item.labels) } else { None })
        .collect();
    let last = LabelSet::from([("a".to_owned(), "b".to_owned())]);
    assert_eq!(labels, [LabelSet::new(), LabelSet::new(), LabelSet::new(), last]);
}

#[test]
fn an_item_that_comes_twice_is_there_once() {
    let mut packer = Packer::new(0);
    packer.metadata("metadata/version", b"2.0.0\n").unwrap();
    assert!(packer.metadata("metadata/version", b"2.0.0\n").is_err());
    let pods = GroupResource::parse("pods");
    let mut push = |name: &str, body: &[&[u8]]| {
        let entry = ItemEntry {
            kind: &pods,
            namespace: Some("shop"),
            name,
            body,
            uid: "",
            resource_version: "",
            hash: 0,
            labels: None,
            owner: None,
            rollout: None,
        };
        packer.push(&entry)
    };
    let mut raw = Vec::from_iter(push("a", &[b"{\"x\":", b"1}"]).unwrap());
    raw.extend(push("b", &[b"{}"]).unwrap());
    // However the body is split, and however long ago the item came.
    for (body, equal) in [("{\"x\":1}", true), ("{\"x\":2}", false)] {
        let error = push("a", &[body.as_bytes()]).unwrap_err();
        assert!(matches!(error, ArchiveError::Repeated { same, .. } if same == equal), "{error:?}");
        assert!(error.to_string().contains("resources/pods/namespaces/shop/a.json"), "{error}");
    }
    raw.extend(packer.finish());
    let mut encoder = IndexEncoder::new(&header()).unwrap();
    let mut tarball = Vec::new();
    for frame in raw {
        let sealed = frame.compress(3).unwrap();
        encoder.frame(&sealed, tarball.len() as u64).unwrap();
        tarball.extend_from_slice(&sealed.bytes);
    }
    assert_eq!(read_tarball(&tarball).unwrap().len(), 3);
    assert_eq!(
        read_index(&encoder.finish().unwrap(), 100).unwrap().len(),
        6,
        "a header, two items, three frames"
    );
}

#[test]
fn an_item_that_no_reader_takes_back_is_refused_and_leaves_nothing() {
    let mut packer = Packer::new(0);
    let (pods, bad) = (GroupResource::parse("pods"), GroupResource::parse("Pods/x"));
    let good = ItemEntry {
        kind: &pods,
        namespace: Some("a"),
        name: "b",
        body: &[b"", b"{}"],
        uid: "",
        resource_version: "",
        hash: 0,
        labels: None,
        owner: None,
        rollout: None,
    };
    let long = "n".repeat(MAX_PATH);
    let labels = format!("{{\"a\":\"{}\"}}", "b".repeat(MAX_LINE));
    let big = vec![b'{'; MAX_BODY + 1];
    for item in [
        ItemEntry { name: "", ..good },
        ItemEntry { name: "../b", ..good },
        ItemEntry { name: &long, ..good },
        ItemEntry { kind: &bad, ..good },
        ItemEntry { namespace: Some(".."), ..good },
        ItemEntry { namespace: Some(""), ..good },
        ItemEntry { body: &[], ..good },
        ItemEntry { body: &[b"[]"], ..good },
        ItemEntry { body: &[&big], ..good },
        ItemEntry { labels: Some(&labels), ..good },
    ] {
        let error = packer.push(&item).unwrap_err();
        assert!(matches!(error, ArchiveError::Unstorable { .. }), "{error}");
        assert!(error.to_string().len() < 600, "{error}");
    }
    assert!(packer.flush().is_none());
    assert!(packer.metadata("resources/pods/cluster/a.json", b"{}").is_err());
    packer.push(&good).unwrap();
    assert!(packer.metadata("metadata/version", b"2").is_err());
    assert_eq!(packer.finish().len(), 2);
}
