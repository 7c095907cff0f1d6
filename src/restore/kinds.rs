//! Tells at which version the cluster serves each kind of the backup, or why not at all. Pure.

use std::collections::HashMap;

use super::error::Broken;
use super::inventory::{Inventory, InventoryEntry};
use crate::archive::IndexedResource;
use crate::cluster::{Catalog, ResourceInfo};
use crate::model::{Category, Finding, GroupResource, NAMESPACES};

/// The way in which the cluster serves one kind.
#[derive(Clone, Debug)]
pub enum ServedAs {
    /// Items of the kind can be created.
    Yes {
        /// The kind at the version of the bodies if the cluster serves that, else at the preferred
        /// version.
        info: Box<ResourceInfo>,
        /// Whether the bodies must name another apiVersion than they do.
        converted: bool,
    },
    /// Items of the kind cannot be created.
    No {
        /// The reason, from the closed list.
        category: Category,
        /// The reason, in words.
        why: String,
    },
}

/// The kinds that the cluster serves, and how it serves those of a backup.
#[derive(Clone, Debug)]
pub struct ServedKinds {
    /// The kinds that the cluster serves.
    pub catalog: Catalog,
    /// The kinds of the backup, by their places in its inventory.
    stored: Vec<ServedAs>,
}

impl ServedKinds {
    /// Looks up every kind of the backup. `broken` names the CRDs that did not come, each with the
    /// reason.
    pub fn resolve(inventory: &Inventory, catalog: Catalog, broken: &HashMap<String, Broken>) -> Self {
        let kinds = inventory.kinds.iter().map(|kind| match broken.get(kind.resource.as_str()) {
            Some((category, why)) => ServedAs::No { category: *category, why: why.clone() },
            None => serve(kind, &catalog),
        });
        Self { stored: kinds.collect(), catalog }
    }

    /// Returns how the kind of an entry is served.
    pub fn of(&self, entry: &InventoryEntry) -> &ServedAs {
        self.at(entry.kind)
    }

    /// Returns how the cluster names the kind of an entry, or `None` if items of the kind cannot
    /// be created.
    pub fn info(&self, entry: &InventoryEntry) -> Option<&ResourceInfo> {
        match self.of(entry) {
            ServedAs::Yes { info, .. } => Some(info),
            ServedAs::No { .. } => None,
        }
    }

    /// Returns how the kind at a place of the inventory is served.
    pub fn at(&self, kind: u16) -> &ServedAs {
        &self.stored[usize::from(kind)]
    }
}

/// Returns a warning for a kind that the cluster serves otherwise than the backup has it, or
/// `None`: it is served only at another version, or its status is a subresource there, which a
/// create does not take and nothing writes afterwards (`restores_status`).
pub fn conversion(stored: &IndexedResource, served: &ServedAs, restores_status: bool) -> Option<Finding> {
    let ServedAs::Yes { info, converted } = served else { return None };
    let message = if *converted {
        format!(
            "the cluster does not serve {} any more, so that its items are restored as {}; fields that this version does not have are dropped",
            stored.version,
            info.api_version()
        )
    } else if stored.status_is_data && info.status && !restores_status {
        format!(
            "their status is a plain field in the backup and a subresource in the cluster, so that it is not restored; --status-include-resources {} writes it",
            stored.resource
        )
    } else {
        return None;
    };
    Some(Finding::warning(Category::Other, message).on_kind(stored.resource.clone()))
}

/// Returns the kind of namespaces, which every cluster serves in the same way.
pub fn namespace_kind() -> ResourceInfo {
    ResourceInfo {
        resource: GroupResource::parse(NAMESPACES),
        version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        singular: "namespace".to_owned(),
        short_names: Vec::new(),
        namespaced: false,
        verbs: Vec::new(),
        other_versions: Vec::new(),
        status: false,
    }
}

