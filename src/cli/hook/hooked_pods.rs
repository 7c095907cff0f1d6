//! The pods with hooks that a command is about: those that a backup would take.

use clap::Args;

use crate::api::{Backup, BackupSpec, Filter, Schedule};
use crate::cli::args::selection::{SelectionArgs, refused};
use crate::cli::client::ArkClient;
use crate::cli::exit::Failure;
use crate::cli::global::Global;
use crate::cluster::Cluster;
use crate::hooks::{HookSelection, PodHooks, pods_with_hooks};
use crate::model::{BackupName, ObjectName};

/// Whose hooks: those of the pods that a backup with this selection would take. Pods ask for hooks
/// by annotation; a backup and a schedule may have more in their specification.
#[derive(Args, Clone, Debug, Default)]
pub struct HookedPodsArgs {
    /// Take selection and hooks of the backups that this schedule makes
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "from_backup")]
    from_schedule: Option<ObjectName>,
    /// Take selection and hooks of this backup
    #[arg(long, value_name = "BACKUP")]
    from_backup: Option<BackupName>,
    #[command(flatten)]
    selection: SelectionArgs,
}

impl HookedPodsArgs {
    /// Returns the pods that a backup would take now, with their hooks.
    pub async fn pods(&self, global: &Global, cluster: &Cluster) -> Result<Vec<PodHooks>, Failure> {
        let spec = self.spec(global).await?;
        let selection = spec.selection().map_err(|wrong| refused(&wrong))?;
        let hooks = HookSelection::new(spec.hooks.as_ref());
        let mut pods = pods_with_hooks(cluster, &selection, &hooks).await?;
        pods.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(pods)
    }

    async fn spec(&self, global: &Global) -> Result<BackupSpec, Failure> {
        let Self { from_schedule, from_backup, selection } = self;
        let filter = selection.filter()?;
        let spec = match (from_schedule, from_backup) {
            (Some(name), _) => {
                ArkClient::open(global).await?.get::<Schedule>(name.as_str()).await?.spec.template
            }
            (None, Some(name)) => ArkClient::open(global).await?.get::<Backup>(name.as_str()).await?.spec,
            (None, None) => return Ok(BackupSpec { filter, ..BackupSpec::default() }),
        };
        if filter != Filter::default() {
            return Err(Failure::usage(
                "--from-schedule and --from-backup take the selection from there; leave the selection flags out, or leave these out",
            ));
        }
        Ok(spec)
    }
}
