//! Verifying a backup: every object is compared with the document, every frame and item with the
//! index, in one pass.
//!
//! Damage is data: each problem names key and offset, and verifying goes on behind it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use futures::stream::StreamExt as _;

use crate::archive::{self, Frame, IndexFrame, IndexItem, IndexLine, IndexedResource};
use crate::model::{BackupName, Category, GroupResource, causes};
use crate::store::{ObjectKey, Resumed, StoreError};

use super::frames::objection;
use super::integrity::{CheckedBody, OnBytes};
use super::read::StoredBackup;
use super::standalone::DescribeItem;
use super::{Bucket, BucketError, RunDocument as _, RunKeys};

/// Problems that are kept; without a bound a tarball of noise would fill the memory.
const MAX_PROBLEMS: usize = 1000;

/// The result of verifying a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Objects that were read, the document included.
    pub objects: u64,
    /// Frames of the tarball that were opened.
    pub frames: u64,
    /// Items that were compared with the index.
    pub items: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Problems, up to 1000 of them.
    pub problems: Vec<Problem>,
    /// Number of problems beyond those in `problems`.
    pub more_problems: u64,
}

/// One problem of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key of the object.
    pub key: String,
    /// The byte offset in the object; `None` if it is not known.
    pub offset: Option<u64>,
    /// The problem, in a sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            // Most errors name their object in their own text.
            None if self.message.starts_with(&self.key) => f.write_str(&self.message),
            Some(offset) => write!(f, "{} at byte {offset}: {}", self.key, self.message),
            None => write!(f, "{}: {}", self.key, self.message),
        }
    }
}

impl VerifyReport {
    /// Returns whether there are no problems.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds a problem, or only counts it beyond [`MAX_PROBLEMS`].
    fn add(&mut self, key: &ObjectKey, offset: Option<u64>, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { key: key.to_string(), offset, message: message.into() });
        } else {
            self.more_problems += 1;
        }
    }
}

impl Bucket {
    /// Reads everything of a complete backup once and compares it. Memory grows only by some bytes
    /// for each item. `describe` finds in a body what the index says of it; `on_bytes` is called
    /// with each number of bytes read.
    ///
    /// # Errors
    /// If there is no such complete backup, if the store cannot be read, or if another run has the
    /// name by now; damage is in the report.
    pub async fn verify(
        &self,
        name: &BackupName,
        describe: DescribeItem,
        on_bytes: OnBytes<'_>,
    ) -> Result<VerifyReport, BucketError> {
        let mut report = VerifyReport { objects: 1, ..VerifyReport::default() };
        let backup = match self.open_backup(name).await {
            Ok(backup) => backup,
            Err(error) if error.category() == Category::Corrupt => {
                let keys = RunKeys::backup(name)?;
                report.add(keys.document(), None, causes(&error));
                return Ok(report);
            }
            Err(error) => return Err(error),
        };
        let mut walk =
            Verifier { backup, report, on_bytes, describe, kinds: Arc::default(), items: Vec::new() };
        walk.check_siblings().await?;
        walk.check_items().await?;
        walk.check_document().await?;
        Ok(walk.report)
    }
}

struct Verifier<'a> {
    backup: StoredBackup,
    report: VerifyReport,
    on_bytes: OnBytes<'a>,
    describe: DescribeItem,
    /// The kinds in the header of the index.
    kinds: Arc<HashMap<GroupResource, IndexedResource>>,
    items: Vec<IndexItem>,
}

