//! The cluster as a backup sees it: the cut, the plan, and what comes along. Nothing is taken yet.
//!
//! A backup takes the items that the view shows; a diff against the live cluster compares them.
//! Next: `collect`.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::collect::{Collection, Event, Query};
use super::cut::{self, Cut};
use super::definitions::{self, Definition};
use super::error::BackupError;
use super::filter::{BackupFilter, SERVICES};
use super::item::ItemView;
use super::plan::{self, BackupPlan};
use super::survey;
use super::survey_result::SurveyResult;
use crate::api::CompiledSelection;
use crate::cluster::{Catalog, Cluster, ClusterError, Lag, ResourceInfo};
use crate::model::{CRDS, Category, Finding, GroupResource, LEADING, NAMESPACES, Offer, PVCS, causes};

/// The longest time in which discovery may learn of no further kind that is defined at the cut,
/// before the missing ones are given up. API servers learn of definitions from each other within
/// seconds.
const DISCOVERY_LAG: Duration = Duration::from_secs(15);
/// The longest wait for discovery in all, so that the cut is not compacted meanwhile.
const LONGEST_LAG: Duration = Duration::from_secs(60);
/// The pause between two discoveries meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// The selected part of a cluster at one instant.
pub struct ClusterView<'a> {
    selection: &'a CompiledSelection,
    /// The kinds to list.
    pub plan: BackupPlan,
    /// The revision and time of the view, and the namespaces at it.
    pub cut: Cut,
    survey: Option<SurveyResult>,
    /// Services with a selector, looked up beforehand where the selection does not list all of
    /// them; as (namespace, name).
    selecting: HashSet<(String, String)>,
    /// Kinds that the survey could not list to their end, each with its error.
    pub unseen: Vec<(GroupResource, ClusterError)>,
    /// Findings about what may be missing because of `unseen`, and about kinds that are defined
    /// and not served.
    pub findings: Vec<Finding>,
}

impl<'a> ClusterView<'a> {
    /// Takes the cut and opens the view at it, as [`ClusterView::open_at`] does.
    pub async fn open(cluster: &Cluster, selection: &'a CompiledSelection) -> Result<Self, BackupError> {
        Self::open_at(cluster, cut::instant(cluster).await?, selection, |_| {}).await
    }

    /// Discovers the kinds, plans, and surveys if the plan needs it. Discovery cannot be older than
    /// the cut (revision and time), which is taken already. `stage` is told each step in words.
    pub async fn open_at(
        cluster: &Cluster,
        (revision, time): (String, DateTime<Utc>),
        selection: &'a CompiledSelection,
        stage: impl Fn(&str),
    ) -> Result<Self, BackupError> {
        stage("asking the cluster for its kinds");
        let catalog = catalog(cluster).await?;
        let mut around = Around { cluster, revision, unseen: Vec::new() };
        let namespaces = cut::namespaces(cluster, &catalog, &around.revision).await?;
        let definitions = around.definitions(&catalog).await?;
        let (catalog, missing) = settle(cluster, catalog, &definitions, selection, &stage).await?;
        let plan = plan::plan(&catalog, selection);
        let mut findings = missing;
        findings.extend(definitions::hidden(&definitions, selection, time));
        let cut = Cut::new(around.revision.clone(), time, namespaces, selection);
        let mut view = Self {
            selection,
            plan,
            cut,
            survey: None,
            selecting: HashSet::new(),
            unseen: Vec::new(),
            findings,
        };
        if view.plan.needs_survey {
            stage("looking for what comes along");
            view.make_survey(&mut around, &catalog, &definitions::defined(&definitions)).await?;
        }
        view.tell_unseen(around.unseen);
        Ok(view)
    }

