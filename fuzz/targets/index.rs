//! Reads an index to its end; a whole one in two chunkings yields the same.
#![no_main]

use std::sync::LazyLock;

use ark_fuzz::archive::{ArchiveError, IndexDecoder, IndexLine};
use ark_fuzz::{Sample, input, sample};
use libfuzzer_sys::fuzz_target;

static SAMPLE: LazyLock<Sample> = LazyLock::new(sample);

fn read(bytes: &[u8], chunk: usize) -> Result<Vec<IndexLine>, ArchiveError> {
    let mut decoder = IndexDecoder::new()?;
    let mut lines = Vec::new();
    for chunk in bytes.chunks(chunk) {
        lines.extend(decoder.feed(chunk)?);
    }
    decoder.finish().map(|()| lines)
}

fuzz_target!(|data: &[u8]| {
    let Some(bytes) = input(data, &SAMPLE.index) else { return };
    let (whole, parts) = (read(&bytes, 1 << 16), read(&bytes, 7));
    assert_eq!(whole.as_ref().ok(), parts.as_ref().ok());
    for line in whole.into_iter().flatten() {
        if let IndexLine::Item(item) = line {
            item.key().expect("a decoded line names an item");
        }
    }
});
