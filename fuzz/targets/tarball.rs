//! Reads a tarball to its end, and its first bytes as each frame of the sample.
#![no_main]

use std::sync::LazyLock;

use ark_fuzz::archive::{EntryName, TarballReader, check_body, open_frame};
use ark_fuzz::{Sample, input, sample};
use libfuzzer_sys::fuzz_target;

static SAMPLE: LazyLock<Sample> = LazyLock::new(sample);

fuzz_target!(|data: &[u8]| {
    let Some(bytes) = input(data, &SAMPLE.tarball) else { return };
    if let Ok(mut reader) = TarballReader::new(&bytes[..]) {
        while let Ok(Some(entry)) = reader.next_entry() {
            if let EntryName::Item { key, .. } = &entry.name {
                let _ = check_body(key, &entry.body);
            }
        }
    }
    for line in &SAMPLE.frames {
        let _ = open_frame(line, &bytes);
    }
});
