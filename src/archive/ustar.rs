//! Tar entries, written and parsed: ustar, with a pax extended header before an entry whose path
//! does not fit. Pure.

use std::borrow::Cow;
use std::io::Write as _;

use tar::{EntryType, Header};

use super::limits::{MAX_BODY, MAX_PATH};

/// The block size of a tar stream, in bytes.
pub(super) const BLOCK: usize = 512;

/// The end of a tar stream: two empty blocks.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The longest extended header: the path, and at most a few short records beside it.
const MAX_EXTENDED: usize = MAX_PATH + 4096;

/// Returns a size rounded up to whole blocks.
pub(super) fn padded(size: usize) -> usize {
    size.div_ceil(BLOCK) * BLOCK
}

/// Returns the bytes that an entry takes, in whole blocks.
pub(super) fn entry_size(path: &str, body: usize) -> usize {
    let extended = if split(path).is_some() { 0 } else { BLOCK + padded(extended_record(path).0) };
    extended + BLOCK + padded(body)
}

/// Returns the header that all entries of an archive share: a regular file, readable by all, with
/// the time of the cut.
pub(super) fn template(mtime: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header
}

/// Appends an entry in whole blocks. Returns where its body begins in `out`.
pub(super) fn write_entry(out: &mut Vec<u8>, template: &Header, path: &str, body: &[&[u8]]) -> usize {
    let size = body.iter().map(|part| part.len()).sum::<usize>();
    let (prefix, name) = split(path).unwrap_or_else(|| {
        write_extended(out, template, path);
        ("", path.get(..path.floor_char_boundary(100)).unwrap_or_default())
    });
    write_header(out, template.clone(), prefix, name, size);
    let offset = out.len();
    for part in body {
        out.extend_from_slice(part);
    }
    out.resize(offset + padded(size), 0);
    offset
}

fn write_header(out: &mut Vec<u8>, mut header: Header, prefix: &str, name: &str, size: usize) {
    if let Some(ustar) = header.as_ustar_mut() {
        for (field, text) in [(&mut ustar.name[..], name), (&mut ustar.prefix[..], prefix)] {
            for (to, from) in field.iter_mut().zip(text.bytes()) {
                *to = from;
            }
        }
    }
    header.set_size(size as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}

fn write_extended(out: &mut Vec<u8>, template: &Header, path: &str) {
    let (size, count) = extended_record(path);
    let mut header = template.clone();
    header.set_entry_type(EntryType::XHeader);
    write_header(out, header, "", "PaxHeaders/path", size);
    let begin = out.len();
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, "{count} path={path}");
    out.resize(begin + padded(size), 0);
}

/// Returns the size of the record `<bytes> path=<path>\n`, which counts itself: as a size, and as
/// the number to write.
fn extended_record(path: &str) -> (usize, usize) {
    let rest = " path=\n".len() + path.len();
    let mut size = rest + 1;
    while size != rest + digits(size) {
        size = rest + digits(size);
    }
    (size, size)
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Splits a path as ustar keeps it: up to 155 bytes, a slash, up to 100 bytes. Returns `None` if
/// the path does not fit.
fn split(path: &str) -> Option<(&str, &str)> {
    const NAME: usize = 100;
    const PREFIX: usize = 155;
    if path.len() <= NAME {
        return Some(("", path));
    }
    let head = path.get(..path.floor_char_boundary(PREFIX + 1))?;
    let (prefix, _) = head.rsplit_once('/')?;
    let name = path.get(prefix.len() + 1..)?;
    (!prefix.is_empty() && !name.is_empty() && name.len() <= NAME).then_some((prefix, name))
}

/// The parsed content at a place of a tar stream.
#[derive(Debug)]
pub(super) enum Parsed<'a> {
    /// An entry: its path, the place of its body, and the place of the next entry.
    Entry { path: Cow<'a, str>, offset: usize, size: usize, next: usize },
    /// The end of the archive, with nothing but zeros behind it.
    End,
}

/// Parses the entry at `at`.
///
/// # Errors
/// If the entry is not a regular file that lies wholly in `tar`; in words.
pub(super) fn parse_entry(tar: &[u8], at: usize) -> Result<Parsed<'_>, String> {
    let header = header_at(tar, at)?;
    let Some(header) = header else {
        let rest = tar.get(at..).unwrap_or_default();
        return match (rest.len() >= END.len(), rest.iter().all(|byte| *byte == 0)) {
            (true, true) => Ok(Parsed::End),
            (false, _) => Err("the end of the archive is cut off".to_owned()),
            (_, false) => Err("there is something behind the end of the archive".to_owned()),
        };
    };
    if header.entry_type() != EntryType::XHeader {
        let path = text(header.path_bytes().into_owned())?;
        return body_of(tar, header, at, None).map(|(offset, size, next)| Parsed::Entry {
            path: path.into(),
            offset,
            size,
            next,
        });
    }
    let size = size_of(header, MAX_EXTENDED)?;
    let begin = at + BLOCK;
    let records = tar.get(begin..begin + size).ok_or_else(|| cut(size))?;
    let Extended { path, size } = Extended::parse(records)?;
    let next = begin + padded(records.len());
    let entry = header_at(tar, next)?.ok_or("an extended header has no entry behind it")?;
    let path = match path {
        Some(path) => Cow::Borrowed(path),
        None => text(entry.path_bytes().into_owned())?.into(),
    };
    let (offset, size, next) = body_of(tar, entry, next, size)?;
    Ok(Parsed::Entry { path, offset, size, next })
}

