//! What a backup is asked for, and what comes of it.

use std::collections::BTreeMap;

use crate::api::{Backup, BackupSpec, Origin};
use crate::cluster::ClusterIdentity;
use crate::model::{BackupName, Results};

/// What to back up, under which name, on whose behalf.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// The name, unique in the bucket.
    pub name: BackupName,
    /// What to take.
    pub spec: BackupSpec,
    /// The labels of the Backup, which its document keeps.
    pub labels: BTreeMap<String, String>,
    /// The uid of the Backup; the same for every attempt at it.
    pub uid: String,
    /// The namespace of the Backup; none where there is no such object.
    pub namespace: Option<String>,
    /// The identity of the location and the Schedule, as far as they are known; cluster and run are those of this request.
    pub origin: Origin,
    /// Who runs it, for whoever finds the claim: host and process.
    pub holder: String,
    /// Which cluster it is.
    pub cluster: ClusterIdentity,
    /// Which attempt this is, from 1, as far as is known besides the bucket.
    pub attempt: u32,
}

/// A backup that is in the bucket, with its phase Completed or PartiallyFailed.
#[derive(Clone, Debug)]
pub struct BackupOutcome {
    /// The document as it was committed.
    pub backup: Backup,
    /// What went wrong with items, and what was left out.
    pub results: Results,
}
