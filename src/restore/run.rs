//! Executes a plan: the order in which everything comes into the cluster.

use super::account::RestoreAccount;
use super::error::RestoreError;
use super::ready::part_steps;
use super::restorer::Restorer;

impl Restorer<'_> {
    /// Restores what is planned, waits until volumes are bound, runs the hooks, and Jobs again.
    /// Problems of items and hooks are findings in the account.
    ///
    /// # Errors
    /// When the cluster as a whole fails, the backup cannot be read any more, or the restore is to
    /// end.
    pub async fn run(mut self, account: &mut RestoreAccount<'_>) -> Result<(), RestoreError> {
        let plan = self.view.plan;
        self.restore_definitions(account).await?;
        for conversion in self.view.conversions() {
            account.find(conversion);
        }
        // A namespace that hangs in its deletion must not hold up the others, so its items come in
        // a second round.
        let late = self.restore_namespaces(account).await?;
        let (steps, last) = plan.items.split_last_steps();
        let mut failed = if late.is_empty() {
            self.restore_steps(steps, account).await?
        } else {
            let [now, later] = part_steps(plan, steps, &late);
            let mut failed = self.restore_steps(&now, account).await?;
            self.restore_late_namespaces(late, account).await?;
            failed.extend(self.restore_steps(&later, account).await?);
            failed
        };
        // Webhooks and policies come after the second chance of what they may refuse; whatever
        // still failed then has its last chance once everything else is there.
        failed = self.second_chance(failed, false, account).await?.again;
        failed.extend(self.restore_steps(last, account).await?);
        self.second_chance(failed, true, account).await?;
        self.links.link(&self.view, true, account).await?;
        account.tell_without_effect(&plan.rewriter);
        self.view.tell_of_ended(account);
        self.bindings.await_bound(&self.view, account).await?;
        self.run_hooks(account).await;
        self.rerun_jobs(account).await
    }
}
