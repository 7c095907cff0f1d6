//! Archives that were whole once: cut off at any byte, or with a bit turned over.

use proptest::prelude::*;

use super::*;

/// Reads everything by the index, as a restore does.
fn read_by_index(archive: &Archive) -> Result<Vec<(IndexItem, Vec<u8>)>, ArchiveError> {
    let mut items = Vec::new();
    let mut read = Vec::new();
    for line in read_index(&archive.index, 61)? {
        match line {
            IndexLine::Header(_) => {}
            IndexLine::Item(item) => items.push(item),
            IndexLine::Frame(line) => {
                // A bucket returns as much of a range as exists.
                let length = archive.tarball.len();
                let begin = usize::try_from(line.at).unwrap_or(length).min(length);
                let end = usize::try_from(line.at.saturating_add(line.len)).unwrap_or(length).min(length);
                let frame = open_frame(&line, archive.tarball.get(begin..end).unwrap_or_default())?;
                for item in items.drain(..) {
                    let body = frame.item(&item)?.to_vec();
                    read.push((item, body));
                }
            }
        }
    }
    Ok(read)
}

fn names_a_place(error: &ArchiveError) -> bool {
    let text = error.to_string();
    ["frame ", "line ", "byte "].iter().any(|place| text.contains(place))
}

#[test]
fn a_tarball_cut_off_at_any_byte_is_an_error_that_says_where() {
    let archive = small();
    assert_eq!(read_tarball(&archive.tarball).unwrap().len(), 6);
    for length in 0..archive.tarball.len() {
        let error = read_tarball(&archive.tarball[..length]).unwrap_err();
        assert!(matches!(error, ArchiveError::Truncated { .. }), "{length}: {error}");
        let frame = archive.frames.iter().rfind(|line| line.at <= length as u64).unwrap();
        assert!(error.to_string().contains(&format!("frame {}", frame.frame)), "{length}: {error}");
    }
}

#[test]
fn a_tarball_cut_off_between_two_frames_says_that_the_end_is_missing() {
    let archive = small();
    for line in &archive.frames[1..] {
        let error = read_tarball(&archive.tarball[..usize::try_from(line.at).unwrap()]).unwrap_err();
        assert!(error.to_string().contains("without the end of the archive"), "{error}");
    }
}

#[test]
fn a_frame_cut_off_at_any_byte_is_an_error_that_says_where() {
    let archive = small();
    for line in &archive.frames {
        let whole = range(&archive.tarball, line);
        for length in 0..whole.len() {
            let error = open_frame(line, &whole[..length]).unwrap_err();
            let said = format!("frame {} (byte {}", line.frame, line.at);
            assert!(error.to_string().contains(&said) && matches!(error, ArchiveError::Truncated { .. }));
        }
    }
}

#[test]
fn an_index_cut_off_at_any_byte_is_an_error_that_says_where() {
    let index = small().index;
    for length in 0..index.len() {
        for chunk in [1, 50, usize::MAX] {
            let error = read_index(&index[..length], chunk).unwrap_err();
            assert!(error.to_string().contains(&format!("byte {length} of the index")), "{length}: {error}");
        }
    }
}

#[test]
fn any_turned_bit_of_a_small_archive_is_an_error_or_changes_nothing() {
    let whole = small();
    let (entries, items) = (read_tarball(&whole.tarball).unwrap(), read_by_index(&whole).unwrap());
    let mut archive = small();
    for bit in 0..8 * whole.tarball.len() {
        archive.tarball[bit / 8] ^= 1 << (bit % 8);
        match read_tarball(&archive.tarball) {
            Ok(read) => assert_eq!(read, entries, "bit {bit} of the tarball"),
            Err(error) => assert!(names_a_place(&error), "{error}"),
        }
        // Behind the metadata and before the end, every byte belongs to an item.
        let error = read_by_index(&archive).expect_err("the index bears the hash of every frame");
        assert!(names_a_place(&error), "{error}");
        archive.tarball[bit / 8] ^= 1 << (bit % 8);
    }
    for bit in 0..8 * whole.index.len() {
        archive.index[bit / 8] ^= 1 << (bit % 8);
        match read_by_index(&archive) {
            Ok(read) => assert_eq!(read, items, "bit {bit} of the index"),
            Err(error) => assert!(names_a_place(&error), "{error}"),
        }
        archive.index[bit / 8] ^= 1 << (bit % 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn turned_bits_and_lost_ends_of_larger_archives_are_errors(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let samples: Vec<Sample> =
            (0..300).map(|n| Sample::new("pods", Some("shop"), &format!("p{n}"), n * 17)).collect();
        let mut archive = pack(&samples);
        let byte = place.index(archive.tarball.len());
        prop_assert!(read_tarball(&archive.tarball[..byte]).is_err());
        archive.tarball[byte] ^= 1 << bit;
        prop_assert!(read_by_index(&archive).is_err());
        if let Ok(entries) = read_tarball(&archive.tarball) {
            prop_assert!(entries[2..].iter().zip(&samples).all(|(entry, sample)| entry.body == sample.body));
        }
    }
}
