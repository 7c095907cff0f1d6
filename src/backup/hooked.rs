//! The cut between the hooks: runs those before it, takes it, and runs those after it whatever
//! became of it. Only then is anything listed: no pod stays at rest for as long as that takes.

use std::pin::pin;

use chrono::{DateTime, Utc};
use futures::StreamExt as _;

use super::BackupRequest;
use super::account::BackupAccount;
use super::cut;
use super::error::BackupError;
use super::halt::BackupHalt;
use super::unheeded::asking;
use crate::api::{CompiledSelection, InvalidSpec};
use crate::cluster::Cluster;
use crate::hooks::{HookPhase, HookRun, HookSelection, PodHooks, pods_with_hooks};
use crate::model::{Category, Finding, GroupResource, causes};

/// Returns why the hooks of the specification are refused, or `None` if they may be run.
pub fn refused(request: &BackupRequest) -> Option<InvalidSpec> {
    let why = "no hooks are run here (--disable-hooks); leave them out, or have hooks enabled";
    (!request.runs_hooks && request.spec.hooks.is_some()).then(|| InvalidSpec::new("hooks", why))
}

/// Returns the cluster's revision between the hooks, and the time.
///
/// # Errors
/// If the run is to end, or the cluster fails as a whole. The hooks after the cut have run then in
/// those pods in which one before it had been begun.
pub async fn instant(
    cluster: &Cluster,
    request: &BackupRequest,
    selection: &CompiledSelection,
    account: &mut BackupAccount<'_>,
    halt: &mut BackupHalt,
) -> Result<(String, DateTime<Utc>), BackupError> {
    account.stage("looking for the pods that have hooks");
    let hooks = HookSelection::new(request.spec.hooks.as_ref());
    let found = halt.or(pods_with_hooks(cluster, selection, &hooks)).await?;
    let pods = match found {
        Ok(pods) => pods,
        Err(source) if source.concerns_every_call() => {
            return Err(BackupError::Cluster { doing: "looking for the pods that have hooks", source });
        }
        // That pods cannot be listed is told when they are listed for the backup.
        Err(_) if !request.runs_hooks => return cut(cluster, account, halt).await,
        Err(error) => {
            let message = format!(
                "nobody knows which pods have hooks, and no hook was run: {}; run the backup again",
                causes(&error)
            );
            let finding = Finding::error(error.category(), message);
            account.find(finding.on_kind(GroupResource::parse("pods")));
            return cut(cluster, account, halt).await;
        }
    };
    if !request.runs_hooks {
        tell_unheeded(&pods, account);
        return cut(cluster, account, halt).await;
    }
    tell_idle(&hooks, &pods, account);
    let run = HookRun::new(cluster, pods);
    let taken = before(&run, cluster, account, halt).await;
    after(&run, taken.is_err(), account).await;
    taken
}

fn tell_unheeded(pods: &[PodHooks], account: &mut BackupAccount<'_>) {
    let Some(first) = pods.first() else { return };
    let message = format!(
        "{} by annotation for hooks, and none was run (--disable-hooks): what applications held in memory may be missing from their volumes",
        asking(pods.len() as u64, &first.to_string())
    );
    account.find(Finding::warning(Category::Other, message));
}

fn tell_idle(hooks: &HookSelection, pods: &[PodHooks], account: &mut BackupAccount<'_>) {
    for name in hooks.idle(pods) {
        let message = format!(
            "the hook `{name}` of spec.hooks is run in no pod of this backup: it selects none, or those have annotations, which win"
        );
        account.find(Finding::warning(Category::Unmatched, message));
    }
}

async fn before(
    run: &HookRun<'_>,
    cluster: &Cluster,
    account: &mut BackupAccount<'_>,
    halt: &mut BackupHalt,
) -> Result<(String, DateTime<Utc>), BackupError> {
    stage(run, HookPhase::Pre, account);
    let mut pods = pin!(run.pre());
    while let Some(ends) = halt.or(pods.next()).await? {
        ends.into_iter().for_each(|end| account.hook_ended(&end));
    }
    cut(cluster, account, halt).await
}

async fn cut(
    cluster: &Cluster,
    account: &BackupAccount<'_>,
    halt: &mut BackupHalt,
) -> Result<(String, DateTime<Utc>), BackupError> {
    account.stage("asking the cluster for its revision");
    halt.or(cut::instant(cluster)).await?
}

/// Runs the hooks after the cut, also where the run is to end: each has a timeout.
async fn after(run: &HookRun<'_>, only_begun: bool, account: &mut BackupAccount<'_>) {
    stage(run, HookPhase::Post, account);
    let mut pods = pin!(run.post(only_begun));
    while let Some(ends) = pods.next().await {
        ends.into_iter().for_each(|end| account.hook_ended(&end));
    }
}

fn stage(run: &HookRun<'_>, phase: HookPhase, account: &BackupAccount<'_>) {
    let number = run.count(phase);
    if number > 0 {
        account.stage(format!("running {number} {} hooks", phase.as_str()));
    }
}
