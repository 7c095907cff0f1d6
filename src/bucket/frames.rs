//! Reads only those frames of a tarball that are wanted: neighbours in one request, the next
//! requests ahead of need.
//!
//! Each request is a task of its own that reads its response to the end, however slow the consumer
//! of the frames is: peers close a connection that nobody reads from.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec;

use bytes::{Bytes, BytesMut};
use tokio_util::task::AbortOnDropHandle;

use crate::archive::{self, Frame, IndexFrame};
use crate::store::Resumed;

use super::BucketError;
use super::read::StoredBackup;

/// Bytes between two frames that are read and thrown away rather than left out: a further request
/// costs about as much as these.
const MAX_GAP: u64 = 64 << 10;

/// Most bytes of one request for several frames: large enough that its latency is small in
/// comparison, small enough that several responses may be held in memory.
const MAX_REQUEST: u64 = 4 << 20;

/// Requests that run ahead of the one whose frames are in use.
const AHEAD: usize = 2;

/// Bytes that the requests ahead ask for together; one request alone may be larger, as a frame may.
const MAX_AHEAD: u64 = AHEAD as u64 * MAX_REQUEST;

/// Largest frame in the bucket, in bytes: a frame is at most 64 MiB decompressed, and zstd adds
/// next to nothing.
const MAX_FRAME: u64 = 65 << 20;

/// The number of a frame, and the frame or what is wrong with it.
pub type OpenedFrame = (u32, Result<Frame, BucketError>);

/// Frames as they lie in the tarball, compressed.
type Pieces = Vec<(IndexFrame, Bytes)>;

/// A stream of frames of a tarball, in order.
pub struct FrameStream {
    backup: StoredBackup,
    /// Requests that have not been sent yet.
    requests: vec::IntoIter<Request>,
    flights: VecDeque<Flight>,
    /// Frames of the response that is in use.
    landed: vec::IntoIter<(IndexFrame, Bytes)>,
    fetched: Arc<AtomicU64>,
}

/// A request that was sent; dropping it ends the request.
struct Flight {
    size: u64,
    task: AbortOnDropHandle<Result<Pieces, BucketError>>,
}

impl std::fmt::Debug for FrameStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReader").field("fetched", &self.fetched()).finish_non_exhaustive()
    }
}

impl FrameStream {
    /// Returns the next frame with its number, or `None` after the last. A damaged frame is an
    /// inner error; the next frame can still be read.
    ///
    /// # Errors
    /// If the store goes on failing, the tarball ends too early, or another run has the name by
    /// now: later calls would fail as well.
    pub async fn next(&mut self) -> Result<Option<OpenedFrame>, BucketError> {
        loop {
            self.send();
            if let Some((line, bytes)) = self.landed.as_slice().first().cloned() {
                let (number, mut frame) = open(&self.backup, line, bytes).await?;
                // Only now is the frame taken: a caller that drops this future while the frame is
                // opened loses none.
                self.landed.next();
                if let Err(damage) = frame {
                    match self.backup.blame(damage).await {
                        replaced @ BucketError::Replaced { .. } => return Err(replaced),
                        damage => frame = Err(damage),
                    }
                }
                return Ok(Some((number, frame)));
            }
            let Some(flight) = self.flights.front_mut() else { return Ok(None) };
            let landed = (&mut flight.task).await;
            self.flights.pop_front();
            let worker = || BucketError::Worker { key: self.backup.parts.tarball().to_string() };
            self.landed = match landed.map_err(|_| worker())? {
                Ok(pieces) => pieces.into_iter(),
                Err(error) => return Err(self.backup.blame(error).await),
            };
        }
    }

    /// Sends further requests, up to [`AHEAD`] and [`MAX_AHEAD`].
    fn send(&mut self) {
        while self.flights.len() < AHEAD
            && let Some(request) = self.requests.as_slice().first()
        {
            let size = request.range.end - request.range.start;
            let ahead: u64 = self.flights.iter().map(|flight| flight.size).sum();
            if ahead > 0 && ahead + size > MAX_AHEAD {
                return;
            }
            let fetch = fetch(self.backup.clone(), request.clone(), Arc::clone(&self.fetched));
            self.flights.push_back(Flight { size, task: AbortOnDropHandle::new(tokio::spawn(fetch)) });
            self.requests.next();
        }
    }

    /// Returns the number of bytes of the tarball that were fetched so far.
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }
}

impl StoredBackup {
    /// Returns a stream of frames of the tarball, in the order of `wanted`, which should be that of
    /// the index.
    ///
    /// # Errors
    /// If a line claims what no honest index does. Nothing is fetched before the first
    /// [`FrameStream::next`].
    pub fn frames(&self, wanted: Vec<IndexFrame>) -> Result<FrameStream, BucketError> {
        let key = self.parts.tarball();
        let end = self.object(key).map(|tarball| tarball.size);
        for line in &wanted {
            if let Some(problem) = objection(line, end) {
                return Err(self.corrupt(self.parts.index(), None, problem));
            }
        }
        Ok(FrameStream {
            backup: self.clone(),
            requests: coalesce(wanted).into_iter(),
            flights: VecDeque::new(),
            landed: Vec::new().into_iter(),
            fetched: Arc::default(),
        })
    }
}

