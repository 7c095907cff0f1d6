//! The custom resources of `ark.heptio.com/v1` and nothing else: their specifications and
//! statuses.
//!
//! Velero's field names are used wherever the meaning is the same; where they differ, `velero`
//! accepts Velero's as well. Each `…Spec::validate` finds everything that the API server would
//! refuse, all at once, because the engine also runs where no custom resource is installed.

mod annotations;
mod backup;
mod conditions;
mod cron;
mod definitions;
mod duration;
mod filter;
mod hooks;
mod invalid;
mod labels;
mod location;
mod mapping;
mod modifiers;
mod origin;
mod pending_undo;
mod requests;
mod rerun_jobs;
mod restore;
mod restore_hooks;
mod schedule;
mod scheduled;
mod schema;
mod timestamp;
mod velero;

pub use annotations::{
    DELETION_REQUESTED, DOCUMENT_STAMP, REPLICAS_BEFORE, REQUESTED_AT, SCHEDULE_TOKEN, STORED_IN,
    SYNCED_FROM, kept_from, synced_from,
};
pub use backup::{
    Backup, BackupPhase, BackupProgress, BackupSpec, BackupStatus, ClusterReference, HookCounts, LockTime,
    StoredObject,
};
pub use conditions::{
    COMPLETE, FAILED, HOOKS_SUCCEEDED, KEPT, READY, WAITING, holding, of_others, set_condition,
};
pub use conditions::{DELETION, NAME_TAKEN, STORED, is_stored, stored};
pub use cron::{Cron, InvalidCron};
pub use definitions::{DefinitionYaml, crd_yaml, crds};
pub use duration::{Duration, InvalidDuration};
pub use filter::{CompiledSelection, Filter, ScopedKinds, label_requirements};
pub use hooks::{
    ActionPhase, BackupAction, BackupHook, BackupHooks, BasicAuth, ExecHook, HiddenMemberUse, HookAction,
    HookErrorMode, HttpAction, HttpExpectation, HttpHeader, HttpMethod, HttpPoll, HttpScheme, HttpService,
    HttpVerdict, JobAction, MongoAction, MongoConnection, MongoMembers, MongoPods, MongoService, ScaleAction,
    SecretValue, WorkloadName,
};
pub use invalid::InvalidSpec;
pub use labels::{
    BACKUP_NAME_LABEL, BACKUP_UID_LABEL, EXCLUDE_LABEL, FOREIGN_FORMAT_LABEL, HOOK_JOB_LABEL,
    RESTORE_NAME_LABEL, SCHEDULE_NAME_LABEL, STORAGE_LOCATION_LABEL, VELERO_EXCLUDE_LABEL, label_value,
};
pub use location::{
    AccessMode, BackupStorageLocation, BackupStorageLocationSpec, BackupStorageLocationStatus, HIDDEN,
    LocationCapabilities, LocationConfig, LocationCounts, LocationPhase, Provider, SecretKey,
};
pub use mapping::collisions;
pub use modifiers::{
    MergePatch, ModifierConditions, PatchOperation, PathMatch, ResourceModifier, ResourcePatch,
};
pub use origin::Origin;
pub use pending_undo::PendingUndo;
pub use requests::{
    DeleteBackupRequest, DeleteBackupRequestSpec, DeleteBackupRequestStatus, DeletePhase, DownloadKind,
    DownloadPhase, DownloadRequest, DownloadRequestSpec, DownloadRequestStatus, DownloadTarget,
    ServerStatusPhase, ServerStatusRequest, ServerStatusRequestSpec, ServerStatusRequestStatus,
};
pub use rerun_jobs::RerunJob;
pub use restore::{
    ExistingResourcePolicy, InvalidPolicy, MAX_STATUS_FINDINGS, Restore, RestorePhase, RestoreProgress,
    RestoreSpec, RestoreStatus, StatusFilter,
};
pub use restore_hooks::{InitHook, RestoreExecHook, RestoreHook, RestoreHookAction, RestoreHooks};
pub use schedule::{
    ConcurrencyPolicy, LostName, PendingBackup, Retention, Schedule, SchedulePhase, ScheduleSpec,
    ScheduleStatus, TickCount,
};
pub use scheduled::{name_at, tick_of};
pub use timestamp::Timestamp;
pub use velero::{
    BackupMetadata, LocalReference, VeleroBackup, VeleroConfig, VeleroLocation, VeleroRestore,
    VeleroSchedule, VeleroStorage, velero_rules,
};

/// The API group of all kinds in this module.
pub const GROUP: &str = "ark.heptio.com";

/// The version of all kinds in this module.
pub const VERSION: &str = "v1";

/// The namespace in which the server runs unless told otherwise.
pub const DEFAULT_NAMESPACE: &str = "heptio-ark";
