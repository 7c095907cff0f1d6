//! Reasons to leave out an item whatever is selected: a label, or a deletion under way. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::item::ItemView;
use crate::api::{EXCLUDE_LABEL, VELERO_EXCLUDE_LABEL};
use crate::model::{GroupResource, ItemOrigin as _, PVCS, SkipReason, VOLUMES};

/// The finalizers that keep PVCs and volumes for as long as they are used, even when somebody has
/// deleted them. Kubernetes removes them once the use ends.
const PROTECTION: [(&str, &str); 2] =
    [(PVCS, "kubernetes.io/pvc-protection"), (VOLUMES, "kubernetes.io/pv-protection")];

/// The longest time that an ordinary deletion takes; a longer one is held up by something.
const ORDINARY: TimeDelta = TimeDelta::minutes(1);

/// Returns true if a deletion that began at `since` is still under way at `at` after more than a
/// minute: the owner of the backup should know.
pub fn hangs(since: &str, at: DateTime<Utc>) -> bool {
    since.parse::<DateTime<Utc>>().map_or(true, |since| at - since > ORDINARY)
}

/// Returns the reason to leave out an item although it is selected, or `None` if there is none.
pub fn exclusion(kind: &GroupResource, item: &ItemView<'_>) -> Option<SkipReason> {
    let labelled = |key| item.label(key).is_some_and(|value| value == "true");
    if labelled(EXCLUDE_LABEL) || labelled(VELERO_EXCLUDE_LABEL) {
        Some(SkipReason::ExcludeLabel)
    } else if item.deleted.is_some() && !is_in_use(kind, item) {
        Some(SkipReason::BeingDeleted)
    } else {
        None
    }
}

/// Returns true for a PVC or a volume that is deleted and still in use: its data exist and are
/// worked with.
fn is_in_use(kind: &GroupResource, item: &ItemView<'_>) -> bool {
    let Some((_, protection)) = PROTECTION.iter().find(|(protected, _)| *protected == kind.as_str()) else {
        return false;
    };
    let finalizers = item.finalizers.and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
    finalizers.unwrap_or_default().iter().any(|finalizer| finalizer == protection)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_being_deleted_is_left_out_unless_its_data_are_still_used() {
        let (claim, volume) = ("kubernetes.io/pvc-protection", "kubernetes.io/pv-protection");
        for (kind, finalizer, taken) in [
            (PVCS, claim, true),
            (VOLUMES, volume, true),
            (VOLUMES, claim, false),
            (VOLUMES, "external-provisioner.volume.kubernetes.io/finalizer", false),
            ("configmaps", claim, false),
        ] {
            let judged = |labels: serde_json::Value| {
                let body = json!({"metadata": {"name": "data", "deletionTimestamp": "2026-11-28T03:00:00Z",
                    "finalizers": ["example.com/hold", finalizer], "labels": labels}});
                let text = body.to_string();
                exclusion(&GroupResource::parse(kind), &ItemView::read(text.as_bytes(), false).unwrap())
            };
            let expected = (!taken).then_some(SkipReason::BeingDeleted);
            assert_eq!(judged(json!({})), expected, "{kind} {finalizer}");
            assert_eq!(
                judged(json!({"velero.io/exclude-from-backup": "true"})),
                Some(SkipReason::ExcludeLabel)
            );
        }
    }
}
