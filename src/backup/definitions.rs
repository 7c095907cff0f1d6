//! Compares discovery with the definitions at the cut: an API server that lags leaves out kinds
//! that were defined just now. Pure.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::exclusion::hangs;
use crate::api::CompiledSelection;
use crate::cluster::Catalog;
use crate::model::{Category, ClusterScope, Finding, GroupResource};

/// The part of a CustomResourceDefinition that tells of its kind.
#[derive(Clone, Debug, Deserialize)]
pub struct Definition {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    deletion_timestamp: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Spec {
    names: Names,
    scope: String,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Clone, Debug, Deserialize)]
struct Version {
    served: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    kind: String,
    #[serde(default)]
    singular: String,
    #[serde(default)]
    short_names: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

impl Definition {
    /// Reads a definition, or returns `None` if the object does not have the shape of one.
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Returns the kind that the definition defines, which is the definition's name.
    pub fn kind(&self) -> GroupResource {
        GroupResource::parse(&self.metadata.name)
    }

    /// Returns true if the kind is served at the cut and not being deleted. Resources without a
    /// served version cannot be read.
    fn is_served(&self) -> bool {
        self.is_established() && !self.is_leaving() && self.has_served_version()
    }

    fn is_established(&self) -> bool {
        let established =
            |condition: &Condition| condition.r#type == "Established" && condition.status == "True";
        self.status.conditions.iter().any(established)
    }

    fn is_leaving(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    fn has_served_version(&self) -> bool {
        self.spec.versions.iter().any(|version| version.served)
    }

    /// Returns why resources of the kind may exist without being in the backup, or `None` if
    /// nothing says so. `at` is the time of the cut.
    fn hides(&self, at: DateTime<Utc>) -> Option<&'static str> {
        let hangs = self.metadata.deletion_timestamp.as_deref().is_some_and(|since| hangs(since, at));
        match (hangs, !self.is_leaving() && self.is_established() && !self.has_served_version()) {
            (true, _) => Some(
                "its definition is being deleted and its resources with it, so that none of them is in this backup; backups from before the deletion hold them: keep one, or let the deletion end",
            ),
            (false, true) => Some(
                "its definition is there and none of its versions is served, so that its resources, if there are any, cannot be read and are not in this backup; serve a version of it, and run the backup again",
            ),
            (false, false) => None,
        }
    }

