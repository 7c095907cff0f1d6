//! The cut: the one revision at which every list is read, and the namespaces at that revision.

use chrono::{DateTime, Utc};

use super::collect::{Collection, Event, Query};
use super::error::BackupError;
use super::exclusion::{exclusion, hangs};
use super::filter::Namespaces;
use super::item::ItemView;
use crate::api::CompiledSelection;
use crate::cluster::{Catalog, Cluster, state_of};
use crate::model::{Category, Finding, GroupResource, ItemKey, NAMESPACES, SkipReason};

/// The instant of a backup: a revision of the cluster, with what is known of it.
pub struct Cut {
    /// The revision that every list asks for.
    pub revision: String,
    /// The time at which the cut was taken, by this machine's clock.
    pub time: DateTime<Utc>,
    /// The namespaces at the cut.
    pub namespaces: Namespaces,
    /// Findings about namespaces that the specification names and the cluster does not have, and
    /// about selected ones that are being deleted.
    pub findings: Vec<Finding>,
}

impl Cut {
    /// Creates the cut at a revision, with the findings about its namespaces.
    pub fn new(
        revision: String,
        time: DateTime<Utc>,
        namespaces: Namespaces,
        selection: &CompiledSelection,
    ) -> Self {
        let mut findings = unmatched(selection, &namespaces);
        findings.extend(leaving(selection, &namespaces, time));
        Self { revision, time, namespaces, findings }
    }
}

/// Returns the cluster's revision now, and the time by the clock of this machine.
///
/// # Errors
/// If the API server refuses or cannot be reached.
pub async fn instant(cluster: &Cluster) -> Result<(String, DateTime<Utc>), BackupError> {
    let revision = cluster.current_revision().await.map_err(BackupError::cluster(
        "asking the API server for its current revision, the instant of the backup",
    ))?;
    Ok((revision, Utc::now()))
}

/// Lists the namespaces at the cut.
///
/// # Errors
/// If the API server refuses or cannot be reached.
pub async fn namespaces(
    cluster: &Cluster,
    catalog: &Catalog,
    revision: &str,
) -> Result<Namespaces, BackupError> {
    let mut namespaces = Namespaces::default();
    let kind = catalog.find(&GroupResource::parse(NAMESPACES)).cloned();
    let query = Query { cut: revision.to_owned(), namespaces: None, labels: None, whole: None };
    let mut collection = Collection::new(cluster, kind, query);
    while let Some(mut listing) = collection.next() {
        while let Some(event) = listing.next().await {
            match event {
                Event::Page(page) => page.bodies().for_each(|body| note(&mut namespaces, body)),
                Event::Drift(_) => {}
                Event::Failed(source) => {
                    return Err(BackupError::Cluster {
                        doing: "listing the namespaces of the cluster",
                        source,
                    });
                }
            }
        }
    }
    Ok(namespaces)
}

fn note(namespaces: &mut Namespaces, body: &[u8]) {
    let Ok(item) = ItemView::read(body, false) else { return };
    if let Some(reason) = exclusion(&GroupResource::parse(NAMESPACES), &item) {
        if reason == SkipReason::BeingDeleted {
            let state = state_of(&serde_json::from_slice(body).unwrap_or_default());
            let since = item.deleted.as_deref().unwrap_or_default().to_owned();
            namespaces.leaving.insert(item.name.clone().into_owned(), (since, state));
        }
        namespaces.left_out.insert(item.name.clone().into_owned(), reason);
    }
    namespaces.names.insert(item.name.into_owned());
}

/// Returns findings about terms that match no namespace. A name that is spelled out is an error,
/// since the backup lacks what somebody asked for; a pattern is a warning.
fn unmatched(selection: &CompiledSelection, namespaces: &Namespaces) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (pattern, literal) in selection.namespaces.unmatched(namespaces.names.iter().map(String::as_str)) {
        findings.push(if literal {
            Finding::error(
                Category::Unmatched,
                format!("there is no namespace `{pattern}` in this cluster, so that nothing of it is in this backup; `kubectl get namespaces` lists the names"),
            )
        } else {
            Finding::warning(Category::Unmatched, format!("no namespace matches `{pattern}`"))
        });
    }
    findings
}

