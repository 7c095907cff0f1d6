//! Errors of a bucket and its contents, in words for the person on call. Pure, except that the age
//! of a heartbeat is taken from the clock.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;

use crate::archive::ArchiveError;
use crate::model::{Category, Cause, InvalidName};
use crate::store::{InvalidKey, StoreError};

use super::documents::{Claim, DEAD_AFTER_HOURS, HEARTBEAT_EVERY};
use super::layout::{RunKind, Writer};
use super::reader::Reader;
use super::run_identity::RunIdentity;

/// A holder that has not renewed its claim for so long may have died; before that, messages do not
/// advise to delete the claim.
const SILENT: Duration = HEARTBEAT_EVERY.saturating_mul(3);

/// The reason why a name is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taker {
    /// A run that is being made, or was until it died.
    Claim(Box<Claim>),
    /// A claim that cannot be read.
    UnreadableClaim,
    /// A complete run, with the cluster in which it was made, where its document says so.
    Committed {
        /// The uid of the cluster.
        cluster: Option<String>,
    },
    /// A backup that another program wrote.
    Foreign(Writer),
}

impl fmt::Display for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(claim) if claim.removing => write!(
                f,
                "{} has been removing one of that name since {}; use another name, or try again when that has ended",
                claim.holder,
                claim.claimed_at.format("%Y-%m-%d %H:%M:%S UTC"),
            ),
            Self::Claim(claim) => {
                let silent = is_silent(claim);
                let dead = "if that run has died, delete its claim.json from the bucket and try again";
                write!(
                    f,
                    "cluster {} (holder {}) has been making it since {} and last renewed its claim at {}; use another name{} (this \
                     one gets free by itself {DEAD_AFTER_HOURS} h after that)",
                    claim.cluster_uid,
                    claim.holder,
                    claim.claimed_at.format("%Y-%m-%d %H:%M:%S UTC"),
                    claim.heartbeat.format("%Y-%m-%d %H:%M:%S UTC"),
                    if silent { format!(", or, {dead}") } else { String::new() },
                )
            }
            Self::UnreadableClaim => write!(
                f,
                "its claim cannot be read; use another name, or the same one once the claim is \
                 {DEAD_AFTER_HOURS} h old"
            ),
            Self::Committed { cluster: Some(cluster) } => {
                write!(
                    f,
                    "a complete one, made in cluster {cluster}, is there; use another name, or delete it first"
                )
            }
            Self::Committed { cluster: None } => {
                f.write_str("a complete one is there; use another name, or delete it first")
            }
            Self::Foreign(writer) => write!(f, "one that {writer} wrote is there; use another name"),
        }
    }
}

/// The reason why an operation on a bucket failed.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The store failed; its message names the operation.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name or document yielded a text that cannot be an object's key.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// There is no such backup or restore.
    #[error("there is no {kind} `{name}` in {location}; `ark bucket list` shows what is there")]
    NotFound {
        /// Backup or restore.
        kind: RunKind,
        /// The name that was asked for.
        name: String,
        /// The location that was searched.
        location: String,
    },
    /// The run is not complete, or not yet.
    #[error("the {kind} `{name}` in {location} is not complete: {state}")]
    Incomplete {
        /// Backup or restore.
        kind: RunKind,
        /// The name.
        name: String,
        /// The location.
        location: String,
        /// The holder that is making it, or that it was left behind.
        state: String,
    },
    /// Another program, whose format is recognised and not read, wrote the backup.
    #[error(
        "the backup `{name}` in {location} was written by {writer}; this version of Ark lists such backups and cannot open them"
    )]
    Foreign {
        /// The name.
        name: String,
        /// The location.
        location: String,
        /// The program that wrote it.
        writer: Writer,
    },
    /// The name is in use.
    #[error("the {kind} name `{name}` is taken in {location}: {by}")]
    NameTaken {
        /// Backup or restore.
        kind: RunKind,
        /// The name.
        name: String,
        /// The location.
        location: String,
        /// The reason, with what to do.
        by: Taker,
    },
    /// A restore reads the backup that is to be removed.
    #[error("the backup `{name}` in {location} is being restored: {}", used_by(.reader))]
    InUse {
        /// The name.
        name: String,
        /// The location.
        location: String,
        /// The restore that reads it.
        reader: Box<Reader>,
    },
    /// Our claim is no longer ours: another process took the name over.
    #[error(
        "the claim on {kind} `{name}` in {location} was lost: {now}; nothing more of the {kind} is written or removed, since it may belong to another run by now; start again"
    )]
    ClaimLost {
        /// Backup or restore.
        kind: RunKind,
        /// The name.
        name: String,
        /// The location.
        location: String,
        /// The claim as it is now.
        now: String,
    },
    /// A failed run turned out to be committed, so that its parts must stay.
    #[error("the {kind} `{name}` in {location} is complete after all; nothing of it was removed")]
    CommittedAfterAll {
        /// Backup or restore.
        kind: RunKind,
        /// The name.
        name: String,
        /// The location.
        location: String,
    },
    /// The run under the name is not the one that an object of the cluster stands for.
    #[error(
        "{kind} `{name}` in {location} is another run than {kind} `{name}` in this cluster: it was {found}, and the one here was {meant}; nothing was read or changed; the server shows the one there within its sync period (a minute, unless set otherwise): look at that one, and try again"
    )]
    AnotherRun {
        /// Backup or restore.
        kind: RunKind,
        /// The name of both.
        name: String,
        /// The location of the other run.
        location: String,
        /// The run that is there.
        found: Box<RunIdentity>,
        /// The run that was meant.
        meant: Box<RunIdentity>,
    },
    /// A run was replaced or removed while it was read.
    #[error(
        "{kind} `{name}` in {location} was replaced or removed while it was read: {now}; look at what is there now, and try again"
    )]
    Replaced {
        /// Backup or restore.
        kind: RunKind,
        /// The name.
        name: String,
        /// The location.
        location: String,
        /// The run that is there now.
        now: String,
    },
    /// An object does not hold what it should.
    #[error("{key} in {location} is damaged{}: {problem}", at(*.offset))]
    Corrupt {
        /// The object.
        key: String,
        /// The location.
        location: String,
        /// The byte offset in it, where known.
        offset: Option<u64>,
        /// The problem.
        problem: String,
    },
    /// A tarball, frame or index does not hold what it should.
    #[error("{key} in {location} is damaged{}", at(*.offset))]
    Archive {
        /// The object or file.
        key: String,
        /// The location.
        location: String,
        /// The byte offset of the frame, where known.
        offset: Option<u64>,
        /// The problem, and its position.
        #[source]
        source: Box<ArchiveError>,
    },
    /// A document is JSON of another shape.
    #[error("{key} in {location} is not the document that it should be")]
    Document {
        /// The object or file.
        key: String,
        /// The location.
        location: String,
        /// The cause: what does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// A newer Ark wrote it.
    #[error(
        "{key} in {location} has format {found}, and this version of Ark reads up to {known}; use a newer Ark"
    )]
    NewerFormat {
        /// The object.
        key: String,
        /// The location.
        location: String,
        /// Its format.
        found: u64,
        /// The newest format that is read.
        known: u64,
    },
    /// A document of ours cannot be written.
    #[error("cannot write the document {key}")]
    Unwritable {
        /// The object.
        key: String,
        /// The reason.
        source: Cause,
    },
    /// The proof of what was written failed: readers would refuse it.
    #[error(
        "nothing was committed, because {key}, as it was written, would not be read back; this is a fault of Ark: please report it with this message"
    )]
    Unproven {
        /// The object.
        key: String,
        /// The error that readers would get.
        source: Cause,
    },
    /// A local tarball that is to be adopted cannot be read.
    #[error("cannot read the tarball {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A local tarball that is to be adopted is damaged.
    #[error("cannot adopt {}: it is damaged", path.display())]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// The problem, and its position.
        #[source]
        source: Box<ArchiveError>,
    },
    /// A local tarball that is to be adopted lacks what a backup needs.
    #[error("cannot adopt {}", path.display())]
    NotAdoptable {
        /// The file.
        path: PathBuf,
        /// The problem, and what to do.
        source: Cause,
    },
    /// The tarball's own name cannot be used in a bucket.
    #[error("cannot adopt {}; give it another name", path.display())]
    AdoptedName {
        /// The file.
        path: PathBuf,
        /// The problem of the name.
        #[source]
        source: InvalidName,
    },
    /// A background thread of this process ended early.
    #[error("a worker thread ended while reading {key}; this is a fault of Ark, or memory ran out")]
    Worker {
        /// The object or file that it was reading.
        key: String,
    },
}