    /// Returns the filter that decides by this view.
    pub fn filter(&self) -> BackupFilter<'_> {
        BackupFilter {
            selection: self.selection,
            cluster_scope: self.plan.cluster_scope,
            along: &self.plan.along,
            namespaces: &self.cut.namespaces,
            survey: self.survey.as_ref(),
            selecting: self.selecting.clone(),
        }
    }

    /// Starts the listing of every kind of the plan.
    pub fn collect(&self, cluster: &Cluster) -> Collection {
        Collection::new(cluster, self.plan.kinds.iter().cloned(), self.query())
    }

    fn query(&self) -> Query {
        Query {
            cut: self.cut.revision.clone(),
            namespaces: self.plan.namespaces.clone(),
            labels: self.selection.labels.list_parameter(),
            // A label selector would hide the PVCs without labels that labelled workloads name:
            // that kind is listed whole.
            whole: (self.survey.as_ref().is_some_and(|survey| survey.needs.names_claims()))
                .then(|| GroupResource::parse(PVCS)),
        }
    }

    /// Makes the survey: looks through the kinds that decide what comes along, in the order in
    /// which one leads to another (workloads, PVCs, then cluster-scoped items).
    async fn make_survey(
        &mut self,
        around: &mut Around<'_>,
        catalog: &Catalog,
        defined: &HashSet<String>,
    ) -> Result<(), BackupError> {
        let narrows = plan::narrows(self.selection);
        let follow = |info: &ResourceInfo| matches!(info.resource.resource(), "endpoints" | "endpointslices");
        // A label selector or a choice of kinds may leave Services out of the lists; endpoints are
        // judged by them all the same.
        if narrows && self.plan.kinds.iter().any(follow) {
            let services: Vec<&ResourceInfo> =
                catalog.find(&GroupResource::parse(SERVICES)).into_iter().collect();
            let mut filter = self.filter();
            let query = Query { labels: None, ..self.query() };
            around
                .each_item(services, query, |info, body| {
                    if let Ok(item) = ItemView::read(body, !info.status) {
                        filter.note(info, &item);
                    }
                })
                .await?;
            self.selecting = filter.selecting;
        }
        let filter = self.filter();
        let mut survey = SurveyResult::of(self.selection);
        let kinds = survey::kinds_to_survey(&self.plan, narrows, defined);
        around
            .each_item(kinds, self.query(), |info, body| survey.note_item(&filter, info, body, defined))
            .await?;
        if survey.needs.names_claims() {
            let claims = survey::the_kind(&self.plan, PVCS);
            let query = Query { labels: None, ..self.query() };
            around.each_item(claims, query, |info, body| survey.offer_claim(&filter, info, body)).await?;
        }
        let everywhere = Query { namespaces: None, labels: None, ..self.query() };
        for kind in LEADING {
            if survey.needs.asks(kind) != Offer::Nothing {
                let kind = survey::the_kind(&self.plan, kind);
                around.each_item(kind, everywhere.clone(), |info, body| survey.offer(info, body)).await?;
            }
        }
        survey.close(&self.plan, defined);
        // A kind that nobody asked for and of which no item is needed is not listed a second time.
        let along = &self.plan.along;
        self.plan.kinds.retain(|info| {
            let kind = info.resource.as_str();
            kind == NAMESPACES || !along.contains(&info.resource) || survey.needs.needs_any(kind)
        });
        self.survey = Some(survey);
        Ok(())
    }

    /// Adds an error for each kind that could not be looked through: what its items bring along
    /// may be missing from the backup.
    fn tell_unseen(&mut self, unseen: Vec<(GroupResource, ClusterError)>) {
        for (kind, error) in &unseen {
            // A server without cluster-scoped rights may back up namespaces and lack the right to
            // list definitions.
            let unwanted = kind.as_str() == CRDS && survey::the_kind(&self.plan, CRDS).is_empty();
            if unwanted && error.category() == Category::Forbidden {
                continue;
            }
            let message = format!(
                "it could not be looked through before the backup, so that what its items bring along (namespaces, definitions and their resources, volumes, classes, roles) may be missing in this backup: {}; run the backup again",
                causes(error)
            );
            self.findings.push(Finding::error(error.category(), message).on_kind(kind.clone()));
        }
        self.unseen = unseen;
    }
}

async fn catalog(cluster: &Cluster) -> Result<Catalog, BackupError> {
    cluster.catalog().await.map_err(BackupError::cluster("asking the API server for its kinds"))
}

