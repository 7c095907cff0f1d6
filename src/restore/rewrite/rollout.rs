//! Warns of pods that ran an older revision of their workload: only the status says so, which does
//! not come back. Pure.

use serde_json::Value;

use super::shape;
use crate::model::GroupResource;

/// Returns the status fields that count all pods of a StatefulSet or DaemonSet and those of the
/// newest revision; `None` for other kinds.
fn counts(kind: &GroupResource) -> Option<[&'static str; 2]> {
    match kind.as_str() {
        "statefulsets.apps" => Some(["replicas", "updatedReplicas"]),
        "daemonsets.apps" => Some(["currentNumberScheduled", "updatedNumberScheduled"]),
        _ => None,
    }
}

/// Warns if pods ran an older revision. All come as the newest, even those that a partition,
/// `OnDelete` or a stalled rollout had kept.
pub(super) fn tell_of_older(kind: &GroupResource, status: Option<&Value>, warnings: &mut Vec<String>) {
    let (Some(counts), Some(status)) = (counts(kind), status) else { return };
    let number = |field: &str| status.get(field).and_then(Value::as_u64).unwrap_or_default();
    let [all, newest] = counts.map(number);
    let revision = |field: &str| shape::text(status, &[field]);
    let (of, to) = (revision("currentRevision"), revision("updateRevision"));
    if newest >= all || (kind.as_str() == "statefulsets.apps" && of == to) {
        return;
    }
    let named = of.map(|of| format!(" ({of})")).unwrap_or_default();
    warnings.push(format!(
        "{} of its {all} pods ran an older revision{named} when the backup was made, kept by its update strategy or by a rollout that had not ended; now all come as the newest: where that was not to be, `kubectl rollout undo` goes back",
        all - newest
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_of_an_older_revision_are_told_and_those_of_the_newest_are_not() {
        let told = |kind: &str, status: Value| {
            let mut warnings = Vec::new();
            tell_of_older(&GroupResource::parse(kind), Some(&status), &mut warnings);
            warnings.concat()
        };
        let set = |updated: u64, of: &str| json!({"replicas": 3, "updatedReplicas": updated, "currentRevision": of, "updateRevision": "db-2"});
        let (sets, daemons) = ("statefulsets.apps", "daemonsets.apps");
        assert!(told(sets, set(1, "db-1")).starts_with("2 of its 3 pods ran an older revision (db-1)"));
        // Under OnDelete `currentRevision` stays behind when all pods are new.
        assert_eq!(told(sets, set(3, "db-1")), "");
        // Before the first pods are counted.
        assert_eq!(told(sets, set(0, "db-2")), "");
        assert!(told(daemons, json!({"currentNumberScheduled": 2})).starts_with("2 of its 2 pods"));
        assert_eq!(told(daemons, json!({"currentNumberScheduled": 2, "updatedNumberScheduled": 2})), "");
        assert_eq!(told("deployments.apps", set(1, "db-1")), "");
    }
}
