//! The cut between the hooks: actions, commands in pods and locks come before it, and after it, in
//! the opposite order, what ends them, whatever became of the cut. Only then is anything listed: no
//! pod stays at rest, and no database locked, for as long as that takes.

use std::pin::pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt as _;

use super::BackupRequest;
use super::account::BackupAccount;
use super::cut;
use super::error::BackupError;
use super::halt::BackupHalt;
use super::unheeded::asking;
use crate::api::{BackupAction, CompiledSelection, InvalidSpec};
use crate::bucket::Bucket;
use crate::cluster::{Cluster, ClusterError};
use crate::hooks::actions::{ActionContext, ActionRun, ZeroWorkloads};
use crate::hooks::obligations::{
    LedgerOwner, ObligationHolder, ObligationLedger, ObligedRun, Undoer, undo_earlier,
};
use crate::hooks::{HookPhase, HookRun, HookSelection, PodHooks, pods_with_hooks};
use crate::model::{Category, Finding, GroupResource, causes};

/// Returns why the hooks of the specification are refused, or `None` if they may be run.
pub fn refused(request: &BackupRequest) -> Option<InvalidSpec> {
    let why = "no hooks are run here (--disable-hooks); leave them out, or have hooks enabled";
    let hooks = request.spec.hooks.as_ref();
    let asks = hooks.is_some_and(|hooks| !hooks.resources.is_empty() || !hooks.actions.is_empty());
    (!request.runs_hooks && asks).then(|| InvalidSpec::new("hooks", why))
}

/// Returns the cluster's revision between the hooks, and the time.
///
/// # Errors
/// If the run is to end, or the cluster fails as a whole. The hooks after the cut have run then in
/// those pods in which one before it had been begun.
pub async fn instant(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &BackupRequest,
    selection: &CompiledSelection,
    account: &mut BackupAccount<'_>,
    halt: &mut BackupHalt,
) -> Result<(String, DateTime<Utc>), BackupError> {
    let hooks = HookSelection::new(request.spec.hooks.as_ref());
    let pods = BracketedPods { cluster, request, selection, hooks };
    if !request.runs_hooks {
        tell_unheeded(&pods.look(account, halt).await?, account);
        return cut(cluster, account, halt).await;
    }
    let actions = request.spec.hooks.as_ref().map_or(&[][..], |hooks| &hooks.actions);
    let ledger = halt.or(open_ledger(cluster, bucket, request, actions, account)).await?;
    let context = ActionContext {
        cluster,
        ledger: ledger.clone(),
        backup: request.name.to_string(),
        is_server: request.namespace.is_some(),
        comment: format!("ark {}/{}", request.name, request.uid),
        zeros: ZeroWorkloads::default(),
    };
    let actions = ActionRun::new(context, actions);
    let mut bracket = Bracket { pods: HookRun::new(cluster, Vec::new()), actions, ledger };
    let taken = bracket.before(&pods, account, halt).await;
    bracket.after(taken.is_err(), account).await;
    if taken.is_ok() {
        let behind = halt.or(bracket.actions.catch_up(|stage| account.stage(stage))).await?;
        behind.iter().for_each(|line| account.note(line));
    }
    taken
}

/// Which pods are looked for.
struct BracketedPods<'a> {
    cluster: &'a Cluster,
    request: &'a BackupRequest,
    selection: &'a CompiledSelection,
    hooks: HookSelection,
}

impl BracketedPods<'_> {
    /// Returns the pods that have hooks.
    async fn look(
        &self,
        account: &mut BackupAccount<'_>,
        halt: &mut BackupHalt,
    ) -> Result<Vec<PodHooks>, BackupError> {
        let doing = "looking for the pods that have hooks";
        account.stage(doing);
        match halt.or(pods_with_hooks(self.cluster, self.selection, &self.hooks)).await? {
            Ok(pods) => Ok(pods),
            Err(source) if source.concerns_every_call() => Err(BackupError::Cluster { doing, source }),
            // That pods cannot be listed is told when they are listed for the backup.
            Err(_) if !self.request.runs_hooks => Ok(Vec::new()),
            Err(error) => {
                tell_unknown(&error, account);
                Ok(Vec::new())
            }
        }
    }
}

