//! Tests that `docs/format.md` says what the code does.

use super::*;

const FORMAT_MD: &str = include_str!("../../../docs/format.md");

#[test]
fn the_index_lines_in_the_documentation_are_read() {
    let (_, rest) = FORMAT_MD.split_once("```json\n").unwrap();
    let (lines, _) = rest.split_once("```").unwrap();
    let read = read_index(&zstd::bulk::compress(lines.as_bytes(), 3).unwrap(), 100).unwrap();
    assert_eq!(read.len(), 4);
    let IndexLine::Item(item) = &read[2] else { panic!("{:?}", read[2]) };
    assert_eq!((item.hash, item.rollout, &*item.labels["app"]), (0x00c0_ffee_00c0_ffee, Some(3), "web"));
    // And written with the same keys in the same order.
    assert!(lines.contains(&serde_json::to_string(item).unwrap()));
}

#[test]
fn the_limits_in_the_documentation_are_those_of_the_code() {
    for (name, value) in [
        ("FRAME_TARGET", FRAME_TARGET as u64),
        ("NAMESPACE_CUT", NAMESPACE_CUT as u64),
        ("MAX_BODY", MAX_BODY as u64),
        ("MAX_FRAME", MAX_FRAME as u64),
        ("MAX_PATH", MAX_PATH as u64),
        ("MAX_LINE", MAX_LINE as u64),
        ("MAX_ENTRIES", MAX_ENTRIES as u64),
        ("MAX_KINDS", MAX_KINDS as u64),
        ("MAX_EXPANSION", MAX_EXPANSION),
    ] {
        assert!(FORMAT_MD.contains(&format!("\n| `{name}` | {value} |")), "{name} is {value}");
    }
}
