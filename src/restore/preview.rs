//! Goes through a plan, and returns what a run would do to each item, by looking only: `--dry-run`.

use std::collections::HashSet;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::account::{ItemDone, RestoreAccount};
use super::error::RestoreError;
use super::existing::ExistingVerdict;
use super::hooked::tell_of_hooks;
use super::inventory::EntryId;
use super::kinds::namespace_kind;
use super::live::{LiveItem, labels, references};
use super::outcome::{Act, ItemAction};
use super::owners::Fate;
use super::plan::RestorePlan;
use super::prepared::{Prepared, Ready};
use super::references::lacks_owner;
use super::rerun::foresee_jobs;
use super::rewrite::OwnerView;
use super::select::Inclusion;
use super::view::RestoreView;
use crate::api::ExistingResourcePolicy;
use crate::cluster::{Cluster, Pace};
use crate::model::{Category, Finding, GroupResource, ItemKey, NAMESPACES, SkipReason, causes};

/// Returns the act for each item of the plan, in restore order, with those left out at the end;
/// findings go to the account.
///
/// # Errors
/// When the backup cannot be read, or the cluster as a whole fails.
pub async fn foresee(
    cluster: &Cluster,
    plan: &RestorePlan,
    account: &mut RestoreAccount<'_>,
) -> Result<Vec<Act>, RestoreError> {
    account.stage("comparing with the cluster");
    let missing = ToBeMade::find(cluster, plan).await?;
    let mut acts = Vec::new();
    for (name, home) in &plan.items.namespaces {
        if home.is_none() && missing.namespaces.contains(name) {
            let item = ItemKey::cluster(GroupResource::parse(NAMESPACES), name.as_str());
            acts.push(Act { item, target: None, action: ItemAction::Create, reason: None });
        }
    }
    let foresight =
        Foresight { view: RestoreView::new(cluster, plan), pace: cluster.pace(plan.parallel), missing };
    let planned: Vec<EntryId> = plan.items.entries().collect();
    // Bodies are read in the tarball's order; the plan goes back in it where a new class begins.
    for batch in planned.chunk_by(|one, next| one <= next) {
        let bodies = plan.source.bodies(batch)?;
        let looks = bodies.map_ok(|(id, body)| foresight.look_ahead(id, body));
        let mut looks = looks.try_buffered(plan.parallel);
        while let Some(done) = looks.try_next().await? {
            acts.push(done.act.clone());
            account.record(done)?;
        }
    }
    for (id, reason) in &plan.items.skipped {
        let action = ItemAction::Skip(*reason);
        acts.push(Act { item: plan.key(*id), target: None, action, reason: None });
    }
    foresee_jobs(plan, &mut acts, account).await?;
    foresight.view.tell_of_ended(account);
    // Items of kinds that are not defined yet were not prepared, so that a rule may fit one of
    // them.
    if foresight.missing.kinds.is_empty() {
        account.tell_without_effect(&plan.rewriter);
        tell_of_hooks(plan, account);
    }
    Ok(acts)
}

/// Namespaces and kinds that a restore would create first: none of their items can be there yet.
struct ToBeMade {
    namespaces: HashSet<String>,
    kinds: HashSet<u16>,
}

impl ToBeMade {
    async fn find(cluster: &Cluster, plan: &RestorePlan) -> Result<Self, RestoreError> {
        let kind = &namespace_kind();
        let looks = plan.items.namespaces.keys().map(|name| async move {
            cluster.get(kind, None, name).await.map(|found| found.is_none().then(|| name.clone()))
        });
        let namespaces = stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(plan.parallel);
        let namespaces = namespaces.try_filter_map(async |name| Ok(name)).try_collect();
        let inventory = &plan.source.inventory;
        let defined: HashSet<&str> =
            plan.items.definitions.iter().map(|id| &*inventory.entry(*id).name).collect();
        let kinds = (inventory.kinds.iter().zip(0..)).filter(|(kind, _)| {
            defined.contains(kind.resource.as_str()) && plan.served.catalog.find(&kind.resource).is_none()
        });
        Ok(Self {
            namespaces: namespaces
                .await
                .map_err(RestoreError::cluster("looking at the target namespaces"))?,
            kinds: kinds.map(|(_, id)| id).collect(),
        })
    }
}

/// A dry run, under way.
struct Foresight<'a> {
    view: RestoreView<'a>,
    pace: Pace,
    missing: ToBeMade,
}

