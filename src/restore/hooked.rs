//! Hooks of restored pods: notes which items ask for any, and runs them once everything is there.

use std::pin::pin;

use futures::StreamExt as _;

use super::RestoreRequest;
use super::account::{ItemDone, RestoreAccount};
use super::outcome::ItemAction;
use super::plan::RestorePlan;
use super::prepared::Ready;
use super::restorer::Restorer;
use super::view::RestoreView;
use crate::api::InvalidSpec;
use crate::hooks::{HookedItem, run_restored};
use crate::model::{Category, Finding};

/// Returns why the hooks of the specification are refused, or `None` if they may be run.
pub fn refused(request: &RestoreRequest) -> Option<InvalidSpec> {
    let why = "no hooks are run here (--disable-hooks); leave them out, or have hooks enabled";
    let asks = request.spec.hooks.as_ref().is_some_and(|hooks| !hooks.resources.is_empty());
    (!request.runs_hooks && asks).then(|| InvalidSpec::new("hooks", why))
}

impl RestoreView<'_> {
    /// Notes that the item's pods have hooks, if `done` says that it was made, or this restore had
    /// made it before and has changed it now. Its annotations that cannot be read are errors, and
    /// so are init containers that its pods do not get.
    pub fn note_hooked(&self, ready: &Ready<'_>, done: &mut ItemDone) {
        let is_made = match done.act.action {
            ItemAction::Create | ItemAction::Recreate => true,
            ItemAction::Update => self.own.has(&ready.entry),
            ItemAction::Skip(_) | ItemAction::Fail => false,
        };
        if !is_made {
            return;
        }
        let after = &self.plan.afterwards;
        done.hooked = HookedItem::read(&after.hooks, &ready.target, ready.info, &ready.body).map(Box::new);
        done.findings.extend(ready.lost_hook.iter().map(|lost| ready.error(Category::Other, lost)));
        let hooks = done.hooked.iter().filter(|_| after.runs_hooks);
        for mistake in hooks.flat_map(|hooked| &hooked.hooks.mistakes) {
            let message = format!("{mistake}; it comes without this hook");
            done.findings.push(ready.error(Category::Invalid, message));
        }
    }
}

impl Restorer<'_> {
    /// Waits for the pods that have hooks, and runs these. What fails is a finding.
    pub async fn run_hooks(&self, account: &mut RestoreAccount<'_>) {
        tell_of_hooks(self.view.plan, account);
        let awaited = account.hooked.iter().filter(|hooked| hooked.is_awaited());
        let items: Vec<HookedItem> =
            awaited.filter(|_| self.view.plan.afterwards.runs_hooks).cloned().collect();
        if !items.is_empty() {
            account.stage(format!("running the hooks of {} restored items", items.len()));
            let mut pods = pin!(run_restored(self.view.cluster, items));
            while let Some(ends) = pods.next().await {
                ends.iter().for_each(|end| account.hook_ended(end));
            }
        }
        account.hooked.clear();
    }
}

/// Reports hooks that are run in no pod: those of the specification that fit none, or all of them
/// where none may be run.
pub fn tell_of_hooks(plan: &RestorePlan, account: &mut RestoreAccount<'_>) {
    let after = &plan.afterwards;
    if !after.runs_hooks {
        let Some(first) = account.hooked.first() else { return };
        let message = format!(
            "{} restored items ask by annotation for hooks (`{}` among them), and none was run (--disable-hooks)",
            account.hooked.len(),
            first.item
        );
        return account.find(Finding::warning(Category::Other, message));
    }
    let is_run =
        |name: &str| account.hooked.iter().any(|item| item.hooks.named.iter().any(|known| known == name));
    let idle: Vec<&str> = after.hooks.names().filter(|name| !is_run(name)).collect();
    for name in idle {
        let message = format!(
            "the hook `{name}` of spec.hooks is run in no pod: it selects none of those that this restore makes, or these have annotations, which win"
        );
        account.find(Finding::warning(Category::Unmatched, message));
    }
}

/// Reports what was still to be done after the items when the restore ended early.
pub fn tell_what_is_left(account: &mut RestoreAccount<'_>) {
    let mut hooked = account.hooked.iter().filter(|hooked| hooked.is_awaited());
    let hooks = hooked.next().map(|first| {
        format!(
            "the hooks of {} restored items (`{}` among them) were not run, or not to their end, since the restore ended before; run them by hand",
            hooked.count() + 1,
            first.item
        )
    });
    let jobs = (account.jobs_left > 0).then(|| {
        format!(
            "{} of rerunJobs were not run again, or not to their end, since the restore ended before; another restore with rerunJobs runs them",
            account.jobs_left
        )
    });
    for message in hooks.into_iter().chain(jobs) {
        account.find(Finding::error(Category::Other, message));
    }
}
