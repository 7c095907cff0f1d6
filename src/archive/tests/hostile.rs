//! Archives made to do harm.

use std::io::Read as _;

use zstd::bulk::compress;

use super::super::frame::{MAGIC, hexadecimal};
use super::super::ustar;
use super::*;
use crate::model::Category;

/// Returns a tarball of one frame with these entries.
fn tarball(paths: &[&str]) -> Vec<u8> {
    let mut tar = Vec::new();
    for path in paths {
        ustar::write_entry(&mut tar, &ustar::template(0), path, &[b"{}"]);
    }
    tar.extend_from_slice(&ustar::END);
    compress(&tar, 3).unwrap()
}

fn refused(tarball: &[u8], why: &str) {
    let error = read_tarball(tarball).unwrap_err();
    let text = crate::model::causes(&error);
    assert!(text.contains(why), "`{why}` is not in `{text}`");
    assert_eq!(error.category(), Category::Corrupt);
}

fn line_for(compressed: &[u8], raw: u64) -> IndexFrame {
    use sha2::Digest as _;
    let sha256 = hexadecimal(&sha2::Sha256::digest(compressed));
    IndexFrame { frame: 0, at: 0, len: compressed.len() as u64, raw, sha256 }
}

#[test]
fn paths_that_climb_or_are_absolute_are_refused_by_every_reader() {
    for path in ["../../etc/passwd", "/etc/passwd", "resources/pods/namespaces/../../x.json", "a\\..\\b", "x"]
    {
        let bad = tarball(&["metadata/version", path]);
        refused(&bad, "the entry at byte 1024 of frame 0");
        let raw = ustar::padded(4 * ustar::BLOCK) + ustar::END.len();
        assert!(open_frame(&line_for(&bad, raw as u64), &bad).is_err());
    }
}

#[test]
fn the_same_path_twice_is_refused() {
    let path = "resources/pods/namespaces/a/b.json";
    refused(&tarball(&[path, path]), "is there twice");
}

#[test]
fn a_frame_that_claims_terabytes_is_refused_before_memory_is_taken() {
    // A single segment with a content size of eight bytes.
    let mut claim = MAGIC.to_vec();
    claim.push(0b1110_0000);
    claim.extend_from_slice(&(5_u64 << 40).to_le_bytes());
    claim.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0]);
    refused(&claim, "claims 5497558138880 bytes");
    let error = open_frame(&line_for(&claim, 5 << 40), &claim).unwrap_err();
    assert!(error.to_string().contains("claims 5497558138880 bytes"), "{error}");
}

#[test]
fn a_frame_that_expands_without_claiming_it_is_stopped() {
    let bomb = zstd::stream::encode_all(std::io::repeat(0).take(MAX_FRAME as u64 + 1), 1).unwrap();
    assert!(bomb.len() < 1 << 16);
    refused(&bomb, "holds more than");
    assert!(open_frame(&line_for(&bomb, 1024), &bomb).is_err());
}

#[test]
fn a_window_larger_than_readers_keep_is_refused() {
    // A window of 1 GiB, no content size, one empty last block.
    let mut frame = MAGIC.to_vec();
    frame.extend_from_slice(&[0, 20 << 3, 1, 0, 0]);
    refused(&frame, "does not decompress");
}

