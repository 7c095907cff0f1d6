//! Backups and restores in a bucket: their keys, the commit that makes a run exist, and the way in
//! which a run is read back.
//!
//! Writing: [`Bucket::claim_backup`] takes a name and yields an [`Attempt`], which alone may write
//! the keys of that name ([`Attempt::upload`], [`Attempt::put`]) and ends in [`Attempt::commit`] or
//! [`Attempt::discard`].
//!
//! Reading: [`Bucket::open_backup`] reads the document first; the [`StoredRun`] that it returns
//! reads the index, and of the tarball only the frames that are wanted. [`Bucket::list_backups`]
//! tells complete runs from partial and foreign ones.
//!
//! `obligations` holds what runs have yet to undo outside of the bucket.
//!
//! Restores are stored in the same way below another folder. The keys are in [`layout`], the small
//! documents in [`documents`].

mod adopt;
mod attempt;
mod attempt_id;
mod claim;
pub mod documents;
mod entries;
mod error;
mod frames;
mod handle;
mod identity;
mod index;
mod integrity;
pub mod layout;
mod listing;
mod newest;
mod obligations;
mod parts;
mod process;
mod proof;
mod read;
mod reader;
mod readers;
mod record;
mod remove;
mod run_entry;
mod run_folder;
mod run_identity;
mod standalone;
mod upload;
mod verify;

pub use handle::Bucket;

pub use crate::api::StoredObject;
pub use adopt::{ADOPTED, Adoption};
pub use attempt::Attempt;
pub use attempt_id::AttemptId;
pub use documents::{Claim, HEARTBEAT_EVERY, LocationDocument, REMOVAL_LASTS};
pub use error::{BucketError, Taker};
pub use frames::{FrameStream, OpenedFrame};
pub use identity::vouch_alike;
pub use integrity::OnBytes;
pub use layout::{Part, RunKeys, RunKind, Writer};
pub use listing::{ListedRun, Stamp};
pub use newest::Newest;
pub use obligations::{ListedObligations, ObligationStamp, StoredObligations};
pub use parts::{PartKeys, longest_file, longest_key};
pub use process::Process;
pub use read::{StoredBackup, StoredRestore, StoredRun};
pub use reader::Reader;
pub use record::RunDocument;
pub use run_entry::{RunEntry, RunState};
pub use run_identity::RunIdentity;
pub use standalone::{DescribeItem, IndexMetadata};
pub use upload::HashingUpload;
pub use verify::{Problem, VerifyReport};

#[cfg(test)]
pub(crate) mod tests;