/// Frames that are fetched in one request.
#[derive(Clone, Debug, PartialEq)]
struct Request {
    range: Range<u64>,
    lines: Vec<IndexFrame>,
}

/// Returns why an index line cannot be true of a tarball of `end` bytes (`None`: unknown size), or
/// `None` if it can.
pub(super) fn objection(line: &IndexFrame, end: Option<u64>) -> Option<String> {
    let number = line.frame;
    match line.at.checked_add(line.len) {
        _ if line.len > MAX_FRAME => {
            Some(format!("frame {number} claims {} bytes, more than any frame has", line.len))
        }
        None => Some(format!("frame {number} claims to lie at byte {}, beyond any file", line.at)),
        Some(to) => end.filter(|end| to > *end).map(|end| {
            format!("frame {number} claims bytes {} to {to} of a tarball of {end} bytes", line.at)
        }),
    }
}

/// Puts neighbouring frames into one request; bytes between them are fetched and thrown away if
/// they are few.
fn coalesce(wanted: Vec<IndexFrame>) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for line in wanted {
        let (from, to) = (line.at, line.at.saturating_add(line.len));
        match requests.last_mut() {
            Some(last)
                if from >= last.range.end
                    && from - last.range.end <= MAX_GAP
                    && to - last.range.start <= MAX_REQUEST =>
            {
                last.range.end = to;
                last.lines.push(line);
            }
            _ => requests.push(Request { range: from..to, lines: vec![line] }),
        }
    }
    requests
}

/// Fetches the byte range of a request and cuts it into its frames.
async fn fetch(
    backup: StoredBackup,
    request: Request,
    fetched: Arc<AtomicU64>,
) -> Result<Pieces, BucketError> {
    let Request { range, lines } = request;
    let (store, key) = (Arc::clone(&backup.bucket.store), backup.parts.tarball().clone());
    let mut body = Resumed::new(store, key, Some(range.clone()));
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await? {
        fetched.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if bytes.is_empty() {
            bytes.reserve(length);
        }
        bytes.extend_from_slice(&chunk);
        if bytes.len() > length {
            return Err(backup.corrupt(
                backup.parts.tarball(),
                Some(range.end),
                "more bytes came than were asked for",
            ));
        }
    }
    let bytes = bytes.freeze();
    let mut pieces = Vec::with_capacity(lines.len());
    for line in lines {
        // Both fit into `usize`: the range is at most a frame or a request long.
        let from = usize::try_from(line.at - range.start).unwrap_or(usize::MAX);
        let piece = usize::try_from(line.len)
            .ok()
            .and_then(|len| from.checked_add(len))
            .filter(|to| *to <= bytes.len())
            .map(|to| bytes.slice(from..to));
        let Some(piece) = piece else {
            return Err(backup.corrupt(backup.parts.tarball(), Some(line.at), "it ends inside a frame"));
        };
        pieces.push((line, piece));
    }
    Ok(pieces)
}

/// Decompresses and checks a frame on a blocking thread, where it does not hold up the network.
async fn open(backup: &StoredBackup, line: IndexFrame, bytes: Bytes) -> Result<OpenedFrame, BucketError> {
    let (number, at) = (line.frame, line.at);
    let opened = tokio::task::spawn_blocking(move || archive::open_frame(&line, &bytes)).await;
    match opened {
        Ok(Ok(frame)) => Ok((number, Ok(frame))),
        Ok(Err(source)) => Ok((number, Err(backup.damaged(backup.parts.tarball(), Some(at), source)))),
        Err(_) => Err(BucketError::Worker { key: backup.parts.tarball().to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(frame: u32, at: u64, len: u64) -> IndexFrame {
        IndexFrame { frame, at, len, raw: 1, sha256: String::new() }
    }

    #[test]
    fn neighbours_are_fetched_together_up_to_a_bound() {
        let near = MAX_GAP;
        let requests = coalesce(vec![
            line(0, 0, 100),
            line(1, 100, 100),
            line(2, 200 + near, 100),
            line(3, 301 + near * 2, 100),
            line(4, 401 + near * 2, MAX_REQUEST),
        ]);
        let shape: Vec<_> = requests.iter().map(|r| (r.range.clone(), r.lines.len())).collect();
        assert_eq!(
            shape,
            [
                (0..300 + near, 3),
                (301 + near * 2..401 + near * 2, 1),
                (401 + near * 2..401 + near * 2 + MAX_REQUEST, 1)
            ]
        );
    }

    #[test]
    fn a_frame_that_claims_too_much_is_told_before_anything_is_fetched() {
        assert!(objection(&line(0, 0, 1 << 40), None).is_some());
        assert!(objection(&line(0, u64::MAX, 1), None).is_some());
        assert!(objection(&line(0, 10, 11), Some(20)).is_some());
        assert_eq!(objection(&line(0, 10, 10), Some(20)), None);
    }
}