/// Returns findings about selected namespaces that are being deleted. A deletion may last for
/// weeks while something holds the namespace, and most of the contents exist meanwhile. A deletion
/// that is in its first minute is told only of a namespace that is spelled out.
fn leaving(selection: &CompiledSelection, namespaces: &Namespaces, at: DateTime<Utc>) -> Vec<Finding> {
    let is_told = |name: &String, since: &str| {
        selection.namespaces.takes(name) && (hangs(since, at) || selection.namespaces.spells_out(name))
    };
    let selected = namespaces.leaving.iter().filter(|(name, (since, _))| is_told(name, since));
    let tell = |(name, (_, state)): (&String, &(String, String))| {
        let message = format!(
            "nothing of it is in this backup, even if parts of it still exist: {state}; backups from before the deletion hold what was in the namespace: keep one, or let the deletion end"
        );
        let finding = match selection.namespaces.spells_out(name) {
            true => Finding::error,
            false => Finding::warning,
        };
        finding(Category::NotReady, message).on_item(ItemKey::cluster(GroupResource::parse(NAMESPACES), name))
    };
    selected.map(tell).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Filter;
    use crate::model::Severity;

    fn told(filter: serde_json::Value, at: &str) -> Vec<(Severity, String)> {
        let mut namespaces = Namespaces::default();
        let condition = json!({"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain",
            "message": "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"});
        for (name, metadata) in [
            ("shop", json!({"name": "shop", "deletionTimestamp": "2026-11-01T00:00:00Z"})),
            (
                "bare",
                json!({"name": "bare", "deletionTimestamp": "2026-11-01T00:00:00Z", "labels": {"velero.io/exclude-from-backup": "true"}}),
            ),
            ("web", json!({"name": "web"})),
        ] {
            let body =
                json!({"metadata": metadata, "status": {"phase": "Terminating", "conditions": [condition]}});
            note(&mut namespaces, body.to_string().as_bytes());
            assert!(namespaces.names.contains(name));
        }
        let selection = serde_json::from_value::<Filter>(filter).unwrap().compile().unwrap();
        let cut = Cut::new("7".to_owned(), at.parse().unwrap(), namespaces, &selection);
        cut.findings.into_iter().map(|finding| (finding.severity, finding.to_string())).collect()
    }

    #[test]
    fn a_namespace_that_hangs_in_its_deletion_is_told_with_what_holds_it() {
        for (filter, severity) in [
            (json!({}), Severity::Warning),
            (json!({"includedNamespaces": ["s*"]}), Severity::Warning),
            (json!({"includedNamespaces": ["web", "shop"]}), Severity::Error),
        ] {
            let told = told(filter.clone(), "2026-11-01T00:01:01Z");
            let [(found, text)] = &told[..] else { panic!("{filter}: {told:?}") };
            assert_eq!(*found, severity, "{filter}");
            assert!(text.starts_with("namespaces shop: nothing of it is in this backup"), "{text}");
            assert!(text.contains("example.com/hold in 1 resource"), "{text}");
        }
        let later = "2026-11-02T00:00:00Z";
        assert!(told(json!({"includedNamespaces": ["web"]}), later).is_empty());
        assert!(told(json!({"excludedNamespaces": ["shop"]}), later).is_empty());
        // A deletion in its first minute is told only of a namespace that is spelled out.
        let soon = "2026-11-01T00:00:59Z";
        assert!(told(json!({}), soon).is_empty());
        assert_eq!(told(json!({"includedNamespaces": ["shop"]}), soon).len(), 1);
    }
}
