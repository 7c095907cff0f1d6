//! Gives a workload the replicas back that it had before an action scaled it to zero for the
//! backup: restored at zero, the application would not run. Pure.

use serde_json::{Value, json};

use super::shape;
use crate::api::REPLICAS_BEFORE;

/// Gives the replicas back, unless the workload was not at zero any more, and removes the note.
pub(super) fn rewrite(item: &mut Value) {
    let path = ["metadata", "annotations"];
    let Some(before) = shape::text(item, &[&path[..], &[REPLICAS_BEFORE]].concat()) else { return };
    let before = before.parse::<i32>().ok().filter(|before| *before > 0);
    shape::remove_keys(item, &path, &[REPLICAS_BEFORE]);
    if let Some(before) = before
        && let Some(replicas) = shape::at_mut(item, &["spec", "replicas"])
        && *replicas == 0
    {
        *replicas = json!(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(before: Value, replicas: Value) -> Value {
        let annotations = json!({"team": "shop", REPLICAS_BEFORE: before});
        let mut item = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}});
        rewrite(&mut item);
        item
    }

    #[test]
    fn a_workload_that_was_at_zero_for_the_backup_comes_back_with_its_replicas() {
        let whole = |replicas: u32| json!({"metadata": {"annotations": {"team": "shop"}}, "spec": {"replicas": replicas}});
        assert_eq!(rewritten(json!("3"), json!(0)), whole(3));
        // Somebody has scaled it since.
        assert_eq!(rewritten(json!("3"), json!(5)), whole(5));
        for nonsense in ["", "0", "-3", "three", "99999999999"] {
            assert_eq!(rewritten(json!(nonsense), json!(0)), whole(0), "{nonsense}");
        }
    }

    #[test]
    fn what_nobody_scaled_stays_at_zero() {
        let mut item = json!({"metadata": {"annotations": {"team": "shop"}}, "spec": {"replicas": 0}});
        let before = item.clone();
        rewrite(&mut item);
        assert_eq!(item, before);
    }
}
