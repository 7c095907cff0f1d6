//! Which parts the server hands out of a run, and whether there are any.

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

/// The parts of a run that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPart {
    /// The log.
    Log,
    /// Warnings and errors.
    Results,
    /// What is in it.
    Index,
    /// The backup itself.
    Tarball,
    /// All of it.
    Everything,
}

/// A part of a run: how it is wanted, its key, and what a DownloadRequest calls it.
type DownloadPart<'a> = (RunPart, &'a ObjectKey, DownloadKind);

/// How far a run is, for somebody who wants its parts.
pub enum PartsState {
    /// It has parts.
    Ended,
    /// It failed before it had any, for this reason.
    Failed(Option<String>),
    /// It never began, because of these.
    Refused(Vec<String>),
    /// It is on its way out.
    Deleting,
    /// It has not ended; its phase.
    Unfinished(String),
    /// Its parts could not be kept, for this reason.
    NotKept(String),
}

/// A run, of which the server hands out parts.
pub trait Downloadable: ArkResource + RunDocument {
    /// What it may be called.
    type Name;

    /// Where its parts are.
    fn keys(name: &Self::Name) -> Result<RunKeys, InvalidKey>;

    /// What the server hands out.
    fn parts(keys: &PartKeys) -> Vec<DownloadPart<'_>>;

    /// The location that it is in, or what stands for its name in a label.
    fn location(&self) -> Option<&str>;

    /// How far it is.
    fn stage(&self) -> PartsState;

    /// Whether it has parts; if not, why not.
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
