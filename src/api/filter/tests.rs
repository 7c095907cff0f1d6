//! Tests of what a filter takes, and that all of its faults are told at once.

use super::*;
use crate::model::ClusterScope;
use crate::model::{GroupResource, LabelSet};

fn filter(yaml: serde_json::Value) -> Filter {
    serde_json::from_value(yaml).unwrap()
}

#[test]
fn an_empty_filter_means_everything() {
    let selection = Filter::default().compile().unwrap();
    assert!(selection.namespaces.is_everything());
    assert!(selection.kinds.includes_everything());
    assert!(selection.labels.is_everything());
    assert_eq!(selection.cluster_scope, ClusterScope::All);
}

#[test]
fn a_filter_becomes_the_models_selections() {
    let selection = filter(serde_json::json!({
        "includedNamespaces": ["team-*"],
        "excludedNamespaces": ["team-old"],
        "includedResources": ["Deployment", "secrets"],
        "includeClusterResources": false,
        "labelSelector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "old", "operator": "DoesNotExist"}]},
    }))
    .compile()
    .unwrap();
    assert!(selection.namespaces.takes("team-a") && !selection.namespaces.takes("team-old"));
    assert!(selection.kinds.takes(&GroupResource::parse("deployments.apps"), ["Deployment"].into_iter()));
    assert_eq!(selection.cluster_scope, ClusterScope::None);
    assert_eq!(selection.labels.list_parameter().as_deref(), Some("app in (web),!old"));
}

#[test]
fn any_of_the_or_selectors_suffices() {
    let selection = filter(serde_json::json!({
        "orLabelSelectors": [{"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "api"}}],
    }))
    .compile()
    .unwrap();
    let labels = |app: &str| LabelSet::from([("app".to_owned(), app.to_owned())]);
    assert!(selection.labels.matches(&labels("web")) && selection.labels.matches(&labels("api")));
    assert!(!selection.labels.matches(&labels("db")));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_by_field() {
    let wrong = filter(serde_json::json!({
        "includedNamespaces": ["a**", "prod"],
        "excludedNamespaces": ["*", "prod", "{x}"],
        "includedResources": ["pods/log"],
        "excludedResources": ["*"],
        "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
        "orLabelSelectors": [{"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}],
    }))
    .compile()
    .unwrap_err();
    let fields: Vec<&str> = wrong.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "excludedNamespaces",
            "excludedNamespaces",
            "includedNamespaces",
            "excludedNamespaces",
            "excludedResources",
            "includedResources",
            "labelSelector",
            "labelSelector.matchExpressions[0]",
            "orLabelSelectors[0].matchExpressions[0]",
        ]
    );
}
