//! Checks each line of the index against the lines before it. Pure.

use super::{FORMAT, IndexFrame, IndexHeader, IndexItem, IndexLine};
use crate::archive::entry::{EntryName, Layout, parse_path};
use crate::archive::error::{ArchiveError, Position};
use crate::archive::limits::{MAX_BODY, MAX_FRAME, MAX_KINDS};
use crate::archive::seen::Seen;

/// The size of the tar header before each body.
const HEADER: u64 = 512;

/// The state that the next line is checked against.
#[derive(Debug, Default)]
pub(super) struct Order {
    header: bool,
    /// The frame whose items are read, and the byte of the tarball at which it begins.
    frame: u32,
    at: u64,
    /// The end of the frame's last item; 0 before the first.
    end: u64,
    seen: Seen,
}

impl Order {
    /// Checks the next line.
    pub(super) fn check(&mut self, line: &IndexLine, place: Position) -> Result<(), ArchiveError> {
        let checked = match line {
            IndexLine::Header(header) => self.check_header(header),
            _ if !self.header => Err("the header is missing before it".to_owned()),
            IndexLine::Item(item) => {
                let name = parse_path(&item.path).map_err(|source| ArchiveError::Path { place, source })?;
                self.seen.add(&item.path, place)?;
                match name {
                    EntryName::Item { layout: Layout::Version2, .. } => self.check_item(item),
                    _ => Err(format!("`{}` is no item of format {FORMAT}", item.path)),
                }
            }
            IndexLine::Frame(frame) => self.check_frame(frame),
        };
        checked.map_err(|why| ArchiveError::Invalid { place, why })
    }

    /// Checks that the index may end here.
    pub(super) fn check_end(&self, place: Position) -> Result<(), ArchiveError> {
        let missing = match (self.header, self.end == 0, self.frame) {
            (false, _, _) => "the header is missing".to_owned(),
            (_, false, frame) => format!("the line of frame {frame} is missing behind its items"),
            (_, _, 0) => "it names no frame".to_owned(),
            _ => return Ok(()),
        };
        Err(ArchiveError::Truncated { place, missing })
    }

    fn check_header(&mut self, header: &IndexHeader) -> Result<(), String> {
        if self.header {
            return Err("there is a second header".to_owned());
        }
        if header.format != FORMAT {
            let format: String = header.format.chars().take(20).collect();
            return Err(format!("format `{format}` is not known; a newer version of Ark may read it"));
        }
        if header.kinds.len() > MAX_KINDS {
            return Err(format!("it names {} kinds, an archive takes {MAX_KINDS}", header.kinds.len()));
        }
        self.header = true;
        Ok(())
    }

    fn check_item(&mut self, item: &IndexItem) -> Result<(), String> {
        let IndexItem { frame, offset, size, .. } = item;
        if *frame != self.frame {
            return Err(format!("its item lies in frame {frame}, but frame {} is not complete", self.frame));
        }
        if *size > MAX_BODY as u64 {
            return Err(format!(
                "its item claims {size} bytes, more than the {MAX_BODY} that an entry may have"
            ));
        }
        if *offset < self.end.saturating_add(HEADER) {
            return Err(format!("its item begins at byte {offset}, within the one before"));
        }
        self.end = offset.saturating_add(*size);
        Ok(())
    }

    fn check_frame(&mut self, line: &IndexFrame) -> Result<(), String> {
        let IndexFrame { frame, at, len, raw, sha256 } = line;
        if *frame != self.frame || *at != self.at {
            return Err(format!(
                "frame {} at byte {} should follow, but it is frame {frame} at byte {at}",
                self.frame, self.at
            ));
        }
        // zstd enlarges nothing by more than a few bytes for each block.
        let most = MAX_FRAME as u64;
        if *len == 0 || *len > most + most / 128 || *raw > most {
            return Err(format!(
                "frame {frame} claims {len} bytes, {raw} after decompression; {most} are the most"
            ));
        }
        if self.end > *raw {
            return Err(format!("an item ends at byte {} of frame {frame}, which has {raw}", self.end));
        }
        if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("its SHA-256 does not have 64 hexadecimal digits".to_owned());
        }
        self.at =
            at.checked_add(*len).ok_or("the frames together claim more bytes than a 64-bit number counts")?;
        self.frame = frame.checked_add(1).ok_or("the index has more frames than their numbers can count")?;
        self.end = 0;
        Ok(())
    }
}
