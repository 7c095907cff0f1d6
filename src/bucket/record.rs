//! The properties that Backups and Restores share as documents of a bucket. Pure.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{Backup, BackupPhase, Origin, Restore, RestorePhase, StoredObject, Timestamp, synced_from};

use super::documents::FORMAT;
use super::layout::{RunKeys, RunKind};

/// The document whose presence means that a run is complete.
pub trait RunDocument: Serialize + DeserializeOwned + Send + Sync {
    /// The kind of the run.
    const KIND: RunKind;

    /// Returns `metadata.name`.
    fn name(&self) -> Option<&str>;

    /// Returns `metadata.uid`: in a document the uid of its run, in an object of a cluster the
    /// object's own.
    fn run_uid(&self) -> Option<&str>;

    /// Returns whether a server made this object from a document of a bucket.
    fn is_mirror(&self) -> bool;

    /// Returns what the status says of the run that the object stands for.
    fn origin(&self) -> Option<&Origin>;

    /// Returns when the work of the run began.
    fn began(&self) -> Option<Timestamp>;

    /// Returns when the work of the run ended.
    fn ended(&self) -> Option<Timestamp>;

    /// Returns whether the phase is one in which a run ends after its work has begun.
    fn is_final(&self) -> bool;

    /// Returns whether there must be a tarball; a backup that failed as a whole may have none, and
    /// a restore has none.
    fn has_items(&self) -> bool;

    /// Returns the format of the run's bytes, or `None` if the document does not say so.
    fn format(&self) -> Option<&str>;

    /// Returns the uid of the cluster in which the run was made, or `None` if the document does not
    /// say so.
    fn cluster(&self) -> Option<&str>;

    /// Returns whether the server of a namespace of a cluster made the run, as far as that is
    /// known: a document without a namespace may come from any server, or from a command line, of
    /// its cluster.
    fn is_made_by(&self, cluster: &str, namespace: &str) -> bool {
        let said = self.origin().and_then(|origin| origin.namespace.as_deref());
        self.cluster() == Some(cluster) && said.is_none_or(|said| said == namespace)
    }

    /// Returns the objects of the run, without the document.
    fn objects(&self) -> &[StoredObject];

    /// Returns why this cannot be the document at `keys`, whether it is to be written or was read;
    /// `None` if it can.
    fn objection(&self, keys: &RunKeys) -> Option<String> {
        if Self::KIND != keys.kind() {
            return Some(format!("it is the document of a {} and not of a {}", Self::KIND, keys.kind()));
        }
        if self.name() != Some(keys.name()) {
            let name = self.name().unwrap_or_default().escape_debug();
            return Some(format!("it names `{name}` and not `{}`", keys.name()));
        }
        if !self.is_final() {
            return Some("its phase is not one in which a run ends".to_owned());
        }
        self.objects()
            .iter()
            .find(|object| !object.key.starts_with(keys.folder()))
            .map(|object| format!("it names an object elsewhere: `{}`", object.key.escape_debug()))
    }

    /// Returns the format if it is newer than the newest that is read, else `None`. A text that is
    /// no number counts as the newest.
    fn newer_format(&self) -> Option<u64> {
        let major = self.format()?.split('.').next().unwrap_or_default();
        let format = major.parse().unwrap_or(u64::MAX);
        (format > FORMAT).then_some(format)
    }
}

impl RunDocument for Backup {
    const KIND: RunKind = RunKind::Backup;

    fn name(&self) -> Option<&str> {
        self.metadata.name.as_deref()
    }

    fn run_uid(&self) -> Option<&str> {
        self.metadata.uid.as_deref()
    }

    fn is_mirror(&self) -> bool {
        synced_from(&self.metadata).is_some()
    }

    fn origin(&self) -> Option<&Origin> {
        self.status.as_ref()?.origin.as_ref()
    }

    fn began(&self) -> Option<Timestamp> {
        self.status.as_ref()?.start_timestamp
    }

    fn ended(&self) -> Option<Timestamp> {
        self.status.as_ref()?.completion_timestamp
    }

    fn is_final(&self) -> bool {
        self.status.as_ref().and_then(|status| status.phase).is_some_and(|phase| {
            matches!(phase, BackupPhase::Completed | BackupPhase::PartiallyFailed | BackupPhase::Failed)
        })
    }

    fn has_items(&self) -> bool {
        self.status.as_ref().and_then(|status| status.phase) != Some(BackupPhase::Failed)
    }

    fn format(&self) -> Option<&str> {
        self.status.as_ref()?.format_version.as_deref()
    }

    fn cluster(&self) -> Option<&str> {
        let status = self.status.as_ref()?;
        let recorded = status.cluster.as_ref().map(|cluster| cluster.uid.as_str());
        recorded.or_else(|| status.origin.as_ref()?.cluster.as_deref())
    }

    fn objects(&self) -> &[StoredObject] {
        self.status.as_ref().map_or(&[], |status| &status.objects)
    }
}

impl RunDocument for Restore {
    const KIND: RunKind = RunKind::Restore;

    fn name(&self) -> Option<&str> {
        self.metadata.name.as_deref()
    }

    fn run_uid(&self) -> Option<&str> {
        self.metadata.uid.as_deref()
    }

    fn is_mirror(&self) -> bool {
        synced_from(&self.metadata).is_some()
    }

    fn origin(&self) -> Option<&Origin> {
        self.status.as_ref()?.origin.as_ref()
    }

    fn began(&self) -> Option<Timestamp> {
        self.status.as_ref()?.start_timestamp
    }

    fn ended(&self) -> Option<Timestamp> {
        self.status.as_ref()?.completion_timestamp
    }

    fn is_final(&self) -> bool {
        self.status.as_ref().and_then(|status| status.phase).is_some_and(|phase| {
            matches!(phase, RestorePhase::Completed | RestorePhase::PartiallyFailed | RestorePhase::Failed)
        })
    }

    fn has_items(&self) -> bool {
        false
    }

    fn format(&self) -> Option<&str> {
        None
    }

    fn cluster(&self) -> Option<&str> {
        self.origin()?.cluster.as_deref()
    }

    fn objects(&self) -> &[StoredObject] {
        self.status.as_ref().map_or(&[], |status| &status.objects)
    }
}
