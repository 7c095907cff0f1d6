//! MongoDB around a backup: members locked in the order that their topology asks for.
//!
//! 1. [`MongoLogin`] says how to connect: seeds, credentials, TLS.
//! 2. [`lock()`] asks a seed for the topology (`topology.rs`), chooses a member of each replica set
//!    (`choice.rs`, pure) and locks it (`member_lock.rs`); of a sharded cluster the balancer is
//!    stopped before that and the config servers are marked (`balancer.rs`, `marker.rs`).
//! 3. [`DeploymentLock`] is what the caller holds during its cut. It is released part by part, and
//!    by itself when it is dropped or its time is up.
//!
//! Each change is announced to a [`MongoLedger`] before it is made, as a [`MongoUndo`]; [`undo()`]
//! undoes one, also from another process. Every command has a deadline, and no password is in any
//! error or `Debug` output.

mod balancer;
mod catch_up;
mod choice;
mod connection;
mod deployment;
mod error;
mod login;
mod marker;
mod member_lock;
mod operations;
mod record;
mod replies;
mod topology;
mod undo;
mod unlock;

pub use catch_up::wait_until_caught_up;
pub use choice::{HiddenMembers, MemberSelector};
pub use deployment::{DeploymentLock, LockRequest, lock};
pub use error::MongoError;
pub use login::{MongoCertificates, MongoLogin};
pub use member_lock::LockEnd;
pub use record::{LedgerError, MongoLedger, MongoUndo};
pub use undo::undo;
pub use unlock::Unlocked;