    /// Returns true if items of the kind may be selected.
    fn is_selected(&self, selection: &CompiledSelection) -> bool {
        let Names { kind, singular, short_names } = &self.spec.names;
        let aliases = [kind, singular].into_iter().chain(short_names).map(String::as_str);
        let namespaced = self.spec.scope == "Namespaced";
        let in_scope = namespaced || selection.cluster_scope != ClusterScope::None;
        in_scope && selection.kinds_of(namespaced).takes(&self.kind(), aliases)
    }
}

/// Returns the kinds that have a definition.
pub fn defined(definitions: &[Definition]) -> HashSet<String> {
    definitions.iter().map(|definition| definition.metadata.name.clone()).collect()
}

/// Returns a warning for each selected kind whose resources may exist and cannot be read, or are
/// about to be deleted.
pub fn hidden(definitions: &[Definition], selection: &CompiledSelection, at: DateTime<Utc>) -> Vec<Finding> {
    let selected = definitions.iter().filter(|definition| definition.is_selected(selection));
    let tell = |definition: &Definition| {
        let message = definition.hides(at)?;
        Some(Finding::warning(Category::Unavailable, message).on_kind(definition.kind()))
    };
    selected.filter_map(tell).collect()
}

/// Returns the kinds that are served at the cut, selected, and not in the catalog.
pub fn missing(
    definitions: &[Definition],
    catalog: &Catalog,
    selection: &CompiledSelection,
) -> Vec<GroupResource> {
    let failed = |kind: &GroupResource| {
        let of = |group_version: &str| {
            group_version.split_once('/').is_some_and(|(group, _)| group == kind.group())
        };
        catalog.failures.iter().any(|failure| of(&failure.group_version))
    };
    definitions
        .iter()
        .filter(|definition| definition.is_served() && definition.is_selected(selection))
        .map(Definition::kind)
        // A group that did not answer has its own finding.
        .filter(|kind| catalog.find(kind).is_none() && !failed(kind))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Filter;
    use crate::cluster::GroupFailure;

    fn unserved(mut definition: Definition) -> Definition {
        definition.spec.versions.iter_mut().for_each(|version| version.served = false);
        definition
    }

    fn definition(name: &str, established: &str, metadata: serde_json::Value) -> Definition {
        let mut definition = json!({
            "metadata": {"name": name},
            "spec": {"scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wi"]}, "versions": [{"name": "v1", "served": true}]},
            "status": {"conditions": [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": established}]},
        });
        definition["metadata"].as_object_mut().unwrap().extend(metadata.as_object().cloned().unwrap());
        Definition::read(definition.to_string().as_bytes()).unwrap()
    }

    fn told(definition: Definition, catalog: &Catalog, filter: Filter) -> bool {
        !missing(&[definition], catalog, &filter.compile().unwrap()).is_empty()
    }

    #[test]
    fn a_kind_that_is_served_at_the_cut_and_not_in_discovery_is_missing() {
        let widgets = || definition("widgets.example.com", "True", json!({}));
        let nothing = Catalog::default();
        assert!(told(widgets(), &nothing, Filter::default()));
        for selected in ["wi", "Widget", "widgets.example.com", "*"] {
            let filter = Filter { included_resources: vec![selected.into()], ..Filter::default() };
            assert!(told(widgets(), &nothing, filter), "{selected}");
        }
        let others = Filter { included_resources: vec!["pods".into()], ..Filter::default() };
        assert!(!told(widgets(), &nothing, others));
    }

    #[test]
    fn what_is_not_served_yet_or_not_any_more_or_told_already_is_not() {
        let nothing = Catalog::default();
        assert!(!told(definition("widgets.example.com", "False", json!({})), &nothing, Filter::default()));
        let going =
            definition("widgets.example.com", "True", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert!(!told(going, &nothing, Filter::default()));
        let out_of_reach = unserved(definition("widgets.example.com", "True", json!({})));
        assert!(!told(out_of_reach, &nothing, Filter::default()));
        let failure = GroupFailure { group_version: "example.com/v1".into(), message: "503".into() };
        let silent = Catalog { kinds: Vec::new(), failures: vec![failure] };
        assert!(!told(definition("widgets.example.com", "True", json!({})), &silent, Filter::default()));
    }

    #[test]
    fn resources_that_are_out_of_reach_are_told() {
        let at = |time: &str| format!("2026-01-01T{time}Z").parse().unwrap();
        let told = |definition: Definition| {
            let found = hidden(&[definition], &Filter::default().compile().unwrap(), at("00:01:01"));
            found.into_iter().map(|finding| finding.to_string()).collect::<Vec<_>>()
        };
        let widgets = |metadata| definition("widgets.example.com", "True", metadata);
        assert_eq!(told(widgets(json!({}))), [""; 0]);
        assert_eq!(told(unserved(definition("widgets.example.com", "False", json!({})))), [""; 0]);
        let [text] = &told(unserved(widgets(json!({}))))[..] else { panic!("nothing is told") };
        assert!(
            text.starts_with("widgets.example.com: its definition is there and none of its versions"),
            "{text}"
        );
        let going = widgets(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
        let [text] = &told(going.clone())[..] else { panic!("nothing is told") };
        assert!(text.contains("its definition is being deleted"), "{text}");
        let others = Filter { included_resources: vec!["pods".into()], ..Filter::default() };
        assert!(hidden(std::slice::from_ref(&going), &others.compile().unwrap(), at("00:01:01")).is_empty());
        let all = Filter::default().compile().unwrap();
        assert!(hidden(&[going], &all, at("00:01:00")).is_empty(), "a deletion that goes its way");
    }
}
