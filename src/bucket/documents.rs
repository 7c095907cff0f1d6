//! The small documents of a bucket: shapes, limits, encoding. Pure, except that a claim asks
//! whether its process has ended.
//!
//! Everything that is read from a bucket is bounded before it is parsed, and checked before it is
//! used.

use std::io::{BufRead, BufReader, Cursor, Read};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::attempt_id::AttemptId;
use super::process::Process;

/// The format that is written, and the newest that is read.
pub const FORMAT: u64 = 2;

/// A claim counts as dead this long after its last heartbeat: longer than any outage that its
/// holder survives.
pub const DEAD_AFTER_HOURS: i64 = 24;

/// A removal without a heartbeat for so long keeps nobody from reading any more.
pub const REMOVAL_LASTS: TimeDelta = TimeDelta::minutes(15);

/// The time between two heartbeats of a holder: long enough to cost nothing, short enough to
/// outlive a day of failures.
pub const HEARTBEAT_EVERY: std::time::Duration = std::time::Duration::from_secs(300);

/// Earlier attempts that a claim remembers: more than these do not die one after the other before
/// the run ends.
const MAX_EARLIER: usize = 16;

/// Largest claim or location document in bytes; honest ones take a few hundred.
pub(super) const MAX_CLAIM: u64 = 64 << 10;

/// Largest Backup or Restore document in bytes: roughly the limit of etcd for an object.
pub const MAX_DOCUMENT: u64 = 1 << 20;

/// Largest compressed document (results, log) in bytes; a run's log is cut at 4 MiB.
pub(super) const MAX_COMPRESSED: u64 = 32 << 20;

/// Largest results in bytes once decompressed: ten thousand findings of some kilobytes.
const MAX_RESULTS: u64 = 64 << 20;

/// Most text of a log in bytes: 4 MiB compressed hold less than this, unless they were made to
/// expand.
const MAX_LOG_TEXT: u64 = 1 << 30;

/// Largest zstd window, as a power of two: our writer uses less, a hostile one could ask for
/// gigabytes.
const MAX_WINDOW_LOG: u32 = 23;

/// Compression level: fast, and small enough for documents of some kilobytes.
const LEVEL: i32 = 3;

/// The identity of a location, which its first writer puts there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationDocument {
    /// A UUID that no other location has.
    pub id: String,
    /// The newest format of the runs in the location.
    pub format: u64,
    /// When the first writer created the identity.
    pub created_at: DateTime<Utc>,
}

/// The lock of a name: which process is making or removing a backup or restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The uid of the Backup or Restore that is being made; the same uid takes its own claim over.
    pub backup_uid: String,
    /// The uid of the cluster in which the run is made.
    pub cluster_uid: String,
    /// The namespace of that Backup or Restore; `None` for a run of a command line, which has no
    /// such object, and in claims of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The process as people read it: pod or host, and process id.
    pub holder: String,
    /// The process as the next one on the same machine reads it, to find out whether it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Box<Process>>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When this attempt began.
    pub claimed_at: DateTime<Utc>,
    /// When its holder last renewed it.
    pub heartbeat: DateTime<Utc>,
    /// Whether the run is being removed; anyone may finish a removal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removing: bool,
    /// The folder of this attempt's parts; `None` in claims of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<AttemptId>,
    /// The folders of the attempts before it, of whose uploads something may be left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<AttemptId>,
    /// The name of the backup that a restore reads: while this claim is alive, nobody removes that
    /// backup. `None` for a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<String>,
}

impl Claim {
    /// Returns the claim of a first attempt that begins now, made by this process.
    pub fn new(
        backup_uid: impl Into<String>,
        cluster_uid: impl Into<String>,
        holder: impl Into<String>,
    ) -> Self {
        let now = Utc::now();
        Self {
            backup_uid: backup_uid.into(),
            cluster_uid: cluster_uid.into(),
            namespace: None,
            holder: holder.into(),
            process: Process::current().map(Box::new),
            attempt: 1,
            claimed_at: now,
            heartbeat: now,
            removing: false,
            parts: None,
            earlier: Vec::new(),
            reads: None,
        }
    }

