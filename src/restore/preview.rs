//! Foresees what a restore would do to each item, by looking only: `--dry-run`.

use std::collections::HashSet;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::account::{ItemDone, RestoreAccount};
use super::error::RestoreError;
use super::existing::ExistingVerdict;
use super::inventory::EntryId;
use super::links::lacks_owner;
use super::live::{LiveItem, labels, references};
use super::outcome::{Act, ItemAction};
use super::owners::Fate;
use super::prepared::{Prepared, Ready};
use super::ready::namespace_kind;
use super::rewrite::OwnerView;
use super::select::Inclusion;
use super::work::RestoreContext;
use crate::api::ExistingResourcePolicy;
use crate::model::{Category, Finding, GroupResource, ItemKey, NAMESPACES, SkipReason, causes};

/// Namespaces and kinds that a restore would create first: none of their items can be there yet.
struct ToBeMade {
    namespaces: HashSet<String>,
    kinds: HashSet<u16>,
}

impl RestoreContext<'_> {
    /// Returns the act for each item, in restore order, with those left out at the end; findings
    /// go to the account.
    pub async fn preview(&self, account: &mut RestoreAccount<'_>) -> Result<Vec<Act>, RestoreError> {
        account.stage("comparing with the cluster");
        let missing = self.missing().await?;
        let mut acts = Vec::new();
        for (name, home) in &self.plan.namespaces {
            if home.is_none() && missing.namespaces.contains(name) {
                let item = ItemKey::cluster(GroupResource::parse(NAMESPACES), name.as_str());
                acts.push(Act { item, target: None, action: ItemAction::Create, reason: None });
            }
        }
        let planned: Vec<EntryId> = self.plan.entries().collect();
        // Bodies are read in the tarball's order; the plan goes back in it where a new class
        // begins.
        for batch in planned.chunk_by(|one, next| one <= next) {
            let bodies = self.source.bodies(batch)?;
            let looks = bodies.map_ok(|(id, body)| self.look_ahead(id, body, &missing));
            let mut looks = looks.try_buffered(self.parallel);
            while let Some(done) = looks.try_next().await? {
                acts.push(done.act.clone());
                account.record(done)?;
            }
        }
        for (id, reason) in &self.plan.skipped {
            let item = self.source.inventory.key(self.source.inventory.entry(*id));
            acts.push(Act { item, target: None, action: ItemAction::Skip(*reason), reason: None });
        }
        self.tell_of_ended(account);
        // Items of kinds that are not defined yet were not prepared, so that a rule may fit one of
        // them.
        if missing.kinds.is_empty() {
            self.tell_without_effect(account);
        }
        Ok(acts)
    }

    async fn missing(&self) -> Result<ToBeMade, RestoreError> {
        let kind = &namespace_kind();
        let looks = self.plan.namespaces.keys().map(|name| async move {
            self.cluster.get(kind, None, name).await.map(|found| found.is_none().then(|| name.clone()))
        });
        let namespaces = stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(self.parallel);
        let namespaces = namespaces.try_filter_map(async |name| Ok(name)).try_collect();
        let inventory = &self.source.inventory;
        let defined: HashSet<&str> =
            self.plan.definitions.iter().map(|id| &*inventory.entry(*id).name).collect();
        let kinds = (inventory.kinds.iter().zip(0..)).filter(|(kind, _)| {
            defined.contains(kind.resource.as_str()) && self.catalog.find(&kind.resource).is_none()
        });
        Ok(ToBeMade {
            namespaces: namespaces
                .await
                .map_err(RestoreError::cluster("looking at the target namespaces"))?,
            kinds: kinds.map(|(_, id)| id).collect(),
        })
    }

    async fn look_ahead(
        &self,
        id: EntryId,
        body: Result<Bytes, Finding>,
        missing: &ToBeMade,
    ) -> Result<ItemDone, RestoreError> {
        let _permit = self.pace.permit().await;
        let entry = self.source.inventory.entry(id);
        let item = self.source.inventory.key(entry);
        if missing.kinds.contains(&entry.kind) {
            return Ok(ItemDone::new(item, ItemAction::Create, entry.size));
        }
        Ok(match body.and_then(|body| self.prepare(id, &body)) {
            Ok(Prepared::Skip(reason, why)) => {
                self.note_left_out(id, reason, why.as_ref()).await?;
                let mut done = ItemDone::new(item, ItemAction::Skip(reason), entry.size);
                if let (SkipReason::NotRestorable, Some(why)) = (reason, &why) {
                    let message = format!("it would not be restored: {why}");
                    done.findings
                        .push(Finding::warning(Category::Conflict, message).on_item(done.act.item.clone()));
                }
                done.act.reason = why;
                done
            }
            Ok(Prepared::Ready(ready)) => self.foresee(&ready, missing).await?,
            Err(finding) => ItemDone::failed(item, finding, entry.size),
        })
    }

    async fn foresee(&self, ready: &Ready<'_>, missing: &ToBeMade) -> Result<ItemDone, RestoreError> {
        let home = match ready.target.resource.as_str() {
            NAMESPACES => Some(&ready.target.name),
            _ => ready.target.namespace.as_ref(),
        };
        let live = match home {
            Some(namespace) if missing.namespaces.contains(namespace) => Ok(None),
            _ => self.look(ready).await,
        };
        let mut done = ItemDone::new(ready.item.clone(), ItemAction::Create, ready.bytes);
        match live {
            Ok(None) => {}
            Ok(Some(live)) if live.deleting => {
                done.act.reason = Some("the present one is being deleted".into());
            }
            Ok(Some(live)) => {
                let verdict = self.judge(ready, &live);
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
            done.findings.extend(self.tell_lacking(ready, true).await.map_err(RestoreError::cluster(doing))?);
            self.note_ended(ready, &done.act.action);
        }
        done.act.target = (ready.target != ready.item).then(|| ready.target.clone());
        Ok(done)
    }

    /// Reports of an item that would stay as it is that it lacks an owner which the restore
    /// brings, or that it would get that owner.
    fn foresee_owners(&self, ready: &Ready<'_>, live: &LiveItem, done: &mut ItemDone) {
        let selected = self.source.inventory.entry(ready.entry).inclusion == Inclusion::Selected;
        let brought = |owner: &&Value| {
            OwnerView::read(owner).is_some_and(|owner| self.owners.fate(owner.uid) == Fate::Awaited)
        };
        let brought: Vec<Value> = ready.awaited.iter().filter(brought).cloned().collect();
        let stays = matches!(done.act.action, ItemAction::Skip(_));
        if !stays || !selected || !lacks_owner(&references(&live.object), &brought) {
            return;
        }
        if self.policy == ExistingResourcePolicy::None && !self.earlier.made_any(&labels(&live.object)) {
            let message = "it is in the cluster already without the owner that it has in the backup, and would be left as it is; existingResourcePolicy Update changes it";
            done.findings.push(ready.warning(Category::Conflict, message));
        } else {
            done.act.action = ItemAction::Update;
            done.act.reason = Some("lacks the owner that it has in the backup".to_owned());
        }
    }
}