fn serve(kind: &IndexedResource, catalog: &Catalog) -> ServedAs {
    let Some(info) = catalog.find(&kind.resource) else {
        let why = match catalog
            .failures
            .iter()
            .find(|failure| group_of(&failure.group_version) == kind.resource.group())
        {
            Some(failure) => {
                format!("the cluster does not say whether it serves {}: {}", kind.resource, failure.message)
            }
            None => format!(
                "the cluster does not serve {}; install what defines it, or restore its CustomResourceDefinition too",
                kind.resource
            ),
        };
        return ServedAs::No { category: Category::NotFound, why };
    };
    if !info.can("create") {
        let why = format!("the cluster does not let {} be created", kind.resource);
        return ServedAs::No { category: Category::Other, why };
    }
    if info.namespaced != kind.namespaced {
        let scope =
            |namespaced: bool| if namespaced { "items in namespaces" } else { "items of no namespace" };
        let why = format!(
            "{} has {} in the backup and {} in the cluster, so that none can be restored; where nothing needs the cluster's definition, delete it and restore the backup's, too",
            kind.resource,
            scope(kind.namespaced),
            scope(info.namespaced)
        );
        return ServedAs::No { category: Category::Invalid, why };
    }
    let stored = kind.version.rsplit('/').next().unwrap_or_default();
    let (mut info, preferred) = (Box::new(info.clone()), info.version.clone());
    if stored.is_empty() || stored == preferred {
        return ServedAs::Yes { info, converted: false };
    }
    let converted = !info.other_versions.iter().any(|version| version == stored);
    if !converted {
        info.version = stored.to_owned();
    }
    ServedAs::Yes { info, converted }
}

fn group_of(group_version: &str) -> &str {
    group_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::GroupFailure;

    fn catalog() -> Catalog {
        let info = |kind: &str, verbs: &[&str]| ResourceInfo {
            resource: GroupResource::parse(kind),
            version: "v2".into(),
            kind: "Thing".into(),
            singular: "thing".into(),
            short_names: vec![],
            namespaced: true,
            status: true,
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            other_versions: vec!["v1".into()],
        };
        Catalog {
            kinds: vec![info("things.example.com", &["create"]), info("metrics.example.com", &["list"])],
            failures: vec![GroupFailure { group_version: "sick.io/v1".into(), message: "503".into() }],
        }
    }

    fn stored(kind: &str, version: &str) -> IndexedResource {
        IndexedResource {
            resource: GroupResource::parse(kind),
            version: version.into(),
            kind: String::new(),
            singular: String::new(),
            short_names: vec![],
            namespaced: true,
            status_is_data: false,
        }
    }

    fn served(kind: &str, version: &str) -> String {
        match serve(&stored(kind, version), &catalog()) {
            ServedAs::Yes { info, converted } => format!("{} {converted}", info.api_version()),
            ServedAs::No { why, .. } => why,
        }
    }

    #[test]
    fn items_go_in_at_the_version_they_were_stored_at_where_that_is_served() {
        assert_eq!(served("things.example.com", "example.com/v1"), "example.com/v1 false");
        assert_eq!(served("things.example.com", "example.com/v2"), "example.com/v2 false");
        assert_eq!(served("things.example.com", "example.com/v1beta1"), "example.com/v2 true");
        assert_eq!(served("things.example.com", ""), "example.com/v2 false");
    }

    #[test]
    fn a_kind_that_cannot_be_created_says_why() {
        assert!(served("metrics.example.com", "example.com/v2").contains("does not let"));
        assert!(
            served("gadgets.example.com", "example.com/v2").contains("does not serve gadgets.example.com")
        );
        assert!(served("x.sick.io", "sick.io/v1").contains("503"));
    }

    #[test]
    fn a_kind_that_is_in_namespaces_on_one_side_only_says_so() {
        let of_cluster =
            IndexedResource { namespaced: false, ..stored("things.example.com", "example.com/v1") };
        let ServedAs::No { category, why } = serve(&of_cluster, &catalog()) else { panic!("it cannot be") };
        assert_eq!(category, Category::Invalid);
        let sentence = "things.example.com has items of no namespace in the backup and items in namespaces in the cluster";
        assert!(why.starts_with(sentence), "{why}");
    }

    #[test]
    fn a_status_that_the_cluster_keeps_apart_is_told_unless_it_is_written() {
        let told = |kind: IndexedResource, written: bool| {
            conversion(&kind, &serve(&kind, &catalog()), written).map(|finding| finding.message)
        };
        let thing = || stored("things.example.com", "example.com/v1");
        let data = || IndexedResource { status_is_data: true, ..thing() };
        assert_eq!((told(thing(), false), told(data(), true)), (None, None));
        let message = told(data(), false).unwrap();
        assert!(message.contains("a subresource in the cluster, so that it is not restored"), "{message}");
        let older = stored("things.example.com", "example.com/v1beta1");
        assert!(told(older, false).unwrap().contains("are restored as example.com/v2"));
    }
}