impl Foresight<'_> {
    async fn look_ahead(&self, id: EntryId, body: Result<Bytes, Finding>) -> Result<ItemDone, RestoreError> {
        let _permit = self.pace.permit().await;
        let entry = self.view.plan.entry(id);
        let item = self.view.plan.key(id);
        if self.missing.kinds.contains(&entry.kind) {
            return Ok(ItemDone::new(item, ItemAction::Create, entry.size));
        }
        Ok(match body.and_then(|body| self.view.prepare(id, &body)) {
            Ok(Prepared::Skip(reason, why)) => {
                self.view.note_left_out(id, reason, why.as_ref()).await?;
                let mut done = ItemDone::new(item, ItemAction::Skip(reason), entry.size);
                if let (SkipReason::NotRestorable, Some(why)) = (reason, &why) {
                    let message = format!("it would not be restored: {why}");
                    done.findings
                        .push(Finding::warning(Category::Conflict, message).on_item(done.act.item.clone()));
                }
                done.act.reason = why;
                done
            }
            Ok(Prepared::Ready(ready)) => self.foresee(&ready).await?,
            Err(finding) => ItemDone::failed(item, finding, entry.size),
        })
    }

    async fn foresee(&self, ready: &Ready<'_>) -> Result<ItemDone, RestoreError> {
        let home = match ready.target.resource.as_str() {
            NAMESPACES => Some(&ready.target.name),
            _ => ready.target.namespace.as_ref(),
        };
        let live = match home {
            Some(namespace) if self.missing.namespaces.contains(namespace) => Ok(None),
            _ => self.view.look(ready).await,
        };
        let mut done = ItemDone::new(ready.item.clone(), ItemAction::Create, ready.bytes);
        match live {
            Ok(None) => {}
            Ok(Some(live)) if live.deleting => {
                done.act.reason = Some("the present one is being deleted".into());
            }
            Ok(Some(live)) => {
                let verdict = self.view.judge(ready, &live);
                done.act.action = match verdict {
                    ExistingVerdict::Unchanged => ItemAction::Skip(SkipReason::Unchanged),
                    ExistingVerdict::Leave(_) => ItemAction::Skip(SkipReason::Exists),
                    ExistingVerdict::Update => ItemAction::Update,
                    ExistingVerdict::Recreate => ItemAction::Recreate,
                    ExistingVerdict::Restored => ItemAction::Create,
                };
                if verdict != ExistingVerdict::Unchanged {
                    done.act.reason = Some(format!("differs in {}", live.difference.describe()));
                }
                let warning = verdict.warning(&live.difference);
                done.findings.extend(warning.map(|text| ready.warning(Category::Conflict, text)));
                self.foresee_owners(ready, &live, &mut done);
            }
            Err(error) if error.is_about_the_connection() => {
                return Err(RestoreError::Cluster { doing: "comparing with the cluster", source: error });
            }
            Err(error) => {
                let finding = ready.error(error.category(), causes(&error));
                done = ItemDone::failed(ready.item.clone(), finding, ready.bytes);
            }
        }
        if matches!(done.act.action, ItemAction::Create | ItemAction::Update | ItemAction::Recreate) {
            let warnings = ready.warnings.iter().map(|warning| ready.warning(Category::Other, warning));
            done.findings.extend(warnings);
            let doing = "comparing with the cluster";
            done.findings
                .extend(self.view.tell_lacking(ready, true).await.map_err(RestoreError::cluster(doing))?);
            self.view.note_ended(ready, &done.act.action);
            self.view.note_hooked(ready, &mut done);
            let hooks = done.hooked.as_ref().filter(|_| self.view.plan.afterwards.runs_hooks);
            if let Some(hooks) = hooks.map(|hooks| hooks.in_words()).filter(|words| !words.is_empty()) {
                let reason = done.act.reason.take().map(|reason| format!("{reason}; ")).unwrap_or_default();
                done.act.reason = Some(format!("{reason}{hooks}"));
            }
        }
        done.act.target = (ready.target != ready.item).then(|| ready.target.clone());
        Ok(done)
    }

    /// Reports of an item that would stay as it is that it lacks an owner which the restore
    /// brings, or that it would get that owner.
    fn foresee_owners(&self, ready: &Ready<'_>, live: &LiveItem, done: &mut ItemDone) {
        let selected = self.view.plan.entry(ready.entry).inclusion == Inclusion::Selected;
        let brought = |owner: &&Value| {
            OwnerView::read(owner).is_some_and(|owner| self.view.owners.fate(owner.uid) == Fate::Awaited)
        };
        let brought: Vec<Value> = ready.awaited.iter().filter(brought).cloned().collect();
        let stays = matches!(done.act.action, ItemAction::Skip(_));
        if !stays || !selected || !lacks_owner(&references(&live.object), &brought) {
            return;
        }
        if self.view.plan.policy == ExistingResourcePolicy::None
            && !self.view.plan.earlier.made_any(&labels(&live.object))
        {
            let message = "it is in the cluster already without the owner that it has in the backup, and would be left as it is; existingResourcePolicy Update changes it";
            done.findings.push(ready.warning(Category::Conflict, message));
        } else {
            done.act.action = ItemAction::Update;
            done.act.reason = Some("lacks the owner that it has in the backup".to_owned());
        }
    }
}