    /// Returns whether others may clean up after the holder: it has not renewed the claim for
    /// [`DEAD_AFTER_HOURS`], or it ran on this machine and has ended.
    pub fn is_dead(&self, now: DateTime<Utc>) -> bool {
        is_dead(self.heartbeat, now) || self.has_ended()
    }

    /// Returns whether the holder ran on this machine and has ended, for certain.
    pub fn has_ended(&self) -> bool {
        self.process.as_deref().is_some_and(Process::has_ended)
    }

    /// Returns whether somebody is removing the run now. A removal that was refused, or whose
    /// process died, leaves what it did not remove to readers, and looks for readers before it goes
    /// on.
    pub fn is_removed_now(&self, now: DateTime<Utc>) -> bool {
        self.removing && !self.has_ended() && now - self.heartbeat <= REMOVAL_LASTS
    }

    /// Returns the claim of a removal that was refused and could not be deleted: a claim that has
    /// ended and keeps nobody from anything.
    pub(super) fn given_back(self) -> Self {
        Self { heartbeat: DateTime::UNIX_EPOCH, ..self }
    }

    /// Returns whether this is the claim of a removal that was refused, as [`Claim::given_back`]
    /// marks it.
    pub(super) fn is_given_back(&self) -> bool {
        self.removing && self.heartbeat == DateTime::UNIX_EPOCH
    }

    /// Returns whether both are the same attempt of the same run by the same process.
    pub fn is_same_attempt(&self, other: &Self) -> bool {
        self.is_same_run(other)
            && self.holder == other.holder
            && (self.attempt, self.claimed_at) == (other.attempt, other.claimed_at)
            && self.parts == other.parts
    }

    /// Returns this claim as the successor of `before`, whose unfinished uploads it remembers.
    pub(super) fn succeeding(&self, before: &Self) -> Self {
        let known = before.earlier.len() + usize::from(before.parts.is_some());
        let earlier = before.earlier.iter().chain(&before.parts);
        Self { earlier: earlier.skip(known.saturating_sub(MAX_EARLIER)).cloned().collect(), ..self.clone() }
    }

    /// Returns the claim of the next attempt at the run of `before`, which begins now.
    pub(super) fn next_attempt(&self, before: &Self, now: DateTime<Utc>) -> Self {
        let attempt = before.attempt.saturating_add(1);
        let parts = self.parts.as_ref().map(|_| AttemptId::draw(attempt));
        Self { attempt, parts, claimed_at: now, heartbeat: now, ..self.succeeding(before) }
    }

    /// Returns whether both are attempts of the same run, or both removals.
    pub fn is_same_run(&self, other: &Self) -> bool {
        self.backup_uid == other.backup_uid
            && self.cluster_uid == other.cluster_uid
            && self.removing == other.removing
    }
}

/// Returns whether a holder that was last alive at `since` counts as dead.
pub(super) fn is_dead(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(since) > TimeDelta::hours(DEAD_AFTER_HOURS)
}

/// Returns a document as JSON in one zstd frame, as results are stored.
///
/// # Errors
/// If the document is no JSON, for example because a map has keys that are no strings.
pub fn encode_compressed<T: Serialize>(document: &T) -> std::io::Result<Bytes> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    serde_json::to_writer(&mut encoder, document)?;
    encoder.finish().map(Bytes::from)
}

