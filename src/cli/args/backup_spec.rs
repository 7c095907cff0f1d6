//! The flags that say what a backup is: one for each field of its specification.

use clap::Args;

use super::selection::SelectionArgs;
use crate::api::{self, BackupSpec, Filter};
use crate::cli::exit::Failure;
use crate::cli::verbs::create::kept;
use crate::model::ObjectName;

/// The fields of a backup's specification.
#[derive(Args, Clone, Debug, Default)]
pub struct TemplateArgs {
    /// Keep the backup for this long: 30d, 720h, or never, which is 100 years [default: the
    /// server's --default-ttl, 720h]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = kept, help_heading = "The backup")]
    ttl: Option<api::Duration>,
    /// The name of the location to write to [default: the location that is the default]
    #[arg(long, value_name = "LOCATION", help_heading = "The backup")]
    storage_location: Option<ObjectName>,
    /// Take snapshots of volumes; not supported yet: true is refused
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, help_heading = "The backup")]
    snapshot_volumes: Option<bool>,
    #[command(flatten)]
    selection: SelectionArgs,
}

impl TemplateArgs {
    /// The specification.
    pub fn spec(&self) -> Result<BackupSpec, Failure> {
        self.over(BackupSpec::default(), None)
    }

    /// A schedule's template, with what the flags say instead. It says which items, so that the flags must not.
    pub fn over_template(&self, template: BackupSpec, schedule: &str) -> Result<BackupSpec, Failure> {
        self.over(template, Some(schedule))
    }

    fn over(&self, mut spec: BackupSpec, schedule: Option<&str>) -> Result<BackupSpec, Failure> {
        let Self { ttl, storage_location, snapshot_volumes, selection } = self;
        let filter = selection.filter()?;
        match schedule {
            None => spec.filter = filter,
            Some(schedule) if filter != Filter::default() => {
                return Err(Failure::usage(format!(
                    "--from-schedule takes the items that schedule `{schedule}` selects; leave the selection flags out, or leave --from-schedule out"
                )));
            }
            Some(_) => {}
        }
        if ttl.is_some() {
            spec.ttl.clone_from(ttl);
        }
        if let Some(location) = storage_location {
            spec.storage_location = Some(location.to_string());
        }
        if snapshot_volumes.is_some() {
            spec.snapshot_volumes = *snapshot_volumes;
        }
        crate::cli::verbs::create::check(&spec)?;
        Ok(spec)
    }
}
