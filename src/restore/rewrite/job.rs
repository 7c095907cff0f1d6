//! Removes the selector and the labels that the API server made from a Job's old uid. Pure.

use serde_json::Value;

use super::shape;
use crate::model::GroupResource;

/// Labels whose value is the Job's uid; the API server sets them anew and refuses other values.
const CONTROLLER_UID: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

/// Removes the old uid from selector and labels; a Job with a selector of its own
/// (`manualSelector`) keeps everything.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value) {
    let manual = shape::at(item, &["spec", "manualSelector"]).and_then(Value::as_bool) == Some(true);
    if kind.as_str() != "jobs.batch" || manual {
        return;
    }
    shape::remove_keys(item, &["spec", "selector", "matchLabels"], &CONTROLLER_UID);
    if shape::at(item, &["spec", "selector"])
        .and_then(Value::as_object)
        .is_some_and(serde_json::Map::is_empty)
    {
        shape::remove_keys(item, &["spec"], &["selector"]);
    }
    shape::remove_keys(item, &["spec", "template", "metadata", "labels"], &CONTROLLER_UID);
    shape::remove_keys(item, &["metadata", "labels"], &CONTROLLER_UID);
}

/// Warns of a Job that had done a part of its work: only its status says so, which does not come
/// back, so that the new Job begins from the start.
pub(super) fn tell_of_work(
    kind: &GroupResource,
    item: &Value,
    status: Option<&Value>,
    warnings: &mut Vec<String>,
) {
    let done = status.and_then(|status| status.get("succeeded")?.as_u64()).unwrap_or_default();
    if kind.as_str() == "jobs.batch" && done > 0 {
        let of = shape::at(item, &["spec", "completions"]).and_then(Value::as_u64).unwrap_or(1);
        warnings
            .push(format!("{done} of {of} completions were done when the backup was made; it begins anew"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_that_had_done_some_of_its_work_says_so() {
        let told = |status: Value| {
            let mut warnings = Vec::new();
            let item = json!({"spec": {"completions": 5}});
            tell_of_work(&GroupResource::parse("jobs.batch"), &item, Some(&status), &mut warnings);
            warnings
        };
        assert!(told(json!({"active": 1})).is_empty());
        assert!(told(json!({"succeeded": 3}))[0].contains("3 of 5"));
    }

    fn job(manual: bool) -> Value {
        let labels = json!({"app": "report", "batch.kubernetes.io/controller-uid": "u", "controller-uid": "u", "job-name": "report"});
        json!({"metadata": {"name": "report", "labels": labels}, "spec": {"manualSelector": manual,
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}, "template": {"metadata": {"labels": labels}, "spec": {}}}})
    }

    #[test]
    fn the_old_uid_goes_from_selector_and_labels() {
        let mut item = job(false);
        rewrite(&GroupResource::parse("jobs.batch"), &mut item);
        let labels = json!({"app": "report", "job-name": "report"});
        assert_eq!(
            item,
            json!({"metadata": {"name": "report", "labels": labels}, "spec": {"manualSelector": false,
                "template": {"metadata": {"labels": labels}, "spec": {}}}})
        );
    }

    #[test]
    fn a_selector_of_its_own_and_other_kinds_are_left_alone() {
        let mut manual = job(true);
        rewrite(&GroupResource::parse("jobs.batch"), &mut manual);
        assert_eq!(manual, job(true));
        let mut other = job(false);
        rewrite(&GroupResource::parse("jobs.example.com"), &mut other);
        assert_eq!(other, job(false));
    }
}
