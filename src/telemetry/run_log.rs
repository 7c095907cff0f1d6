//! The log of one run: one JSON object a line, compressed as it is written and stored beside the
//! parts of the run.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use serde::Serialize;

use crate::model::{Finding, Severity};

/// Compressed bytes that are kept at most; later lines are only traced, so that a disaster does not
/// fill the memory.
const MAX_LOG: usize = 4 << 20;

/// The last line of a log that has reached its bound.
const FULL: &str = "the log ends here, because it has grown to the size that is kept; what followed is in the log of the process that made the run, and the first findings are in the results";

/// The fastest useful level of compression: a log is written while items wait.
const LEVEL: i32 = 1;

/// The lines of the bucket's `logs.ndjson.zst`; each line is traced as well, with the name of the
/// run.
#[derive(Debug)]
pub struct RunLog {
    run: String,
    lines: Mutex<LogEncoder>,
}

struct LogEncoder {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    full: bool,
}

impl std::fmt::Debug for LogEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("full", &self.full).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'a Finding>,
}

impl RunLog {
    /// Creates an empty log of the run called `run` (`backup nightly`).
    ///
    /// # Errors
    /// If the compressor cannot be set up, which only a lack of memory explains.
    pub fn new(run: impl Into<String>) -> std::io::Result<Self> {
        Ok(Self { run: run.into(), lines: Mutex::new(LogEncoder { encoder: encoder()?, full: false }) })
    }

    /// Logs a step of the run.
    pub fn info(&self, message: &str) {
        tracing::info!(run = self.run, "{message}");
        self.write(&Line { time: now(), level: "info", message, finding: None });
    }

    /// Logs a finding: a warning or an error about an item, a kind or the run.
    pub fn finding(&self, finding: &Finding) {
        let message = finding.to_string();
        let level = match finding.severity {
            Severity::Warning => {
                tracing::warn!(run = self.run, category = %finding.category, "{message}");
                "warning"
            }
            Severity::Error => {
                tracing::error!(run = self.run, category = %finding.category, "{message}");
                "error"
            }
        };
        self.write(&Line { time: now(), level, message: &message, finding: Some(finding) });
    }

    /// Returns the lines so far as one zstd frame of NDJSON; later lines are only traced.
    ///
    /// # Errors
    /// If the compressor fails, which only a lack of memory explains.
    pub fn finish(&self) -> std::io::Result<Bytes> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.full = true;
        std::mem::replace(&mut lines.encoder, encoder()?).finish().map(Bytes::from)
    }

    fn write(&self, line: &Line<'_>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.full {
            return;
        }
        // Writing into memory does not fail; if it did, the line would have been traced already.
        lines.full = lines.add(line).is_err();
        if lines.encoder.get_ref().len() > MAX_LOG {
            let _ = lines.add(&Line { time: now(), level: "warning", message: FULL, finding: None });
            lines.full = true;
        }
    }
}

impl LogEncoder {
    fn add(&mut self, line: &Line<'_>) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.encoder.write_all(&text)
    }
}

fn encoder() -> std::io::Result<zstd::stream::write::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Category, GroupResource};

    #[test]
    fn a_log_that_is_cut_says_so_in_its_last_line() {
        let log = RunLog::new("backup a").unwrap();
        let mut state = 1_u64;
        for _ in 0..(MAX_LOG / 2000) {
            let noise: String = (0..500)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    format!("{:016x}", state ^ (state >> 29))
                })
                .collect();
            log.info(&noise);
        }
        let stored = log.finish().unwrap();
        assert!(stored.len() < MAX_LOG + (1 << 20), "{}", stored.len());
        let text = zstd::decode_all(&*stored).unwrap();
        let last = text.strip_suffix(b"\n").unwrap().rsplit(|byte| *byte == b'\n').next().unwrap();
        let last: serde_json::Value = serde_json::from_slice(last).unwrap();
        assert_eq!(last["message"], FULL);
        // Its checksum shows a change of any byte.
        let mut changed = stored.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(zstd::decode_all(&*changed).is_err());
    }

    #[test]
    fn a_log_reads_back_line_by_line() {
        let log = RunLog::new("backup a").unwrap();
        log.info("listing");
        log.finding(&Finding::error(Category::Forbidden, "no").on_kind(GroupResource::parse("pods")));
        let text = zstd::decode_all(&*log.finish().unwrap()).unwrap();
        let lines: Vec<serde_json::Value> = text
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "listing");
        assert_eq!(lines[1]["finding"]["category"], "forbidden");
        assert_eq!(lines[1]["level"], "error");
    }
}
