//! The input of a backup ([`BackupRequest`]) and its result ([`BackupOutcome`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Backup, BackupSpec, Origin};
use crate::cluster::ClusterIdentity;
use crate::hooks::obligations::ObligationNotes;
use crate::model::{BackupName, Results};

/// The input of a backup: selection, name in the bucket, and identity of the run.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// The name, unique in the location.
    pub name: BackupName,
    /// The selection and settings; they become the `spec` of the document.
    pub spec: BackupSpec,
    /// The labels of the Backup; the document keeps them.
    pub labels: BTreeMap<String, String>,
    /// The uid of the Backup object, or one of its own for a run without such an object; the same
    /// for every attempt.
    pub uid: String,
    /// The namespace of the Backup object; `None` if there is no such object (`ark backup run`).
    pub namespace: Option<String>,
    /// The identity of location and Schedule, as far as they are known. Its cluster and run are
    /// overwritten with those of this request.
    pub origin: Origin,
    /// Host and process that make the run; the claim shows them to whoever meets it.
    pub holder: String,
    /// The identity of the cluster that is backed up.
    pub cluster: ClusterIdentity,
    /// Whether hooks may be run. Otherwise a specification with hooks is refused, and pods that ask
    /// for hooks by annotation are a warning.
    pub runs_hooks: bool,
    /// Notes in the status of the Backup what is to be undone; `None` if there is no such object.
    pub notes: Option<Arc<dyn ObligationNotes>>,
    /// The number of this attempt, from 1, as the Backup's status has it. The document gets the
    /// larger of this number and the bucket's.
    pub attempt: u32,
}

/// A committed backup; its phase is Completed or PartiallyFailed.
#[derive(Clone, Debug)]
pub struct BackupOutcome {
    /// The document as it was committed.
    pub backup: Backup,
    /// The findings about items and kinds, and the counts of what was left out.
    pub results: Results,
}
