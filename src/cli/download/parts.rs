//! The parts of a run that the server makes available for download, and whether there are any.

use kube::ResourceExt;

use crate::api::{
    Backup, BackupPhase, DownloadKind, Restore, RestorePhase, STORAGE_LOCATION_LABEL, STORED, SYNCED_FROM,
    is_stored,
};
use crate::bucket::{PartKeys, RunDocument, RunKeys};
use crate::cli::client::ArkResource;
use crate::cli::exit::Failure;
use crate::model::{BackupName, RestoreName};
use crate::store::{InvalidKey, ObjectKey};

/// The part of a run that a command wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPart {
    /// The log.
    Log,
    /// Warnings and errors.
    Results,
    /// The list of items.
    Index,
    /// The items themselves.
    Tarball,
    /// All parts.
    Everything,
}

/// A part of a run, its key, and its kind in a DownloadRequest.
type DownloadPart<'a> = (RunPart, &'a ObjectKey, DownloadKind);

/// The state of a run's parts.
pub enum PartsState {
    /// The run has ended and has parts.
    Ended,
    /// The run failed before it had parts, for this reason.
    Failed(Option<String>),
    /// The run was refused before it began, for these reasons.
    Refused(Vec<String>),
    /// The object is being deleted.
    Deleting,
    /// The run has not ended; its phase.
    Unfinished(String),
    /// The parts could not be stored, for this reason.
    NotKept(String),
}

/// A run whose parts can be downloaded from the server.
pub trait Downloadable: ArkResource + RunDocument {
    /// The type of its name.
    type Name;

    /// Returns the keys of the run.
    fn keys(name: &Self::Name) -> Result<RunKeys, InvalidKey>;

    /// Returns the parts that can be downloaded.
    fn parts(keys: &PartKeys) -> Vec<DownloadPart<'_>>;

    /// Returns the name of its location, or the label value that stands for the name.
    fn location(&self) -> Option<&str>;

    /// Returns the state of the run's parts.
    fn stage(&self) -> PartsState;

    /// Fails, with the reason, if the run has no parts.
    fn has_parts(&self) -> Result<(), Failure> {
        let (noun, name) = (Self::NOUN, self.name_any());
        Err(Failure::because(match self.stage() {
            PartsState::Ended => return Ok(()),
            PartsState::Failed(reason) => format!(
                "{noun} {name} failed and left nothing in the bucket: {}",
                reason.unwrap_or_else(|| "the server gives no reason".to_owned())
            ),
            PartsState::Refused(errors) => {
                format!("{noun} {name} was refused and never begun: {}", errors.join("; "))
            }
            PartsState::Deleting => format!("{noun} {name} is being deleted"),
            PartsState::Unfinished(phase) => format!(
                "{noun} {name} is not finished yet ({phase}); `ark {noun} describe {name}` says how far it is"
            ),
            PartsState::NotKept(reason) => {
                format!("the log and the results of {noun} {name} are not in the bucket: {reason}")
            }
        }))
    }
}

impl Downloadable for Backup {
    type Name = BackupName;

    fn keys(name: &BackupName) -> Result<RunKeys, InvalidKey> {
        RunKeys::backup(name)
    }

    fn parts(keys: &PartKeys) -> Vec<DownloadPart<'_>> {
        vec![
            (RunPart::Log, keys.log(), DownloadKind::BackupLog),
            (RunPart::Results, keys.results(), DownloadKind::BackupResults),
            (RunPart::Index, keys.index(), DownloadKind::BackupResourceList),
            (RunPart::Tarball, keys.tarball(), DownloadKind::BackupContents),
        ]
    }

    fn location(&self) -> Option<&str> {
        self.spec.storage_location.as_deref()
    }

    fn stage(&self) -> PartsState {
        let status = self.status.clone().unwrap_or_default();
        let phase = status.phase.unwrap_or_default();
        match phase {
            BackupPhase::Completed | BackupPhase::PartiallyFailed => PartsState::Ended,
            BackupPhase::Failed if is_stored(&status.conditions) || is_synced(self) => PartsState::Ended,
            BackupPhase::Failed => PartsState::Failed(status.failure_reason),
            BackupPhase::FailedValidation => PartsState::Refused(status.validation_errors),
            BackupPhase::Deleting => PartsState::Deleting,
            BackupPhase::New | BackupPhase::InProgress => PartsState::Unfinished(phase.to_string()),
        }
    }
}

impl Downloadable for Restore {
    type Name = RestoreName;

    fn keys(name: &RestoreName) -> Result<RunKeys, InvalidKey> {
        RunKeys::restore(name)
    }

    fn parts(keys: &PartKeys) -> Vec<DownloadPart<'_>> {
        vec![
            (RunPart::Log, keys.log(), DownloadKind::RestoreLog),
            (RunPart::Results, keys.results(), DownloadKind::RestoreResults),
        ]
    }

    fn location(&self) -> Option<&str> {
        self.labels().get(STORAGE_LOCATION_LABEL).map(String::as_str)
    }

    fn stage(&self) -> PartsState {
        let status = self.status.clone().unwrap_or_default();
        let phase = status.phase.unwrap_or_default();
        let mut conditions = status.conditions.iter();
        let not_kept = conditions.find(|each| each.type_ == STORED && each.status == "False");
        if let (true, Some(condition)) = (phase.is_final(), not_kept) {
            return PartsState::NotKept(condition.message.clone());
        }
        match phase {
            RestorePhase::Completed | RestorePhase::PartiallyFailed => PartsState::Ended,
            RestorePhase::Failed if is_stored(&status.conditions) || is_synced(self) => PartsState::Ended,
            RestorePhase::Failed => PartsState::Failed(status.failure_reason),
            RestorePhase::FailedValidation => PartsState::Refused(status.validation_errors),
            RestorePhase::New | RestorePhase::InProgress => PartsState::Unfinished(phase.to_string()),
        }
    }
}

fn is_synced(object: &impl ResourceExt) -> bool {
    object.annotations().contains_key(SYNCED_FROM)
}