/// Repeats discovery until each kind that is defined at the cut is there, or the lag is over.
/// Returns the catalog, and a finding for each kind that never came.
async fn settle(
    cluster: &Cluster,
    mut kinds: Catalog,
    definitions: &[Definition],
    selection: &CompiledSelection,
    stage: &impl Fn(&str),
) -> Result<(Catalog, Vec<Finding>), BackupError> {
    let mut lag = Lag::new(DISCOVERY_LAG, LONGEST_LAG);
    loop {
        let missing = definitions::missing(definitions, &kinds, selection);
        let (gone, missing) = deleted_since(cluster, &kinds, missing).await;
        if lag.is_over(missing.len()) {
            let findings = missing.into_iter().map(unserved).chain(gone.into_iter().map(deleted)).collect();
            return Ok((kinds, findings));
        }
        stage(&format!("waiting for the API server to serve {}, which is defined", missing[0]));
        tokio::time::sleep(ASK_AGAIN).await;
        kinds = catalog(cluster).await?;
    }
}

/// Splits kinds into those whose definition has been deleted since the cut, which will not come
/// any more, and the others.
async fn deleted_since(
    cluster: &Cluster,
    catalog: &Catalog,
    kinds: Vec<GroupResource>,
) -> (Vec<GroupResource>, Vec<GroupResource>) {
    let Some(info) = catalog.find(&GroupResource::parse(CRDS)) else { return (Vec::new(), kinds) };
    let (mut gone, mut there) = (Vec::new(), Vec::new());
    for kind in kinds {
        let found = cluster.get(info, None, kind.as_str()).await;
        if matches!(found, Ok(None)) { gone.push(kind) } else { there.push(kind) }
    }
    (gone, there)
}

fn unserved(kind: GroupResource) -> Finding {
    let message = "its definition is established, and the API server does not serve it, so that its resources are not in this backup; look at `kubectl api-resources`, and run the backup again";
    Finding::error(Category::Unavailable, message).on_kind(kind)
}

fn deleted(kind: GroupResource) -> Finding {
    let message =
        "its definition was deleted while the backup began, so that its resources are not in this backup";
    Finding::error(Category::NotFound, message).on_kind(kind)
}

/// The cluster during the survey.
struct Around<'a> {
    cluster: &'a Cluster,
    revision: String,
    /// Kinds that could not be listed to their end, each with its error.
    unseen: Vec<(GroupResource, ClusterError)>,
}

impl Around<'_> {
    /// Returns the definitions at the cut.
    async fn definitions(&mut self, catalog: &Catalog) -> Result<Vec<Definition>, BackupError> {
        let mut definitions = Vec::new();
        let kind = catalog.find(&GroupResource::parse(CRDS)).into_iter().collect();
        let query = Query { cut: self.revision.clone(), namespaces: None, labels: None, whole: None };
        self.each_item(kind, query, |_, body| definitions.extend(Definition::read(body))).await?;
        Ok(definitions)
    }

    /// Shows `look` each item of some kinds. A kind that cannot be listed is remembered in
    /// `unseen`; an error that concerns every call ends the run.
    async fn each_item(
        &mut self,
        kinds: Vec<&ResourceInfo>,
        query: Query,
        mut look: impl FnMut(&ResourceInfo, &[u8]),
    ) -> Result<(), BackupError> {
        let mut collection = Collection::new(self.cluster, kinds.into_iter().cloned(), query);
        while let Some(mut listing) = collection.next() {
            while let Some(event) = listing.next().await {
                match event {
                    Event::Page(page) => page.bodies().for_each(|body| look(&listing.info, body)),
                    // A kind that drifts here drifts again when it is listed for the backup, and is
                    // told then.
                    Event::Drift(_) => {}
                    Event::Failed(source) if source.concerns_every_call() => {
                        return Err(BackupError::Cluster { doing: "looking for what comes along", source });
                    }
                    Event::Failed(error) => self.unseen.push((listing.info.resource.clone(), error)),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
