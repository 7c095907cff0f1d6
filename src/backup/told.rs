//! Warnings about items that are in the backup: PVCs and volumes that somebody has deleted, and
//! resources whose definition is left out. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::exclusion::hangs;
use super::item::ItemView;
use crate::model::{CRDS, Category, Finding, GroupResource, ItemKey, SkipReason};

/// The facts seen so far.
#[derive(Debug)]
pub struct Told {
    /// The time of the cut.
    at: DateTime<Utc>,
    /// Definitions that a label leaves out, with the number of their resources that are taken.
    /// Definitions come before their resources.
    without: BTreeMap<String, u64>,
}

impl Told {
    /// Creates an empty record for a cut at this time.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { at, without: BTreeMap::new() }
    }

    /// Notes an item that is taken. Returns a warning if somebody has deleted the item, else
    /// `None`.
    pub fn taken(&mut self, kind: &GroupResource, item: &ItemView<'_>) -> Option<Finding> {
        if let Some(resources) = self.without.get_mut(kind.as_str()) {
            *resources += 1;
        }
        item.deleted.as_deref().filter(|since| hangs(since, self.at)).map(|_| {
            let namespace = item.namespace.as_deref().map(str::to_owned);
            let key = ItemKey { resource: kind.clone(), namespace, name: item.name.clone().into_owned() };
            let message = "somebody has deleted it, and it is there only for as long as it is used; it is in this backup, and a restore brings it back to stay";
            Finding::warning(Category::Other, message).on_item(key)
        })
    }

    /// Notes a definition that is left out by label.
    pub fn skipped(&mut self, reason: SkipReason, kind: &GroupResource, item: &ItemView<'_>) {
        if reason == SkipReason::ExcludeLabel && kind.as_str() == CRDS {
            self.without.insert(item.name.clone().into_owned(), 0);
        }
    }

    /// Returns a warning for each kind of which resources are taken and the definition is not. To
    /// be called after the last item.
    pub fn findings(&self) -> Vec<Finding> {
        let taken = self.without.iter().filter(|(_, resources)| **resources > 0);
        let tell = |(kind, resources): (&String, &u64)| {
            let message = format!(
                "{resources} resources of it are in this backup, and its definition is not, since a label leaves it out: no cluster without that definition can take them; take the label off the definition"
            );
            Finding::warning(Category::Other, message).on_kind(GroupResource::parse(kind))
        };
        taken.map(tell).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_whose_definition_a_label_leaves_out_are_told_once_a_kind() {
        let mut told = Told::new(Utc::now());
        for (name, reason) in [
            ("widgets.example.com", SkipReason::ExcludeLabel),
            ("empty.example.com", SkipReason::ExcludeLabel),
            ("gadgets.example.com", SkipReason::NotRelated),
        ] {
            let body = json!({"metadata": {"name": name}}).to_string();
            told.skipped(
                reason,
                &GroupResource::parse(CRDS),
                &ItemView::read(body.as_bytes(), false).unwrap(),
            );
        }
        let body = json!({"metadata": {"name": "a", "namespace": "shop"}}).to_string();
        for kind in ["widgets.example.com", "widgets.example.com", "gadgets.example.com"] {
            assert_eq!(
                told.taken(&GroupResource::parse(kind), &ItemView::read(body.as_bytes(), false).unwrap()),
                None
            );
        }
        let [finding] = &told.findings()[..] else { panic!("{:?}", told.findings()) };
        assert_eq!(finding.kind, Some(GroupResource::parse("widgets.example.com")));
        assert!(finding.message.starts_with("2 resources of it are in this backup"), "{finding}");
    }

    #[test]
    fn what_somebody_has_deleted_and_is_still_used_is_told() {
        let body = json!({"metadata": {"name": "data", "namespace": "shop", "deletionTimestamp": "2026-11-28T03:00:00Z"}});
        let body = body.to_string();
        let item = ItemView::read(body.as_bytes(), false).unwrap();
        let taken = |at: &str| {
            Told::new(at.parse().unwrap()).taken(&GroupResource::parse("persistentvolumeclaims"), &item)
        };
        let finding = taken("2026-11-28T03:01:01Z").unwrap();
        assert!(finding.to_string().starts_with("persistentvolumeclaims shop/data: somebody has deleted it"));
        assert_eq!(taken("2026-11-28T03:01:00Z"), None, "a deletion that goes its way is nothing to tell");
    }
}