/// Returns the header block at `at`, or `None` for an empty block.
fn header_at(tar: &[u8], at: usize) -> Result<Option<&Header>, String> {
    let block = tar.get(at..at.saturating_add(BLOCK)).ok_or("its header is cut off")?;
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let header = Header::from_byte_slice(block);
    // The checksum counts its own field as spaces.
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let field: u32 = block.get(148..156).unwrap_or_default().iter().map(|byte| u32::from(*byte)).sum();
    if header.cksum().ok() != Some(sum - field + 8 * u32::from(b' ')) {
        return Err("its header does not bear its own checksum".to_owned());
    }
    Ok(Some(header))
}

/// Returns offset and size of the body whose header stands at `at`, and the offset of the next
/// entry.
fn body_of(
    tar: &[u8],
    header: &Header,
    at: usize,
    size: Option<u64>,
) -> Result<(usize, usize, usize), String> {
    if header.entry_type() != EntryType::Regular {
        let byte = header.entry_type().as_byte();
        return Err(format!("it is no regular file but of tar type `{}`", byte.escape_ascii()));
    }
    let size = match size {
        Some(size) => bounded(size, MAX_BODY)?,
        None => size_of(header, MAX_BODY)?,
    };
    let offset = at + BLOCK;
    let next = offset + padded(size);
    if next > tar.len() {
        return Err(cut(size));
    }
    Ok((offset, size, next))
}

fn size_of(header: &Header, limit: usize) -> Result<usize, String> {
    bounded(header.entry_size().map_err(|error| error.to_string())?, limit)
}

fn bounded(size: u64, limit: usize) -> Result<usize, String> {
    usize::try_from(size)
        .ok()
        .filter(|size| *size <= limit)
        .ok_or_else(|| format!("it claims {size} bytes, more than the {limit} that an entry may have"))
}

fn cut(size: usize) -> String {
    format!("it claims {size} bytes, but its frame ends before")
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "its path is not UTF-8".to_owned())
}

/// The records of an extended header that concern the entry behind it.
#[derive(Default)]
struct Extended<'a> {
    path: Option<&'a str>,
    size: Option<u64>,
}

impl<'a> Extended<'a> {
    fn parse(mut records: &'a [u8]) -> Result<Self, String> {
        let mut extended = Self::default();
        while !records.is_empty() {
            let (key, value, rest) = record(records).ok_or("its extended header is malformed")?;
            match key {
                b"path" => {
                    extended.path = Some(std::str::from_utf8(value).map_err(|_| "its path is not UTF-8")?);
                }
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                    extended.size = Some(size.ok_or("the size in its extended header is no number")?);
                }
                _ => {}
            }
            records = rest;
        }
        Ok(extended)
    }
}

/// Parses a record `<bytes> <key>=<value>\n`. Returns key, value and the rest.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(records.get(..space)?).ok()?.parse().ok()?;
    let pair = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((pair.get(..equals)?, pair.get(equals + 1..)?, records.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(path: &str) -> usize {
        let mut tar = Vec::new();
        let offset = write_entry(&mut tar, &template(1), path, &[b"{", b"}"]);
        assert_eq!(tar.len(), entry_size(path, 2), "{path}");
        match parse_entry(&tar, 0) {
            Ok(Parsed::Entry { path: read, offset: at, size: 2, next }) => {
                assert_eq!((&*read, at, next), (path, offset, tar.len()));
            }
            other => panic!("{path}: {other:?}"),
        }
        offset
    }

    #[test]
    fn paths_take_the_shortest_form_that_holds_them() {
        assert_eq!(round_trip(&"a".repeat(100)), BLOCK);
        assert_eq!(round_trip(&format!("{}/{}", "p".repeat(155), "n".repeat(100))), BLOCK);
        assert_eq!(round_trip(&format!("{}/{}", "ü".repeat(77), "ü".repeat(50))), BLOCK);
        assert_eq!(round_trip(&"a".repeat(101)), 3 * BLOCK);
        assert_eq!(round_trip(&format!("p/{}", "n".repeat(101))), 3 * BLOCK);
        for length in [980, 988, 989, 990, 991, 992, 993, 994, 9_990, 9_991, 9_992, 9_993] {
            round_trip(&"a".repeat(length));
        }
    }

    #[test]
    fn links_devices_and_lies_about_sizes_are_refused() {
        for kind in
            [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo, EntryType::Directory]
        {
            let mut header = template(1);
            header.set_entry_type(kind);
            let mut tar = Vec::new();
            write_header(&mut tar, header, "", "a", 0);
            assert!(parse_entry(&tar, 0).unwrap_err().contains("no regular file"));
        }
        for size in [1, BLOCK, MAX_BODY, MAX_BODY + 1, usize::MAX] {
            let mut tar = Vec::new();
            write_header(&mut tar, template(1), "", "a", size);
            assert!(parse_entry(&tar, 0).unwrap_err().contains("claims"), "{size}");
        }
    }

    #[test]
    fn malformed_extended_headers_are_refused() {
        let huge = format!("{} path=a\n", u64::MAX);
        for records in
            ["", "5", "0 path=a\n", "99 path=a\n", "9 path=a\n", "-9 path=a\n", "9 pathaa\n", &huge]
        {
            let mut tar = Vec::new();
            let mut header = template(1);
            header.set_entry_type(EntryType::XHeader);
            write_header(&mut tar, header, "", "x", records.len());
            tar.extend_from_slice(records.as_bytes());
            tar.resize(padded(tar.len()), 0);
            assert!(parse_entry(&tar, 0).is_err(), "{records}");
        }
    }
}
