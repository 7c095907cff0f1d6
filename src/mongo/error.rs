//! Errors between Ark and MongoDB, in words for a person, each with a category for the results.
//!
//! What the driver says goes through [`MongoError::of_driver`], which keeps the message and drops
//! what the driver repeats of replies and topologies.

use std::time::Duration;

use mongodb::error::{Error as DriverError, ErrorKind};

use crate::model::Category;

/// The server's code for a request that the user may not make.
const UNAUTHORIZED: i32 = 13;
/// The server's code for credentials that are wrong.
const AUTHENTICATION_FAILED: i32 = 18;

/// A failure between Ark and MongoDB.
#[derive(Debug, thiserror::Error)]
pub enum MongoError {
    /// The URI cannot be understood.
    #[error(
        "cannot use the MongoDB URI: {cause}; its form is \
         mongodb://USER:PASSWORD@HOST:PORT,HOST:PORT/?OPTION=VALUE, with user and password URL-encoded"
    )]
    Uri {
        /// The fault, without the user and the password.
        cause: String,
    },
    /// A text holds no certificate or key.
    #[error("cannot use the certificates for MongoDB: {lacks} cannot be read as PEM text")]
    Pem {
        /// What cannot be read.
        lacks: &'static str,
    },
    /// The certificates cannot be handed to the driver, which takes files only.
    #[error("cannot write the MongoDB certificates to a temporary folder; check that TMPDIR can be written")]
    Certificates(#[source] std::io::Error),
    /// Nothing could be asked of the server.
    #[error(
        "cannot reach MongoDB at {host} to {doing}: {cause}; check that the address is right from here, \
         that the server runs, and that its certificate is valid"
    )]
    Unreachable {
        /// The address, `host:port`.
        host: String,
        /// The step, as an infinitive.
        doing: &'static str,
        /// The fault.
        cause: String,
    },
    /// The server does not know the user, or the password is wrong.
    #[error("MongoDB at {host} refuses the credentials: {cause}; check user, password and authSource")]
    Credentials {
        /// The address, `host:port`.
        host: String,
        /// The server's words.
        cause: String,
    },
    /// The server answered with an error.
    #[error("MongoDB at {host} refused to {doing}: {cause} (code {code}){}", advice(*code))]
    Refused {
        /// The address, `host:port`.
        host: String,
        /// The step, as an infinitive.
        doing: &'static str,
        /// The server's number for the error.
        code: i32,
        /// The server's words.
        cause: String,
    },
    /// No answer came within the deadline.
    #[error(
        "MongoDB at {host} did not {doing} within {}; a long operation or a full disk may hold it up",
        humantime::format_duration(*after)
    )]
    Late {
        /// The address, `host:port`.
        host: String,
        /// The step, as an infinitive.
        doing: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The answer is not what a MongoDB server sends.
    #[error("cannot understand what MongoDB at {host} answered to {doing}: {cause}")]
    Reply {
        /// The address, `host:port`.
        host: String,
        /// The step, as an infinitive.
        doing: &'static str,
        /// The fault.
        cause: String,
    },
    /// Another member answers at the address.
    #[error(
        "at {asked} answers the member {answered}; the addresses in the configuration of the replica set \
         must lead to their own members from here"
    )]
    WrongMember {
        /// The address in the configuration.
        asked: String,
        /// The member's own name.
        answered: String,
    },
    /// No member may be locked.
    #[error("no member of the replica set {set} can be locked: {objections}{advice}")]
    NoMember {
        /// The name of the set.
        set: String,
        /// Each member with the reason against it.
        objections: String,
        /// What would change that.
        advice: &'static str,
    },
    /// With the member locked, the set could not acknowledge writes by its majority.
    #[error(
        "{host} is not locked: the replica set {set} would keep {left} members that acknowledge writes, \
         and its majority is {majority}; bring more members up, or add a hidden member without votes"
    )]
    MajorityLost {
        /// The name of the set.
        set: String,
        /// The member that was chosen.
        host: String,
        /// Healthy members with data and a vote beside it.
        left: usize,
        /// How many the set needs.
        majority: usize,
    },
    /// Somebody else holds a lock of the member.
    #[error(
        "somebody else holds the fsync lock of {host}; wait for the end of that backup, or, where nobody \
         needs the lock any more, release it with db.fsyncUnlock()"
    )]
    ForeignLock {
        /// The member.
        host: String,
    },
    /// The time of the lock was up before its caller released it.
    #[error(
        "{host} was released after {}, before the instant of the backup was over: the time of its lock was up; \
         allow it more (maxLockDuration)",
        humantime::format_duration(Duration::from_millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
    )]
    LockExpired {
        /// The member.
        host: String,
        /// How long it was locked.
        after: Duration,
    },
    /// The lock was gone before its caller released it.
    #[error(
        "{host} had lost its lock by the end of the instant of the backup, since it was restarted or somebody \
         released it; run the backup again"
    )]
    LockLost {
        /// The member.
        host: String,
    },
    /// The member is still locked after many tries.
    #[error(
        "cannot unlock {host}, which takes no writes meanwhile: {cause}; \
         release the lock with db.fsyncUnlock() once the member answers, or restart it"
    )]
    StillLocked {
        /// The member.
        host: String,
        /// The fault of the last try.
        cause: String,
    },
    /// The balancer was started during the backup.
    #[error(
        "somebody started the balancer of {host} during the backup, so that chunks may have moved meanwhile; \
         run one backup of a cluster at a time"
    )]
    BalancerStarted {
        /// The mongos.
        host: String,
    },
    /// The balancer's round has not ended.
    #[error(
        "the balancer of {host} has not ended its round within {}; try again when less is being moved",
        humantime::format_duration(*after)
    )]
    BalancerBusy {
        /// The mongos.
        host: String,
        /// The deadline.
        after: Duration,
    },
    /// The member of the config servers has not seen the mark.
    #[error(
        "the config server {host} lags behind: the mark of this backup has not reached it within {}",
        humantime::format_duration(*after)
    )]
    MarkLate {
        /// The member.
        host: String,
        /// The deadline.
        after: Duration,
    },
    /// The member has not caught up after its lock.
    #[error(
        "{host} still lags behind its primary {} after it was unlocked; look at its replication",
        humantime::format_duration(*after)
    )]
    StillBehind {
        /// The member.
        host: String,
        /// The deadline.
        after: Duration,
    },
    /// What undoes a change cannot be stored, or removed once it is done.
    #[error("cannot {doing} the record that {undoes}")]
    Ledger {
        /// The step, as an infinitive.
        doing: &'static str,
        /// What the record is for.
        undoes: String,
        /// The fault.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The part was never locked, or is released already.
    #[error("{part} is not locked by this backup any more")]
    NotHeld {
        /// The name of the part.
        part: String,
    },
    /// A deployment could not be locked, and what was done until then could not be undone.
    #[error("{undo}; it was to be undone since {cause}")]
    NotUndone {
        /// What failed last.
        undo: Box<MongoError>,
        /// What failed first.
        cause: Box<MongoError>,
    },
    /// The task that keeps the lock is gone with its runtime.
    #[error("the task that holds the locks of MongoDB has ended early; what it held is still recorded")]
    KeeperGone,
}