#[test]
fn skippable_frames_other_formats_and_trailing_bytes_are_refused() {
    let mut skippable = vec![0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    skippable.extend(tarball(&["metadata/version"]));
    refused(&skippable, "no zstd frame begins here");
    refused(b"\x1f\x8b\x08\x00 gzip, not zstd", "no zstd frame begins here");
    let whole = small().tarball;
    for more in [&whole[..], b"x", &[0; 700]] {
        refused(&[&whole[..], more].concat(), "goes on behind the end");
    }
    let inside = compress(&[&ustar::END[..], &[1; 512]].concat(), 3).unwrap();
    refused(&inside, "behind the end of the archive");
}

#[test]
fn a_line_that_lies_about_its_frame_is_found_out() {
    let archive = small();
    let line = &archive.frames[1];
    let bytes = range(&archive.tarball, line);
    open_frame(line, bytes).unwrap();
    for lie in [
        IndexFrame { len: line.len + 1, ..line.clone() },
        IndexFrame { len: line.len - 1, ..line.clone() },
        IndexFrame { len: u64::MAX, ..line.clone() },
        IndexFrame { raw: line.raw + 512, ..line.clone() },
        IndexFrame { raw: 0, ..line.clone() },
        IndexFrame { raw: u64::MAX, ..line.clone() },
        IndexFrame { sha256: archive.frames[0].sha256.clone(), ..line.clone() },
        IndexFrame { sha256: String::new(), ..line.clone() },
    ] {
        assert!(open_frame(&lie, bytes).unwrap_err().to_string().contains("frame 1"), "{lie:?}");
    }
}

#[test]
fn an_item_that_lies_elsewhere_than_the_index_says_is_missing() {
    let archive = small();
    let mut items = read_index(&archive.index, 100).unwrap().into_iter().filter_map(|line| match line {
        IndexLine::Item(item) => Some(item),
        _ => None,
    });
    let (first, second) = (items.next().unwrap(), items.next().unwrap());
    let frame = open_frame(&archive.frames[1], range(&archive.tarball, &archive.frames[1])).unwrap();
    frame.item(&first).unwrap();
    for lie in [
        second,
        IndexItem { path: "resources/pods/cluster/other.json".to_owned(), ..first.clone() },
        IndexItem { offset: first.offset + 1, ..first.clone() },
        IndexItem { offset: u64::MAX, ..first.clone() },
        IndexItem { size: first.size - 1, ..first.clone() },
        IndexItem { size: u64::MAX, ..first.clone() },
    ] {
        assert!(matches!(frame.item(&lie), Err(ArchiveError::Missing { .. })), "{lie:?}");
    }
    let list = tarball_of_body(b"[]");
    let frame = open_frame(&line_for(&list, 2048), &list).unwrap();
    let entry = &frame.entries()[0];
    let item = IndexItem { path: entry.path.clone(), frame: 0, offset: entry.offset, size: 2, ..first };
    assert!(frame.item(&item).unwrap_err().to_string().contains("not a JSON object"));
}

fn tarball_of_body(body: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    ustar::write_entry(&mut tar, &ustar::template(0), "resources/pods/cluster/a.json", &[body]);
    tar.extend_from_slice(&ustar::END);
    compress(&tar, 3).unwrap()
}

/// Returns an index with these lines behind its header.
fn index(lines: &str) -> Vec<u8> {
    let mut encoder = IndexEncoder::new(&header()).unwrap();
    encoder.compress(lines.as_bytes()).unwrap();
    encoder.finish().unwrap().to_vec()
}

#[test]
fn lines_that_no_writer_writes_are_refused_by_number() {
    let hash = "0".repeat(64);
    let item = |path: &str, rest: &str| format!("{{\"p\":\"{path}\",{rest},\"h\":\"0000000000000000\"}}\n");
    let good = item("resources/pods/cluster/a.json", r#""f":0,"o":512,"n":2"#);
    let frame = |frame: u64, at: u64, len: u64, raw: u64| {
        format!("{{\"frame\":{frame},\"at\":{at},\"len\":{len},\"raw\":{raw},\"sha256\":\"{hash}\"}}\n")
    };
    let whole = format!("{good}{}", frame(0, 0, 100, 1024));
    read_index(&index(&whole), 1000).unwrap();
    for (line, bad) in [
        (2, "\n".to_owned()),
        (2, "[]\n".to_owned()),
        (2, "{\"p\":1}\n".to_owned()),
        (2, serde_json::json!({"header": header()}).to_string() + "\n"),
        (2, item("../a", r#""f":0,"o":512,"n":2"#)),
        (2, item("metadata/version", r#""f":0,"o":512,"n":2"#)),
        (2, item("cluster/pods/a.json", r#""f":0,"o":512,"n":2"#)),
        (2, good.replace("0000000000000000", "0")),
        (2, good.replace("\"f\":0", "\"f\":1")),
        (2, good.replace("\"f\":0", "\"f\":-1")),
        (2, good.replace("512", "511")),
        (2, good.replace("512", "18446744073709551616")),
        (2, good.replace("\"n\":2", "\"n\":18446744073709551615")),
        (2, good.replace("\"n\":2", "\"n\":1e99")),
        (3, good.repeat(2)),
        (3, good.clone() + &good.replace("a.json", "b.json")),
        (3, good.clone() + &frame(1, 0, 100, 1024)),
        (3, good.clone() + &frame(0, 1, 100, 1024)),
        (3, good.clone() + &frame(0, 0, 0, 1024)),
        (3, good.clone() + &frame(0, 0, u64::MAX, 1024)),
        (3, good.clone() + &frame(0, 0, 100, u64::MAX)),
        (3, good.clone() + &frame(0, 0, 100, 513)),
        (3, good.clone() + &frame(u64::MAX, 0, 100, 1024)),
        (3, good.clone() + &frame(0, 0, 100, 1024).replace(&hash, "../..")),
        (4, whole.clone() + &frame(1, 99, 100, 1024)),
    ] {
        let error = read_index(&index(&bad), 1000).unwrap_err();
        let said = format!("line {line} of the index");
        assert!(error.to_string().contains(&said), "{bad}: {error}");
    }
    for bad in ["", &good, good.trim_end(), whole.trim_end()] {
        assert!(matches!(read_index(&index(bad), 9), Err(ArchiveError::Truncated { .. })), "{bad}");
    }
}

#[test]
fn an_index_of_another_format_says_so() {
    let other = IndexHeader { format: "3".to_owned(), ..header() };
    let index = IndexEncoder::new(&other).unwrap().finish().unwrap();
    assert!(read_index(&index, 9).unwrap_err().to_string().contains("format `3` is not known"));
}

#[test]
fn an_index_of_more_kinds_than_a_restore_can_number_is_refused() {
    let kind = r#"{"kind":"a","version":"","name":"","namespaced":true}"#;
    let read = |kinds: usize| {
        let kinds = vec![kind; kinds].join(",");
        let line = format!("{{\"header\":{{\"format\":\"2\",\"cluster\":\"\",\"kinds\":[{kinds}]}}}}\n");
        assert!(line.len() < MAX_LINE);
        IndexDecoder::new().unwrap().feed(&compress(line.as_bytes(), 3).unwrap()).map(|lines| lines.len())
    };
    assert_eq!(read(MAX_KINDS).unwrap(), 1);
    assert!(read(MAX_KINDS + 1).unwrap_err().to_string().contains("names 65536 kinds"));
}

#[test]
fn lines_and_indexes_that_grow_without_end_are_stopped() {
    let line = format!("{{\"p\":\"{}\"}}\n", "a".repeat(MAX_LINE));
    assert!(read_index(&index(&line), 1 << 16).unwrap_err().to_string().contains("more than"));
    let mut encoder = IndexEncoder::new(&header()).unwrap();
    encoder.compress(&vec![b' '; 2 * MAX_LINE]).unwrap();
    let endless = encoder.take();
    let error = IndexDecoder::new().unwrap().feed(&endless).err();
    assert!(error.is_none_or(|error| error.to_string().contains("line 2")));
    let mut trailing = small().index;
    trailing.push(0);
    for chunk in [1, 1000] {
        let error = read_index(&trailing, chunk).unwrap_err();
        assert!(error.to_string().contains("behind the end of the index"), "{error}");
    }
}