impl Verifier<'_> {
    /// Fails with [`BucketError::Replaced`] if problems were found and another run's document is
    /// there by now: then the problems are no damage.
    async fn check_document(&self) -> Result<(), BucketError> {
        let Some(problem) = self.report.problems.first() else { return Ok(()) };
        let (key, location) = (problem.key.clone(), self.backup.bucket.describe());
        let found = BucketError::Corrupt { key, location, offset: None, problem: problem.message.clone() };
        match self.backup.blame(found).await {
            replaced @ BucketError::Replaced { .. } => Err(replaced),
            _ => Ok(()),
        }
    }

    /// Checks every object that the document lists, except tarball and index.
    async fn check_siblings(&mut self) -> Result<(), BucketError> {
        let objects = self.backup.document().objects().to_vec();
        for object in objects {
            let key = ObjectKey::new(object.key)?;
            if key == *self.backup.parts.tarball() || key == *self.backup.parts.index() {
                continue;
            }
            let Some(mut body) = self.open(&key).await? else { continue };
            let read = body.drain(self.on_bytes).await;
            self.close(&key, &body, read)?;
            if key == *self.backup.parts.results()
                && let Err(error) = self.backup.results().await
                && error.category() == Category::Corrupt
            {
                self.report.add(&key, None, causes(&error));
            }
        }
        Ok(())
    }

    /// Reads the index and, frame by frame, the tarball, as both are in the same order.
    async fn check_items(&mut self) -> Result<(), BucketError> {
        let (index, tarball) = (self.backup.parts.index().clone(), self.backup.parts.tarball().clone());
        // A backup that failed as a whole may have neither index nor tarball.
        if !self.backup.document().has_items() && self.backup.object(&tarball).is_none() {
            return Ok(());
        }
        for key in [&index, &tarball] {
            if self.backup.object(key).is_none() {
                self.report.add(self.backup.keys.document(), None, format!("it does not list {key}"));
            }
        }
        let mut body = self.open(&tarball).await?;
        let mut readable = Ok(());
        match self.backup.index().await {
            Ok(mut lines) => {
                self.report.objects += 1;
                while let Some(line) = lines.next().await {
                    match line {
                        Ok(IndexLine::Header(header)) => {
                            let kinds = header.kinds.into_iter().map(|info| (info.resource.clone(), info));
                            self.kinds = Arc::new(kinds.collect());
                        }
                        Ok(IndexLine::Item(item)) => self.items.push(item),
                        Ok(IndexLine::Frame(line)) => {
                            if let (Some(body), Ok(())) = (&mut body, &readable) {
                                readable = self.check_frame(body, line).await?;
                            }
                            self.items.clear();
                        }
                        Err(error) => self.damage(&index, error)?,
                    }
                }
            }
            Err(error) => self.damage(&index, error)?,
        }
        if !self.items.is_empty() {
            self.report.add(&index, None, "items at its end belong to no frame");
        }
        if let Some(mut body) = body {
            if readable.is_ok() {
                let from = body.position;
                readable = body.drain(self.on_bytes).await;
                // After other damage, bytes are left over merely because their frames were not
                // read.
                if readable.is_ok() && body.position > from && self.report.is_sound() {
                    let stray = body.position - from;
                    self.report.add(&tarball, Some(from), format!("{stray} bytes belong to no frame"));
                }
            }
            self.close(&tarball, &body, readable)?;
        }
        Ok(())
    }

    /// Opens one frame and compares the items of the index that should be in it. The inner result
    /// is that of reading the tarball's body.
    async fn check_frame(
        &mut self,
        body: &mut CheckedBody,
        line: IndexFrame,
    ) -> Result<Result<(), StoreError>, BucketError> {
        let tarball = self.backup.parts.tarball().clone();
        if let Some(problem) = objection(&line, None) {
            self.report.add(self.backup.parts.index(), None, problem);
            return Ok(Ok(()));
        }
        if line.at != body.position {
            let problem = format!("frame {} should begin at byte {}", line.frame, body.position);
            self.report.add(&tarball, Some(line.at), problem);
            // The tarball is read as a stream, which does not go back: the frame is left out.
            if line.at < body.position {
                return Ok(Ok(()));
            }
            if let Err(error) = body.skip(line.at - body.position, self.on_bytes).await {
                return Ok(Err(error));
            }
        }
        let bytes = match body.take(line.len, self.on_bytes).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        let (at, items) = (line.at, std::mem::take(&mut self.items));
        let (describe, kinds) = (self.describe, Arc::clone(&self.kinds));
        let check =
            move || check_items(&line, &items, &bytes, |item, body| check_item(item, body, describe, &kinds));
        let checked = tokio::task::spawn_blocking(check)
            .await
            .map_err(|_| BucketError::Worker { key: tarball.to_string() })?;
        self.report.frames += 1;
        self.report.items += checked.items;
        for problem in checked.problems {
            self.report.add(&tarball, Some(at), problem);
        }
        Ok(Ok(()))
    }

    /// Opens an object; a missing one is a problem, and yields `None`.
    async fn open(&mut self, key: &ObjectKey) -> Result<Option<CheckedBody>, BucketError> {
        match Resumed::open(Arc::clone(&self.backup.bucket.store), key.clone(), None).await {
            Ok(stream) => {
                self.report.objects += 1;
                Ok(Some(CheckedBody::new(stream, self.backup.object(key))))
            }
            Err(error) if error.is_not_found() => {
                self.report.add(key, None, "it is not there");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Adds the problems of a body as a whole, once it was read.
    fn close(
        &mut self,
        key: &ObjectKey,
        body: &CheckedBody,
        read: Result<(), StoreError>,
    ) -> Result<(), BucketError> {
        self.report.bytes += body.read;
        match read {
            Ok(()) => {
                if let Some(problem) = body.check.objection() {
                    self.report.add(key, None, problem);
                }
            }
            // A body that ends early without an error is damage; a connection that breaks is an
            // error of the store.
            Err(StoreError::Truncated { source: None, .. }) => {
                self.report.add(key, Some(body.read), "it ends too early");
                if let Some(problem) = body.check.objection() {
                    self.report.add(key, None, problem);
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Adds an error to the report if it is damage; returns any other error.
    fn damage(&mut self, key: &ObjectKey, error: BucketError) -> Result<(), BucketError> {
        if error.is_not_found() {
            self.report.add(key, None, "it is not there");
            return Ok(());
        }
        if error.category() != Category::Corrupt {
            return Err(error);
        }
        self.report.add(key, None, causes(&error));
        Ok(())
    }
}

struct CheckedFrame {
    items: u64,
    problems: Vec<String>,
}

/// Opens a frame and compares its entries and items with the index, on a blocking thread.
fn check_items(
    line: &IndexFrame,
    items: &[IndexItem],
    bytes: &[u8],
    check_item: impl Fn(&IndexItem, &[u8]) -> Option<String>,
) -> CheckedFrame {
    let mut checked = CheckedFrame { items: 0, problems: Vec::new() };
    let frame = match archive::open_frame(line, bytes) {
        Ok(frame) => frame,
        Err(error) => {
            checked.problems.push(causes(&error));
            return checked;
        }
    };
    checked.problems.extend(strays(&frame, items));
    for item in items {
        checked.items += 1;
        let problem = match frame.item(item) {
            Ok(body) => check_item(item, &body),
            Err(error) => Some(causes(&error)),
        };
        if let Some(problem) = problem {
            checked.problems.push(format!("`{}`: {problem}", item.path.escape_debug()));
        }
    }
    checked
}

/// Returns how a body differs from its path and its line of the index, or `None`.
fn check_item(
    item: &IndexItem,
    body: &[u8],
    describe: DescribeItem,
    kinds: &HashMap<GroupResource, IndexedResource>,
) -> Option<String> {
    let key = match item.key() {
        Ok(key) => key,
        Err(error) => return Some(causes(&error)),
    };
    if let Err(error) = archive::check_body(&key, body) {
        return Some(causes(&error));
    }
    match describe(&key, body, kinds.get(&key.resource)).map(|metadata| metadata.differences(item)) {
        Ok(keys) if keys.is_empty() => None,
        Ok(keys) => {
            Some(format!("its line in the index does not say what its body does (keys {})", keys.join(", ")))
        }
        Err(problem) => Some(format!("its body cannot be read: {problem}")),
    }
}

/// Returns a problem for each entry that is not in the index: no selection finds it, and no restore
/// brings it back.
fn strays(frame: &Frame, items: &[IndexItem]) -> impl Iterator<Item = String> {
    let known: HashSet<&str> = items.iter().map(|item| item.path.as_str()).collect();
    frame
        .entries()
        .iter()
        .filter(move |entry| !entry.path.starts_with("metadata/") && !known.contains(entry.path.as_str()))
        .map(|entry| format!("`{}` is not in the index", entry.path.escape_debug()))
}
