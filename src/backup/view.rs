//! The cluster as a backup sees it: the plan, the cut, and what comes along. Nothing has been taken yet.
//!
//! A backup takes what the view shows, and a diff against the live cluster compares it. Next on the way: `collect`.

use std::collections::HashSet;

use super::collect::{Collection, Event, Query};
use super::cut::{self, Cut};
use super::error::BackupError;
use super::filter::Filter;
use super::item::ItemView;
use super::plan::{self, Plan};
use super::survey::{self, Survey};
use crate::api::CompiledSelection;
use crate::cluster::{Cluster, KindInfo};
use crate::model::{CLUSTER_BINDINGS, DEFINITIONS};

/// What is selected of a cluster at one instant.
pub struct View<'a> {
    selection: &'a CompiledSelection,
    /// The kinds to list.
    pub plan: Plan,
    /// The instant.
    pub cut: Cut,
    survey: Option<Survey>,
}

impl<'a> View<'a> {
    /// Looks at the cluster; `stage` is told what is being done.
    pub async fn open(
        cluster: &Cluster,
        selection: &'a CompiledSelection,
        stage: impl Fn(&str),
    ) -> Result<Self, BackupError> {
        stage("asking the cluster for its kinds");
        let catalog =
            cluster.catalog().await.map_err(BackupError::cluster("asking the API server for its kinds"))?;
        let plan = plan::plan(&catalog, selection);
        let cut = cut::take(cluster, &catalog, selection).await?;
        let mut view = Self { selection, plan, cut, survey: None };
        if view.plan.needs_survey {
            stage("looking for what comes along");
            view.survey = Some(view.look_around(cluster).await);
        }
        Ok(view)
    }

    /// Judges items by this view.
    pub fn filter(&self) -> Filter<'_> {
        Filter {
            selection: self.selection,
            cluster_scope: self.plan.cluster_scope,
            namespaces: &self.cut.namespaces,
            survey: self.survey.as_ref(),
        }
    }

    /// Begins to list everything that the plan names.
    pub fn collect(&self, cluster: &Cluster) -> Collection {
        Collection::new(cluster, self.plan.kinds.iter().cloned(), self.query())
    }

    fn query(&self) -> Query {
        Query {
            cut: self.cut.revision.clone(),
            namespaces: self.plan.namespaces.clone(),
            labels: self.selection.labels.list_parameter(),
        }
    }

    /// Looks through the kinds that decide what comes along. A kind that cannot be listed now will fail again, and be
    /// reported, when its turn to be taken comes.
    async fn look_around(&self, cluster: &Cluster) -> Survey {
        let filter = self.filter();
        let mut survey = Survey::of(&self.plan, self.selection);
        let everywhere = Query { namespaces: None, labels: None, ..self.query() };
        let mut defined = HashSet::new();
        each_item(cluster, survey::the_kind(&self.plan, DEFINITIONS), everywhere.clone(), |_, body| {
            if let Ok(item) = ItemView::read(body) {
                defined.insert(item.name.into_owned());
            }
        })
        .await;
        let kinds = survey::kinds_to_survey(&self.plan, plan::narrows(self.selection), &defined);
        each_item(cluster, kinds, self.query(), |info, body| survey.look(&filter, info, body, &defined))
            .await;
        let bindings = survey::the_kind(&self.plan, CLUSTER_BINDINGS);
        each_item(cluster, bindings, everywhere, |_, body| survey.look_at_cluster_binding(body)).await;
        survey
    }
}

async fn each_item(
    cluster: &Cluster,
    kinds: Vec<&KindInfo>,
    query: Query,
    mut look: impl FnMut(&KindInfo, &[u8]),
) {
    let mut collection = Collection::new(cluster, kinds.into_iter().cloned(), query);
    while let Some(mut listing) = collection.next() {
        while let Some(event) = listing.next().await {
            if let Event::Page(page) = event {
                page.bodies().for_each(|body| look(&listing.info, body));
            }
        }
    }
}
