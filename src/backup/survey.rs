//! The survey, a first pass where only a part of the cluster is wanted. [`SurveyResult`] collects
//! the namespaces in which an item is taken, and the items that taken ones need: cluster-scoped
//! items, and PVCs that lack the selected labels.
//!
//! The tarball is in restore order: a definition comes before its resources and a volume before
//! its PVC. So the needed items must be known before the first item is written. The survey lists
//! at the same cut, takes the same verdicts, and keeps names only. Next: `collect`.

use std::collections::HashSet;

use super::filter::{BackupFilter, FilterVerdict};
use super::item::ItemView;
use super::plan::BackupPlan;
use super::survey_result::SurveyResult;
use crate::api::CompiledSelection;
use crate::cluster::ResourceInfo;
use crate::model::{
    CRDS, ClusterReferences, ClusterScope, GroupResource, ItemKey, NAMESPACES, has_references,
};

/// Returns the kinds to look through: all that may be taken if labels or kinds narrow the
/// selection, else only those that refer to other items and those that have a definition.
/// `defined` names the kinds that have a definition.
pub fn kinds_to_survey<'a>(
    plan: &'a BackupPlan,
    narrows: bool,
    defined: &HashSet<String>,
) -> Vec<&'a ResourceInfo> {
    let look = |info: &&ResourceInfo| {
        let kind = info.resource.as_str();
        if plan.along.contains(&info.resource) || kind == NAMESPACES || kind == CRDS {
            return false;
        }
        let leads = has_references(&info.resource) || defined.contains(kind);
        match info.namespaced {
            true => leads || narrows,
            false => leads && plan.cluster_scope == ClusterScope::All,
        }
    };
    plan.kinds.iter().filter(look).collect()
}

/// Returns the kind of this name; empty if the plan does not list it.
pub fn the_kind<'a>(plan: &'a BackupPlan, kind: &str) -> Vec<&'a ResourceInfo> {
    plan.kinds.iter().filter(|info| info.resource.as_str() == kind).collect()
}

impl SurveyResult {
    /// Returns an empty result. PVCs are looked for only where labels select: labels part a
    /// workload from its PVCs, while a choice of kinds or namespaces is meant as it stands.
    pub fn of(selection: &CompiledSelection) -> Self {
        let needs = if selection.labels.is_everything() {
            ClusterReferences::default()
        } else {
            ClusterReferences::with_claims()
        };
        Self { needs, ..Self::default() }
    }

    /// Notes the namespace and the references of one item if `filter` takes the item. `filter`
    /// must have no survey itself.
    pub fn note_item(
        &mut self,
        filter: &BackupFilter<'_>,
        info: &ResourceInfo,
        body: &[u8],
        defined: &HashSet<String>,
    ) {
        let Ok(item) = ItemView::read(body, !info.status) else { return };
        if filter.judge(info, &item) != FilterVerdict::Take {
            return;
        }
        let kind = info.resource.as_str();
        if defined.contains(kind) {
            self.need_definition(&info.resource);
        }
        if has_references(&info.resource) {
            self.needs.note_references(&info.resource, body);
        }
        let Some(namespace) = item.namespace.as_deref() else { return };
        if !self.namespaces.contains(namespace) {
            self.namespaces.insert(namespace.to_owned());
        }
    }

    /// Notes a cluster-scoped item, and what it refers to, if taken items need it: a binding of a
    /// taken account, a role, a volume, a class.
    pub fn offer(&mut self, info: &ResourceInfo, body: &[u8]) {
        if let Ok(item) = ItemView::read(body, !info.status) {
            self.needs.offer(&info.resource, &item.name, body);
        }
    }

    /// Notes the volume of a PVC if a taken item names the PVC. A PVC that is left out (by label,
    /// or being deleted) leads to nothing.
    pub fn offer_claim(&mut self, filter: &BackupFilter<'_>, info: &ResourceInfo, body: &[u8]) {
        let Ok(item) = ItemView::read(body, !info.status) else { return };
        if let Some(namespace) = item.namespace.as_deref()
            && filter.skip_reason(info, &item).is_none()
        {
            self.needs.offer_claim(namespace, &item.name, body);
        }
    }

    /// Ends the survey: adds the definitions of the custom resources that are needed.
    pub fn close(&mut self, plan: &BackupPlan, defined: &HashSet<String>) {
        let of_cluster = plan.kinds.iter().filter(|info| !info.namespaced);
        self.needs.close(of_cluster.map(|info| (&info.resource, &*info.kind)));
        let custom = |key: &&ItemKey| defined.contains(key.resource.as_str());
        let kinds: HashSet<GroupResource> =
            self.needs.found.iter().filter(custom).map(|key| key.resource.clone()).collect();
        kinds.iter().for_each(|kind| self.need_definition(kind));
    }

    fn need_definition(&mut self, kind: &GroupResource) {
        self.needs.found.insert(ItemKey::cluster(GroupResource::parse(CRDS), kind.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::api::Filter as Fields;
    use crate::backup::filter::Namespaces;
    use crate::backup::plan::plan;
    use crate::cluster::Catalog;

    const CONTENTS: &str = "volumesnapshotcontents.snapshot.storage.k8s.io";
    const SNAPSHOTS: &str = "volumesnapshots.snapshot.storage.k8s.io";

    fn info(kind: &str, namespaced: bool) -> ResourceInfo {
        ResourceInfo {
            resource: GroupResource::parse(kind),
            version: "v1".into(),
            kind: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced,
            verbs: ["create", "list"].map(String::from).to_vec(),
            other_versions: Vec::new(),
            status: false,
        }
    }

    #[test]
    fn a_needed_resource_brings_its_definition_though_no_item_of_its_kind_is_selected() {
        let selection =
            Fields { included_namespaces: vec!["n".into()], ..Fields::default() }.compile().unwrap();
        let kinds = vec![info(SNAPSHOTS, true), info(CONTENTS, false), info(CRDS, false)];
        let plan = plan(&Catalog { kinds, failures: Vec::new() }, &selection);
        let defined = HashSet::from([SNAPSHOTS.to_owned(), CONTENTS.to_owned()]);
        let surveyed = kinds_to_survey(&plan, false, &defined);
        assert_eq!(surveyed.iter().map(|info| info.resource.as_str()).collect::<Vec<_>>(), [SNAPSHOTS]);

        let namespaces = Namespaces::default();
        let filter = BackupFilter {
            selection: &selection,
            cluster_scope: plan.cluster_scope,
            along: &plan.along,
            namespaces: &namespaces,
            survey: None,
            selecting: HashSet::new(),
        };
        let mut survey = SurveyResult::default();
        let snapshot = json!({"metadata": {"name": "s", "namespace": "n"}, "status": {"boundVolumeSnapshotContentName": "c"}});
        survey.note_item(&filter, &info(SNAPSHOTS, true), snapshot.to_string().as_bytes(), &defined);
        survey.close(&plan, &defined);
        let found: BTreeSet<String> = survey.needs.found.iter().map(ToString::to_string).collect();
        let definition = |kind: &str| format!("{CRDS} {kind}");
        assert_eq!(
            found,
            BTreeSet::from([format!("{CONTENTS} c"), definition(CONTENTS), definition(SNAPSHOTS)])
        );
    }
}