/// Returns the ledger of this attempt, once what earlier ones left is undone.
async fn open_ledger(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &BackupRequest,
    actions: &[BackupAction],
    account: &mut BackupAccount<'_>,
) -> ObligationLedger {
    let BackupRequest { name, uid, namespace, attempt, notes, .. } = request;
    let owner = LedgerOwner {
        run: ObligedRun {
            kind: "Backup".to_owned(),
            namespace: namespace.clone(),
            name: name.to_string(),
            uid: uid.clone(),
        },
        cluster_uid: request.cluster.uid.clone(),
        holder: ObligationHolder::this_process(&request.holder, namespace.clone()),
    };
    let undoer: Arc<dyn Undoer> = Arc::new(cluster.clone());
    if *attempt > 1 || !actions.is_empty() {
        account.stage("undoing what earlier attempts have left");
        let failed = match undo_earlier(&undoer, bucket, &owner, notes.as_ref()).await {
            Ok(failed) => failed,
            Err(error) => vec![("undoes what earlier attempts have left".to_owned(), causes(&error))],
        };
        for (what, why) in failed {
            let message = format!("what {what} failed before the hooks were run: {why}");
            account.find(Finding::error(Category::Other, message));
        }
    }
    ObligationLedger::new(undoer, bucket.clone(), owner, *attempt, notes.clone())
}

fn tell_unknown(error: &ClusterError, account: &mut BackupAccount<'_>) {
    let message = format!(
        "nobody knows which pods have hooks, and no command was run in them: {}; run the backup again",
        causes(error)
    );
    let finding = Finding::error(error.category(), message);
    account.find(finding.on_kind(GroupResource::parse("pods")));
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

/// What is run around the cut.
struct Bracket<'a> {
    pods: HookRun<'a>,
    actions: ActionRun<'a>,
    ledger: ObligationLedger,
}

impl<'a> Bracket<'a> {
    async fn before(
        &mut self,
        looked_for: &BracketedPods<'a>,
        account: &mut BackupAccount<'_>,
        halt: &mut BackupHalt,
    ) -> Result<(String, DateTime<Utc>), BackupError> {
        let ends = halt.or(self.actions.prepare(|stage| account.stage(stage))).await?;
        ends.iter().for_each(|end| account.action_ended(end));
        // Only now: what was prepared takes minutes at times, in which pods come and go.
        let pods = looked_for.look(account, halt).await?;
        tell_idle(&looked_for.hooks, &pods, account);
        self.pods = HookRun::new(looked_for.cluster, pods);
        if !self.actions.is_broken() {
            stage(&self.pods, HookPhase::Pre, account);
            let mut pods = pin!(self.pods.pre());
            while let Some(ends) = halt.or(pods.next()).await? {
                ends.iter().for_each(|end| account.hook_ended(end));
            }
        }
        let ends = halt.or(self.actions.lock(|stage| account.stage(stage))).await?;
        ends.iter().for_each(|end| account.action_ended(end));
        cut(looked_for.cluster, account, halt).await
    }

    /// Also where the run is to end: each step has a timeout.
    async fn after(&mut self, only_begun: bool, account: &mut BackupAccount<'_>) {
        let ends = self.actions.unlock(|stage| account.stage(stage)).await;
        ends.iter().for_each(|end| account.action_ended(end));
        stage(&self.pods, HookPhase::Post, account);
        let mut pods = pin!(self.pods.post(only_begun));
        while let Some(ends) = pods.next().await {
            ends.iter().for_each(|end| account.hook_ended(end));
        }
        let ends = self.actions.conclude(|stage| account.stage(stage)).await;
        ends.iter().for_each(|end| account.action_ended(end));
        self.ledger.finish().await.into_iter().for_each(|finding| account.find(finding));
    }
}

async fn cut(
    cluster: &Cluster,
    account: &BackupAccount<'_>,
    halt: &mut BackupHalt,
) -> Result<(String, DateTime<Utc>), BackupError> {
    account.stage("asking the cluster for its revision");
    halt.or(cut::instant(cluster)).await?
}

fn stage(run: &HookRun<'_>, phase: HookPhase, account: &BackupAccount<'_>) {
    let number = run.count(phase);
    if number > 0 {
        account.stage(format!("running {number} {} hooks", phase.as_str()));
    }
}