fn used_by(Reader { restore, claim }: &Reader) -> String {
    format!(
        "restore `{restore}` of cluster {} (holder {}) reads it and last renewed its claim at {}; remove the backup when that restore has ended{} (its \
         claim counts for nothing {DEAD_AFTER_HOURS} h after that)",
        claim.cluster_uid,
        claim.holder,
        claim.heartbeat.format("%Y-%m-%d %H:%M:%S UTC"),
        if is_silent(claim) {
            format!(
                ", or, if that run has died, delete restores/{restore}/claim.json below the location's prefix and try again"
            )
        } else {
            String::new()
        },
    )
}

/// Returns whether the holder has not renewed its claim for so long that it may have died.
fn is_silent(claim: &Claim) -> bool {
    (Utc::now() - claim.heartbeat).to_std().is_ok_and(|since| since > SILENT)
}

fn at(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" at byte {offset}"))
}

impl BucketError {
    /// Returns the category of the error, for metrics and results.
    pub fn category(&self) -> Category {
        match self {
            Self::Store(source) => source.category(),
            Self::InvalidKey(_)
            | Self::Unwritable { .. }
            | Self::NotAdoptable { .. }
            | Self::AdoptedName { .. } => Category::Invalid,
            Self::NotFound { .. } | Self::File { .. } => Category::NotFound,
            Self::Incomplete { .. } => Category::NotReady,
            Self::NameTaken { .. }
            | Self::InUse { .. }
            | Self::ClaimLost { .. }
            | Self::CommittedAfterAll { .. }
            | Self::AnotherRun { .. }
            | Self::Replaced { .. } => Category::Conflict,
            Self::Corrupt { .. } | Self::Document { .. } => Category::Corrupt,
            Self::Archive { source, .. } | Self::DamagedFile { source, .. } => source.category(),
            Self::Foreign { .. } | Self::NewerFormat { .. } | Self::Unproven { .. } | Self::Worker { .. } => {
                Category::Other
            }
        }
    }

    /// Returns whether the run or object that was asked for is not there, which is exit code 4.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Store(source) => source.is_not_found(),
            _ => false,
        }
    }

    /// Returns whether the error means that there is no whole document under a name: none, a
    /// damaged one, or the remains of a run.
    pub fn is_of_no_run(&self) -> bool {
        let damaged = matches!(self, Self::Incomplete { .. } | Self::Corrupt { .. } | Self::Document { .. });
        damaged || self.is_not_found()
    }

    /// Returns whether the bucket as a whole cannot be used, which is exit code 6.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Store(source) if source.is_store_unusable())
    }

    /// Returns whether the name is in use, so that another name would do.
    pub fn is_name_taken(&self) -> bool {
        matches!(self, Self::NameTaken { .. })
    }

    /// Returns whether the same call may succeed when it is tried again later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(source) if source.is_retryable())
    }
}
