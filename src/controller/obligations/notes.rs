//! Notes in the status of a Backup what it has yet to undo.

use std::fmt;

use async_trait::async_trait;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::api::{Backup, PendingUndo};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::hooks::obligations::ObligationNotes;
use crate::model::Cause;

/// Writes `status.obligations` of one Backup.
pub struct StatusNotes {
    api: Api<Backup>,
    name: String,
    uid: String,
}

impl StatusNotes {
    /// Creates the notes of a Backup.
    pub fn of(context: &Context, backup: &Backup) -> Self {
        Self::new(context, backup.name_any(), backup.uid().unwrap_or_default())
    }

    /// Creates the notes of a Backup of which name and uid are known.
    pub fn new(context: &Context, name: String, uid: String) -> Self {
        Self { api: context.api(), name, uid }
    }
}

#[async_trait]
impl ObligationNotes for StatusNotes {
    async fn note(&self, document: &str, pending: Option<Vec<PendingUndo>>) -> Result<(), Cause> {
        // A merge changes nothing else, and nothing of another Backup that has the name by now.
        let merge = json!({
            "metadata": {"uid": self.uid},
            "status": {"obligations": {document: pending}},
        });
        let doing = format!("write into the status of Backup `{}` what is to be undone", self.name);
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(merge));
        let written = self.api.patch_status(&self.name, &parameters, &patch);
        match ControllerError::within(doing, written).await {
            // Its object is gone: the bucket alone says what is to be undone.
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for StatusNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusNotes").field("name", &self.name).finish_non_exhaustive()
    }
}
