//! The cut: the one revision at which everything is read, and the namespaces as they were at it.

use chrono::{DateTime, Utc};

use super::collect::{Collection, Event, Query};
use super::error::BackupError;
use super::filter::{Namespaces, exclusion};
use super::item::ItemView;
use crate::api::CompiledSelection;
use crate::cluster::{Catalog, Cluster};
use crate::model::{Category, Finding, Kind, NAMESPACES};

/// The instant of a backup.
pub struct Cut {
    /// The revision that every list asks for.
    pub revision: String,
    /// When it was taken, by this machine's clock.
    pub time: DateTime<Utc>,
    /// The namespaces at it.
    pub namespaces: Namespaces,
    /// Namespaces that the specification names and the cluster does not have.
    pub findings: Vec<Finding>,
}

impl Cut {
    /// The cut at a revision.
    pub fn new(
        revision: String,
        time: DateTime<Utc>,
        namespaces: Namespaces,
        selection: &CompiledSelection,
    ) -> Self {
        let findings = unmatched(selection, &namespaces);
        Self { revision, time, namespaces, findings }
    }
}

/// The cluster's revision now, and the time.
pub async fn instant(cluster: &Cluster) -> Result<(String, DateTime<Utc>), BackupError> {
    let revision = cluster.current_revision().await.map_err(BackupError::cluster(
        "asking the API server for its current revision, the instant of the backup",
    ))?;
    Ok((revision, Utc::now()))
}

/// The namespaces at the cut.
pub async fn namespaces(
    cluster: &Cluster,
    catalog: &Catalog,
    revision: &str,
) -> Result<Namespaces, BackupError> {
    let mut namespaces = Namespaces::default();
    let kind = catalog.find(&Kind::parse(NAMESPACES)).cloned();
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
    if let Some(reason) = exclusion(&item) {
        namespaces.left_out.insert(item.name.clone().into_owned(), reason);
    }
    namespaces.names.insert(item.name.into_owned());
}

/// A name that is spelled out and not there is an error: the backup lacks what somebody asked for. A pattern that matches
/// nothing is a warning.
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
