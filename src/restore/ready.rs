//! Waiting, only where order demands it: definitions until they are served, namespaces until they are Active; and between
//! two steps until every item of the first is dealt with.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::account::{Account, Done};
use super::apply::Applied;
use super::error::RestoreError;
use super::inventory::EntryId;
use super::outcome::{Act, Action};
use super::prepare::Owning;
use super::work::Work;
use crate::cluster::{ClusterError, KindInfo};
use crate::model::{Category, Finding, ItemKey, Kind, NAMESPACES, SkipReason, causes};

/// How long a definition may take to be served; some 20 ms are usual, and Velero waits as long.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(60);

/// How long a namespace may take to be Active; it is at once, mostly.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// Kinds that are named while they are restored; more would not fit a line.
const KINDS_NAMED: usize = 3;

/// What a batch of items left open.
#[derive(Debug, Default)]
pub struct Batch {
    /// Items that wait for their owners, in the tarball's order.
    pub later: Vec<EntryId>,
    /// Items that failed, and why.
    pub failed: HashMap<EntryId, (Category, String)>,
}

impl Work<'_> {
    /// Restores items side by side, and comes back when all are dealt with.
    pub async fn restore_all(
        &self,
        entries: &[EntryId],
        owning: Owning,
        account: &mut Account<'_>,
    ) -> Result<Batch, RestoreError> {
        let mut batch = Batch::default();
        let bodies = self.source.bodies(entries)?;
        let restored = bodies.map_ok(|(id, body)| self.restore(id, body, owning));
        let mut restored = restored.try_buffer_unordered(self.parallel);
        while let Some(applied) = restored.try_next().await? {
            match applied {
                Applied::Later(id) => batch.later.push(id),
                Applied::Done(done) => {
                    if let (Action::Fail, Some(id)) = (done.act.action, done.entry) {
                        let category = done.findings.first().map_or(Category::Other, |found| found.category);
                        batch.failed.insert(id, (category, done.act.reason.clone().unwrap_or_default()));
                    }
                    account.record(done)?;
                }
            }
        }
        batch.later.sort_unstable();
        Ok(batch)
    }

    /// Restores the definitions and waits until they are served. One that never is takes its resources with it, no more.
    pub async fn restore_definitions(&mut self, account: &mut Account<'_>) -> Result<(), RestoreError> {
        let definitions = std::mem::take(&mut self.plan.definitions);
        if definitions.is_empty() {
            return Ok(());
        }
        account.stage("restoring customresourcedefinitions.apiextensions.k8s.io");
        let Batch { failed, .. } = self.restore_all(&definitions, Owning::Drop, account).await?;
        account.stage("waiting for the definitions to be established");
        let there = definitions.into_iter().filter(|id| !failed.contains_key(id));
        let waits = there.map(async |id| {
            let name = self.source.inventory.entry(id).name.to_string();
            (id, name.clone(), self.cluster.crd_established(&name, ESTABLISHED_WITHIN).await)
        });
        let waited: Vec<_> = stream::iter(waits).buffer_unordered(self.parallel).collect().await;
        let mut broken = HashMap::new();
        for (id, name, outcome) in waited {
            if let Err(error) = outcome {
                let error = unless_connection("waiting for a definition to be established", error)?;
                let why = format!("its definition is not served: {}", causes(&error));
                let item = self.source.inventory.key(self.source.inventory.entry(id));
                account.find(Finding::error(error.category(), causes(&error)).on_item(item));
                broken.insert(name, (error.category(), why));
            }
        }
        self.look_up_kinds(&broken).await
    }

    /// Restores the namespaces, makes those that the backup does not hold, and waits until they are Active.
    pub async fn restore_namespaces(&mut self, account: &mut Account<'_>) -> Result<(), RestoreError> {
        let namespaces = std::mem::take(&mut self.plan.namespaces);
        if namespaces.is_empty() {
            return Ok(());
        }
        account.stage("restoring namespaces");
        let mut stored: Vec<EntryId> = namespaces.values().flatten().copied().collect();
        stored.sort_unstable();
        let Batch { mut failed, .. } = self.restore_all(&stored, Owning::Drop, account).await?;
        let settled = namespaces.into_iter().map(|(name, home)| {
            let failed = home.and_then(|id| failed.remove(&id));
            self.settle(name, home, failed)
        });
        let settled: Vec<_> =
            stream::iter(settled.collect::<Vec<_>>()).buffer_unordered(self.parallel).collect().await;
        for settled in settled {
            let (name, broken, done) = settled?;
            if let Some(done) = done {
                account.record(done)?;
            }
            if let Some(broken) = broken {
                self.broken_namespaces.insert(name, broken);
            }
        }
        Ok(())
    }

    /// Makes a namespace that the backup does not hold, and waits until it is Active.
    async fn settle(
        &self,
        name: String,
        home: Option<EntryId>,
        failed: Option<(Category, String)>,
    ) -> Result<(String, Option<(Category, String)>, Option<Done>), RestoreError> {
        if failed.is_some() {
            return Ok((name, failed, None));
        }
        let made = match home {
            Some(_) => Ok(None),
            None => self.make_namespace(&name).await.map(Some),
        };
        let active = async { self.cluster.namespace_active(&name, ACTIVE_WITHIN).await };
        let item = || ItemKey::cluster(Kind::parse(NAMESPACES), &*name);
        let act = |action| Act { item: item(), target: None, action, reason: None };
        let done = |action, findings| Done { entry: None, act: act(action), findings, bytes: 0 };
        let (made, error) = match made {
            Ok(made) => match active.await {
                Ok(()) => return Ok((name.clone(), None, made.map(|action| done(action, Vec::new())))),
                Err(error) => (made, error),
            },
            Err(error) => (None, error),
        };
        let error = unless_connection("making namespaces", error)?;
        let finding = Finding::error(error.category(), causes(&error)).on_item(item());
        let broken = (error.category(), causes(&error));
        Ok((name.clone(), Some(broken), Some(done(made.unwrap_or(Action::Fail), vec![finding]))))
    }

    async fn make_namespace(&self, name: &str) -> Result<Action, ClusterError> {
        let body = self.rewriter.bare_namespace(name).to_string();
        match self.cluster.create(&namespace_kind(), None, body).await {
            Ok(_) => Ok(Action::Create),
            Err(error) if error.is_already_exists() => Ok(Action::Skip(SkipReason::Unchanged)),
            Err(error) => Err(error),
        }
    }

    /// What is restored in a step, in words.
    pub fn stage_of(&self, entries: &[EntryId]) -> String {
        let inventory = &self.source.inventory;
        let mut kinds: Vec<u16> = entries.iter().map(|id| inventory.entry(*id).kind).collect();
        kinds.dedup();
        let named =
            kinds.iter().take(KINDS_NAMED).map(|kind| inventory.kinds[usize::from(*kind)].kind.as_str());
        let more = if kinds.len() > KINDS_NAMED { " and others" } else { "" };
        format!("restoring {}{more}", named.collect::<Vec<_>>().join(", "))
    }
}

/// Namespaces are served by every cluster in the same way.
pub fn namespace_kind() -> KindInfo {
    KindInfo {
        kind: Kind::parse(NAMESPACES),
        version: "v1".to_owned(),
        name: "Namespace".to_owned(),
        singular: "namespace".to_owned(),
        short_names: Vec::new(),
        namespaced: false,
        verbs: Vec::new(),
        other_versions: Vec::new(),
        status: false,
    }
}

/// An error that concerns one object; one about the connection ends the run.
fn unless_connection(doing: &'static str, error: ClusterError) -> Result<ClusterError, RestoreError> {
    if error.is_about_the_connection() {
        return Err(RestoreError::Cluster { doing, source: error });
    }
    Ok(error)
}
