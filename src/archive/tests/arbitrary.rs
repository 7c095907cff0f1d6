//! Any bytes at all, and whole archives with arbitrary changes: readers yield or refuse, and
//! always end.
//!
//! The stable half of `fuzz`: the same entry points, bounded in time.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Reads bytes by every reader that takes bytes of unknown origin.
fn read_all(bytes: &[u8]) {
    let _ = read_tarball(bytes);
    let _ = read_index(bytes, 100);
    let text = String::from_utf8_lossy(bytes);
    if let Ok(EntryName::Item { layout: Layout::Version2, key }) = parse_path(&text) {
        assert_eq!(item_path(&key), text, "an item has one path");
    }
    let key = ItemKey::cluster(GroupResource::parse("pods"), "a");
    let _ = check_body(&key, bytes);
}

fn changed(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (place, value) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *value;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_survive_any_bytes(bytes in vec(any::<u8>(), 0..2000), path in "[a-z.%A-F0-9/-]{0,60}") {
        read_all(&bytes);
        read_all(path.as_bytes());
        read_all(format!("resources/pods/cluster/{path}.json").as_bytes());
        // As the content of well-formed compression, so that the bytes reach the parsers within.
        read_all(&zstd::bulk::compress(&bytes, 1).unwrap());
        let mut encoder = IndexEncoder::new(&header()).unwrap();
        encoder.compress(&bytes).unwrap();
        read_all(&encoder.finish().unwrap());
    }

    #[test]
    fn readers_survive_any_change_of_a_whole_archive(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        inner in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let archive = small();
        read_all(&changed(archive.tarball.clone(), &changes));
        read_all(&changed(archive.index.clone(), &changes));
        // Changed before compression, so that neither checksum nor hash hides it from the parsers.
        let mut tar = Vec::new();
        for line in &archive.frames {
            let raw = usize::try_from(line.raw).unwrap();
            tar.extend(zstd::bulk::decompress(range(&archive.tarball, line), raw).unwrap());
        }
        read_all(&zstd::bulk::compress(&changed(tar, &inner), 1).unwrap());
        let text = zstd::stream::decode_all(&archive.index[..]).unwrap();
        read_all(&zstd::bulk::compress(&changed(text, &inner), 1).unwrap());
    }
}
