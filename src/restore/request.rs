//! The request for a restore.

use std::collections::BTreeMap;

use crate::api::{Origin, RestoreSpec, Timestamp};
use crate::bucket::RunIdentity;
use crate::cluster::ClusterIdentity;
use crate::model::{BackupName, RestoreName};

/// Most items that are under way at once if the request names no number; the number of concurrent
/// creates follows the API server's answers below it.
pub const MOST_PARALLEL: usize = 256;

/// Describes one restore: from which backup, under which name, on whose behalf.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// The name of the restore, unique in the bucket.
    pub name: RestoreName,
    /// The specification: which backup, which items, how they are changed.
    pub spec: RestoreSpec,
    /// The backup, if it has been chosen already; with `None` the specification names it, or a
    /// Schedule whose newest backup is looked for.
    pub backup: Option<BackupName>,
    /// The run that the backup must be, if the caller knows it; another run of the same name is
    /// refused.
    pub source: Option<RunIdentity>,
    /// The labels of the Restore resource, kept in the document.
    pub labels: BTreeMap<String, String>,
    /// The uid of the Restore resource, the same for every attempt at it.
    pub uid: String,
    /// The namespace of the Restore resource; `None` if there is no such resource.
    pub namespace: Option<String>,
    /// The identity of the location, as far as it is known; cluster and run are overwritten with
    /// those of this request.
    pub origin: Origin,
    /// Host and process of the holder, for whoever finds the claim.
    pub holder: String,
    /// The cluster that is restored into.
    pub cluster: ClusterIdentity,
    /// The namespace of a server of Ark in that cluster, this process or another: the restore
    /// leaves that server as it is. `None` if no server runs there.
    pub server: Option<String>,
    /// When the first attempt began; `None` if this is the first, which begins now.
    pub began: Option<Timestamp>,
    /// The number of this attempt, from 1. From the second on, objects that carry the labels of
    /// this restore were made by an earlier attempt and count as restored.
    pub attempt: u32,
    /// Whether another attempt will continue after a stop: then the claim is kept and nothing is
    /// recorded yet.
    pub goes_on: bool,
    /// Whether the bucket keeps a record of the restore; false for a location that must not be
    /// written to.
    pub record: bool,
    /// Whether hooks may be run. Otherwise a specification with hooks is refused, and pods that ask
    /// for hooks by annotation are a warning.
    pub runs_hooks: bool,
    /// Creates that are under way at once; 0 means as many as the API server answers soonest, up
    /// to [`MOST_PARALLEL`].
    pub parallel: usize,
}