/// Returns what to do about a refusal, as the end of a sentence.
fn advice(code: i32) -> &'static str {
    if code == UNAUTHORIZED {
        "; the user needs the roles hostManager, clusterMonitor and, in a sharded cluster, clusterManager"
    } else {
        ""
    }
}

impl MongoError {
    /// Translates an error of the driver.
    pub(super) fn of_driver(host: &str, doing: &'static str, error: &DriverError) -> Self {
        let host = host.to_owned();
        match &*error.kind {
            ErrorKind::Authentication { message, .. } => Self::Credentials { host, cause: message.clone() },
            ErrorKind::Command(answer) if answer.code == AUTHENTICATION_FAILED => {
                Self::Credentials { host, cause: answer.message.clone() }
            }
            ErrorKind::Command(answer) => {
                Self::Refused { host, doing, code: answer.code, cause: answer.message.clone() }
            }
            ErrorKind::InvalidResponse { message, .. } => Self::Reply { host, doing, cause: message.clone() },
            ErrorKind::ServerSelection { message, .. } => {
                Self::Unreachable { host, doing, cause: first_cause(message).to_owned() }
            }
            kind => Self::Unreachable { host, doing, cause: kind.to_string() },
        }
    }

    /// Returns whether the server itself answered, so that what was asked has not been done.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Credentials { .. })
    }

    /// Returns whether the server will say the same at the next try.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Credentials { .. } | Self::Refused { code: UNAUTHORIZED, .. })
    }

    /// Returns the error as one word in CamelCase, stable across versions, for a condition; `None`
    /// where there is nothing that a tool would tell apart.
    pub fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::ForeignLock { .. } => "ForeignLock",
            Self::MajorityLost { .. } => "MajorityLost",
            Self::NoMember { .. } => "NoMemberToLock",
            Self::StillLocked { .. } => "StillLocked",
            Self::BalancerStarted { .. } => "BalancerStarted",
            Self::LockExpired { .. } => "LockExpired",
            Self::LockLost { .. } => "LockLost",
            Self::NotUndone { undo, .. } => return undo.reason(),
            _ => return None,
        })
    }

    /// Returns the label of the error for results and metrics.
    pub fn category(&self) -> Category {
        match self {
            Self::Uri { .. } | Self::Pem { .. } => Category::Invalid,
            Self::Credentials { .. } | Self::Refused { code: UNAUTHORIZED, .. } => Category::Forbidden,
            Self::Unreachable { .. } | Self::StillLocked { .. } => Category::Unavailable,
            Self::Late { .. }
            | Self::BalancerBusy { .. }
            | Self::MarkLate { .. }
            | Self::LockExpired { .. } => Category::Timeout,
            Self::ForeignLock { .. } | Self::BalancerStarted { .. } | Self::LockLost { .. } => {
                Category::Conflict
            }
            Self::NoMember { .. } | Self::MajorityLost { .. } | Self::StillBehind { .. } => {
                Category::NotReady
            }
            Self::NotUndone { undo, .. } => undo.category(),
            Self::Certificates(_)
            | Self::NotHeld { .. }
            | Self::Refused { .. }
            | Self::Reply { .. }
            | Self::WrongMember { .. }
            | Self::Ledger { .. }
            | Self::KeeperGone => Category::Other,
        }
    }
}

/// Returns the fault of the one server of a direct connection: the driver wraps it into a
/// description of the topology, `… Error: Kind: FAULT, labels: {…`.
fn first_cause(message: &str) -> &str {
    let fault = message.split_once("Error: Kind: ").map(|(_, fault)| fault);
    fault.and_then(|fault| fault.split(", labels: ").next()).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_failed_selection_only_the_fault_is_told() {
        let told = "Server selection timeout: No available servers. Topology: { Type: Single, Servers: \
                    [ { Address: a:1, Type: Unknown, Error: Kind: I/O error: refused, labels: {}, source: None } ] }";
        assert_eq!(first_cause(told), "I/O error: refused");
        assert_eq!(first_cause("no servers"), "no servers");
    }
}
