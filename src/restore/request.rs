//! What a restore is asked for.

use std::collections::BTreeMap;

use crate::api::{Origin, RestoreSpec, Timestamp};
use crate::bucket::RunIdentity;
use crate::cluster::ClusterIdentity;
use crate::model::{BackupName, RestoreName};

/// Items that are under way at most, where nobody says how many: how many creates, follows the API server's answers.
pub const MOST_PARALLEL: usize = 256;

/// What to restore, under which name, on whose behalf.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// The name, unique in the bucket.
    pub name: RestoreName,
    /// From which backup, which items, how changed.
    pub spec: RestoreSpec,
    /// The backup, where it has been chosen already; else the specification says which, and a Schedule's newest is looked for.
    pub backup: Option<BackupName>,
    /// The run that this backup must be, where somebody knows it; another one of its name is not restored.
    pub source: Option<RunIdentity>,
    /// The labels of the Restore, which its document keeps.
    pub labels: BTreeMap<String, String>,
    /// The uid of the Restore; the same for every attempt at it.
    pub uid: String,
    /// The namespace of the Restore; none where there is no such object.
    pub namespace: Option<String>,
    /// The identity of the location, as far as it is known; cluster and run are those of this request.
    pub origin: Origin,
    /// Who runs it, for whoever finds the claim: host and process.
    pub holder: String,
    /// Which cluster it goes into.
    pub cluster: ClusterIdentity,
    /// The namespace of the server that acts there, this one or another: a restore leaves it as it is.
    pub server: Option<String>,
    /// When the first attempt began; this one begins now where it is the first.
    pub began: Option<Timestamp>,
    /// Which attempt this is, from 1. From the second on, what carries this restore's labels was made by an earlier one and
    /// counts as restored.
    pub attempt: u32,
    /// Whether another attempt goes on where this one is stopped: then it keeps its claim, and nothing is recorded yet.
    pub goes_on: bool,
    /// Whether the bucket keeps a record of it; false for a location that must not be written to.
    pub record: bool,
    /// Creates that are under way at once; 0: as many as the API server answers soonest, up to [`MOST_PARALLEL`].
    pub parallel: usize,
}