/// Parses what [`encode_compressed`] made; the error says what does not fit.
pub fn decode_compressed<T: DeserializeOwned>(compressed: &[u8]) -> Result<T, String> {
    let mut text = Vec::new();
    decompressor(compressed)
        .and_then(|reader| reader.take(MAX_RESULTS + 1).read_to_end(&mut text))
        .map_err(|error| format!("it is not a whole zstd stream ({error})"))?;
    if text.len() as u64 > MAX_RESULTS {
        return Err(format!("it holds more than {MAX_RESULTS} bytes once decompressed"));
    }
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

/// Returns a reader of a compressed log's text, which is decompressed as it is read.
pub(super) fn open_log(compressed: Bytes) -> std::io::Result<Box<dyn BufRead + Send>> {
    let reader = decompressor(Cursor::new(compressed))?;
    Ok(Box::new(BufReader::new(reader.take(MAX_LOG_TEXT))))
}

/// Decompresses a stream to its end, where its checksum is compared, and keeps nothing of it.
pub(super) fn pass_through(compressed: &[u8]) -> std::io::Result<()> {
    std::io::copy(&mut decompressor(compressed)?, &mut std::io::sink()).map(|_| ())
}

/// Returns a decoder that refuses larger windows than [`MAX_WINDOW_LOG`].
fn decompressor<R: Read>(
    compressed: R,
) -> std::io::Result<zstd::stream::read::Decoder<'static, BufReader<R>>> {
    let mut decoder = zstd::stream::read::Decoder::new(compressed)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

/// Returns the bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Category, Finding, Results};

    #[test]
    fn results_survive_the_bucket_and_a_cut_is_told() {
        let mut results = Results::default();
        results.add(Finding::error(Category::Forbidden, "no"));
        let bytes = encode_compressed(&results).unwrap();
        assert_eq!(decode_compressed::<Results>(&bytes), Ok(results));
        for end in 0..bytes.len() {
            assert!(decode_compressed::<Results>(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn results_of_a_disaster_are_read_back() {
        let mut results = Results::default();
        for number in 0..crate::model::MAX_FINDINGS {
            results.add(Finding::error(
                Category::Invalid,
                format!("{number} {}", "\u{7f}\u{1}xy".repeat(2 << 10)),
            ));
        }
        let bytes = encode_compressed(&results).unwrap();
        assert!(bytes.len() as u64 <= MAX_COMPRESSED);
        assert_eq!(decode_compressed::<Results>(&bytes), Ok(results));
    }

    #[test]
    fn a_document_that_blows_up_is_refused() {
        let bomb = zstd::bulk::compress(&vec![b' '; usize::try_from(MAX_RESULTS).unwrap() + 2], 1).unwrap();
        assert!(decode_compressed::<Results>(&bomb).is_err());
    }

    #[test]
    fn a_claim_dies_a_day_after_its_last_heartbeat() {
        let claim = Claim::new("uid", "cluster", "host/1");
        assert!(!claim.is_dead(claim.heartbeat + TimeDelta::hours(DEAD_AFTER_HOURS)));
        assert!(claim.is_dead(claim.heartbeat + TimeDelta::hours(DEAD_AFTER_HOURS) + TimeDelta::seconds(1)));
    }

    #[test]
    fn what_a_claim_need_not_say_it_does_not_say_and_a_claim_without_it_is_read() {
        let claim = Claim::new("uid", "cluster", "host/1");
        let written = serde_json::to_value(&claim).unwrap();
        assert_eq!(written["backupUid"], "uid");
        for field in ["removing", "namespace", "reads", "earlier"] {
            assert_eq!(written.get(field), None, "{field}");
        }
        assert_eq!(serde_json::from_value::<Claim>(written).unwrap(), claim);
        let of_an_object = Claim { namespace: Some("heptio-ark".into()), ..claim };
        let written = serde_json::to_value(&of_an_object).unwrap();
        assert_eq!(written["namespace"], "heptio-ark");
        assert_eq!(serde_json::from_value::<Claim>(written).unwrap(), of_an_object);
    }

    #[test]
    fn a_claim_remembers_the_attempts_before_it_and_not_without_a_bound() {
        let first = Claim { parts: Some(AttemptId::draw(1)), ..Claim::new("uid", "cluster", "host/1") };
        let second = first.next_attempt(&first, Utc::now());
        assert_eq!((second.attempt, second.earlier.as_slice()), (2, first.parts.as_slice()));
        assert!(!second.is_same_attempt(&first) && second.is_same_run(&first));
        let mut last = second;
        for _ in 0..2 * MAX_EARLIER {
            last = last.next_attempt(&last, Utc::now());
        }
        assert_eq!(last.earlier.len(), MAX_EARLIER);
        assert!(!last.earlier.contains(last.parts.as_ref().unwrap()));
        let again: Claim = serde_json::from_str(&serde_json::to_string(&last).unwrap()).unwrap();
        assert_eq!(again, last);
    }

    #[test]
    fn hexadecimal_digits_are_two_a_byte() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
