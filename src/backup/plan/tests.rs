//! Tests of the kinds that a plan takes, their order, and its findings about the others.

use std::collections::BTreeSet;

use super::*;
use crate::api::{BackupSpec, Filter};
use crate::cluster::GroupFailure;
use crate::model::Severity;

fn kind(name: &str, namespaced: bool) -> ResourceInfo {
    let kind = GroupResource::parse(name);
    ResourceInfo {
        version: "v1".into(),
        kind: kind.resource().trim_end_matches('s').to_owned(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced,
        status: true,
        verbs: ["create", "get", "list"].map(String::from).to_vec(),
        other_versions: Vec::new(),
        resource: kind,
    }
}

fn catalog() -> Catalog {
    let mut review = kind("tokenreviews.authentication.k8s.io", false);
    review.verbs = vec!["create".into()];
    let mut metrics = kind("pods.metrics.k8s.io", true);
    metrics.verbs = vec!["get".into(), "list".into()];
    let kinds = vec![
        kind("pods", true),
        kind("events", true),
        kind("nodes", false),
        kind("namespaces", false),
        kind("persistentvolumes", false),
        kind("deployments.apps", true),
        kind("deployments.extensions", true),
        kind("events.events.k8s.io", true),
        kind("backups.ark.heptio.com", true),
        kind("customresourcedefinitions.apiextensions.k8s.io", false),
        kind("widgets.example.com", true),
        kind("resourceslices.resource.k8s.io", false),
        kind("projectrequests.project.openshift.io", false),
        review,
        metrics,
    ];
    Catalog { kinds, failures: Vec::new() }
}

fn planned(filter: Filter) -> BackupPlan {
    plan(&catalog(), &filter.compile().unwrap())
}

fn names(plan: &BackupPlan) -> Vec<&str> {
    plan.kinds.iter().map(|info| info.resource.as_str()).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn everything_is_what_can_be_listed_and_created_once_and_in_restore_order() {
    let plan = planned(Filter::default());
    assert_eq!(
        names(&plan),
        [
            "customresourcedefinitions.apiextensions.k8s.io",
            "namespaces",
            "persistentvolumes",
            "widgets.example.com",
            "deployments.apps",
            "pods",
        ]
    );
    let left_out: Vec<&str> = plan.left_out.iter().map(|(info, _)| info.resource.as_str()).collect();
    assert_eq!(left_out, ["events", "nodes", "backups.ark.heptio.com", "resourceslices.resource.k8s.io"]);
    assert_eq!(plan.cluster_scope, ClusterScope::All);
    assert!(!plan.needs_survey && plan.findings.is_empty());
}

#[test]
fn an_older_group_is_listed_where_it_is_the_only_one() {
    let mut catalog = catalog();
    catalog.kinds.retain(|info| info.resource.as_str() != "deployments.apps");
    let plan = plan(&catalog, &Filter::default().compile().unwrap());
    assert!(names(&plan).contains(&"deployments.extensions"));
}

#[test]
fn a_kind_that_is_named_is_taken_though_it_is_left_out_by_default_but_never_our_own() {
    let plan = planned(Filter {
        included_resources: texts(&["events", "nodes", "backups.ark.heptio.com"]),
        ..Filter::default()
    });
    assert_eq!(
        names(&plan),
        [
            "customresourcedefinitions.apiextensions.k8s.io",
            "namespaces",
            "persistentvolumes",
            "nodes",
            "events"
        ]
    );
    // Nobody asked for these kinds: only the items that others need come.
    let along: BTreeSet<&str> = plan.along.iter().map(GroupResource::as_str).collect();
    let expected = ["customresourcedefinitions.apiextensions.k8s.io", "namespaces", "persistentvolumes"];
    assert_eq!(along, BTreeSet::from(expected));
    assert!(plan.needs_survey);
}

#[test]
fn some_namespaces_take_related_cluster_items_and_few_are_asked_one_by_one() {
    let plan = planned(Filter { included_namespaces: texts(&["a", "b"]), ..Filter::default() });
    assert_eq!(plan.cluster_scope, ClusterScope::Related);
    assert!(plan.needs_survey);
    assert_eq!(plan.namespaces, Some(texts(&["a", "b"])));
    let plan = planned(Filter { included_namespaces: texts(&["a*"]), ..Filter::default() });
    assert_eq!(plan.namespaces, None);
}

#[test]
fn without_cluster_items_only_the_namespaces_remain() {
    let plan = planned(Filter { include_cluster_resources: Some(false), ..Filter::default() });
    assert_eq!(names(&plan), ["namespaces", "widgets.example.com", "deployments.apps", "pods"]);
}

#[test]
fn kinds_that_are_selected_apart_by_scope_are_taken_apart() {
    let planned = |spec: serde_json::Value| {
        let spec: BackupSpec = serde_json::from_value(spec).unwrap();
        plan(&catalog(), &spec.selection().unwrap())
    };
    let some = planned(serde_json::json!({
        "includedNamespaces": ["a"], "includedClusterScopedResources": ["nodes"], "includedNamespaceScopedResources": ["pods"],
    }));
    let along = ["customresourcedefinitions.apiextensions.k8s.io", "namespaces", "persistentvolumes"];
    assert_eq!(names(&some), [&along[..], &["nodes", "pods"]].concat());
    // Of the kinds that are not named, only what is needed comes.
    assert_eq!(some.along.iter().map(GroupResource::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(along));
    assert!(some.needs_survey && some.findings.is_empty());

    let without = planned(
        serde_json::json!({"excludedClusterScopedResources": ["*"], "excludedNamespaceScopedResources": ["pods"]}),
    );
    assert_eq!(names(&without), ["namespaces", "widgets.example.com", "deployments.apps"]);

    let misplaced = planned(serde_json::json!({"includedClusterScopedResources": ["pods"]}));
    assert_eq!(misplaced.findings.len(), 1);
    assert!(misplaced.findings[0].message.contains("no cluster-scoped kind is called `pods`"));
}

#[test]
fn an_unknown_kind_is_an_error_where_it_is_wanted_and_a_warning_where_it_is_not() {
    let plan = planned(Filter {
        included_resources: texts(&["pods", "gadgets"]),
        excluded_resources: texts(&["gizmos"]),
        ..Filter::default()
    });
    let found: Vec<(Severity, bool)> = plan
        .findings
        .iter()
        .map(|finding| {
            (finding.severity, finding.message.contains("gadgets") || finding.message.contains("gizmos"))
        })
        .collect();
    assert_eq!(found, [(Severity::Error, true), (Severity::Warning, true)]);
}

#[test]
fn what_is_excluded_does_not_come_along_either() {
    let plan = planned(Filter {
        included_resources: texts(&["pods"]),
        excluded_resources: texts(&["persistentvolumes", "namespaces"]),
        ..Filter::default()
    });
    assert_eq!(names(&plan), ["customresourcedefinitions.apiextensions.k8s.io", "pods"]);
}

#[test]
fn a_group_of_measurements_that_does_not_answer_is_no_error() {
    let mut catalog = catalog();
    for group_version in ["metrics.k8s.io/v1beta1", "external.metrics.k8s.io/v1beta1"] {
        let failure = GroupFailure { group_version: group_version.into(), message: "503".into() };
        catalog.failures.push(failure);
    }
    let plan = plan(&catalog, &Filter::default().compile().unwrap());
    assert_eq!(plan.findings.len(), 2);
    assert!(plan.findings.iter().all(|finding| finding.severity == Severity::Warning));
}

#[test]
fn a_group_that_does_not_answer_is_told_and_the_rest_goes_on() {
    let mut catalog = catalog();
    catalog
        .failures
        .push(GroupFailure { group_version: "sick.example.com/v1".into(), message: "503".into() });
    let plan = plan(&catalog, &Filter::default().compile().unwrap());
    assert_eq!(plan.findings.len(), 1);
    assert!(plan.findings[0].message.contains("sick.example.com/v1"));
    assert_eq!(plan.findings[0].severity, Severity::Error);
    assert!(!plan.kinds.is_empty());
}

#[test]
fn a_group_that_does_not_answer_matters_to_those_who_may_mean_its_kinds() {
    let mut catalog = catalog();
    catalog
        .failures
        .push(GroupFailure { group_version: "sick.example.com/v1".into(), message: "503".into() });
    let told = |kinds: &[&str]| {
        let filter = Filter { included_resources: texts(kinds), ..Filter::default() };
        let silent = |finding: &Finding| finding.message.contains("did not answer");
        plan(&catalog, &filter.compile().unwrap()).findings.iter().any(silent)
    };
    assert!(!told(&["pods"]));
    assert!(told(&["pods", "gadgets"]) && told(&["widgets.sick.example.com"]) && told(&["*"]));
}
