//! Tests of what a Restore may say, and in which spelling.

use super::*;

fn fields(spec: Value) -> Vec<String> {
    let spec: RestoreSpec = serde_json::from_value(spec).unwrap();
    spec.validate().into_iter().map(|error| error.field).collect()
}

#[test]
fn a_restore_has_exactly_one_source() {
    assert!(fields(serde_json::json!({"backupName": "a"})).is_empty());
    assert!(fields(serde_json::json!({"scheduleName": "a", "before": "2026-11-21T03:00:00Z"})).is_empty());
    assert_eq!(fields(serde_json::json!({})), ["backupName"]);
    assert_eq!(fields(serde_json::json!({"backupName": "a", "scheduleName": "b"})), ["backupName"]);
    assert_eq!(fields(serde_json::json!({"backupName": "a", "before": "2026-11-21T03:00:00Z"})), ["before"]);
    let others = serde_json::json!({"backupName": "a", "fromCluster": "b", "allowPartiallyFailed": true});
    assert_eq!(fields(others), ["fromCluster", "allowPartiallyFailed"]);
}

#[test]
fn mistakes_in_every_part_are_found_in_one_pass() {
    let found = fields(serde_json::json!({
        "excludedResources": ["*"],
        "namespaceMapping": {"prod": "Stage"},
        "storageClassMapping": {"old": ""},
        "imageMapping": {"": "x"},
        "resourceModifiers": [{"conditions": {"groupResource": "pods"}}],
    }));
    assert_eq!(
        found,
        [
            "backupName",
            "excludedResources",
            "namespaceMapping[prod]",
            "storageClassMapping",
            "imageMapping",
            "resourceModifiers[0]"
        ]
    );
}

#[test]
fn what_is_not_there_yet_is_refused_where_it_is_asked_for() {
    let with = |field: &str, value: Value| {
        let mut spec = serde_json::json!({"backupName": "a"});
        spec[field] = value;
        fields(spec)
    };
    use serde_json::json;
    assert_eq!(with("scale", json!({"deployments": ["a"]})), ["scale"]);
    for (field, nothing) in
        [("hooks", json!({})), ("hooks", json!({"resources": []})), ("rerunJobs", json!([]))]
    {
        assert_eq!(with(field, nothing), Vec::<String>::new(), "{field}");
    }
}

#[test]
fn veleros_spelling_of_the_policy_is_taken() {
    let spec: RestoreSpec =
        serde_json::from_value(serde_json::json!({"backupName": "a", "existingResourcePolicy": "update"}))
            .unwrap();
    assert_eq!(spec.existing_resource_policy, Some(ExistingResourcePolicy::Update));
    for policy in
        [ExistingResourcePolicy::None, ExistingResourcePolicy::Update, ExistingResourcePolicy::Recreate]
    {
        assert_eq!(policy.to_string().parse(), Ok(policy));
        assert_eq!(serde_json::to_value(policy).unwrap(), policy.to_string());
    }
    assert!("replace".parse::<ExistingResourcePolicy>().unwrap_err().to_string().contains("`replace`"));
}
