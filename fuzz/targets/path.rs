//! Parses any text as a path, alone and as the name in a path; an item of format 2 has one path.
#![no_main]

use ark_fuzz::archive::{EntryName, Layout, item_path, parse_path};
use libfuzzer_sys::fuzz_target;

fn check(path: &str) {
    if let Ok(EntryName::Item { layout: Layout::Version2, key }) = parse_path(path) {
        assert_eq!(item_path(&key), path);
    }
}

fuzz_target!(|path: &str| {
    check(path);
    check(&format!("resources/pods/cluster/{path}.json"));
    check(&format!("resources/pods/namespaces/{path}/a.json"));
});
