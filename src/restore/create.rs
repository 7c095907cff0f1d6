//! Creates an item, and completes what was made: its field owners, its status, its volume, and the
//! owner references that it lacks.

use serde_json::Value;

use super::links::Link;
use super::live::{LiveItem, references};
use super::prepared::Ready;
use super::restorer::Restorer;
use super::rewrite::merge_field_owners;
use crate::cluster::{ClusterError, Patch, Permit, Written};
use crate::model::{Category, Finding, NAMESPACES, causes};

/// Number of tries to give an item its field owners back while others change the item.
const TRIES_AT_FIELD_OWNERS: usize = 3;

/// The beginnings of API server warnings that tell of lost data; other warnings are about the
/// item's own ways, or deprecations, which concern the whole cluster.
const LOST: [&str; 2] = ["unknown field", "duplicate field"];

impl Restorer<'_> {
    /// Creates the item and returns the findings about it. The permit is given back once the item
    /// is there: what follows may wait.
    pub async fn create(
        &self,
        ready: &Ready<'_>,
        permit: &mut Option<Permit>,
    ) -> Result<Vec<Finding>, ClusterError> {
        let namespace = ready.target.namespace.as_deref();
        let made = self.view.cluster.create(ready.info, namespace, ready.bytes()).await?;
        *permit = None;
        let Written { uid, resource_version, warnings } = made;
        if ready.target.resource.as_str() == NAMESPACES {
            self.view.made_namespaces.add(ready.target.name.clone());
        }
        let mut findings = self.lost(ready, &warnings);
        findings.extend(self.complete_create(ready, &uid, &resource_version, None).await);
        findings.extend(self.restore_status(ready).await);
        Ok(findings)
    }

    /// Completes a create: tells the children of the item its new uid, notes the references that
    /// it lacks, gives field owners back, frees its volume. `live` is the object if it was looked
    /// at, else `None`. Returns a finding if the field owners could not be given back.
    pub async fn complete_create(
        &self,
        ready: &Ready<'_>,
        uid: &str,
        version: &str,
        live: Option<&LiveItem>,
    ) -> Option<Finding> {
        let entry = self.view.plan.entry(ready.entry);
        self.view.owners.arrived(entry.uid, uid);
        self.bindings.free_volume(&self.view, ready, uid).await;
        let (version, finding) = self.give_fields_back(ready, uid, version).await;
        let link = Link {
            entry: ready.entry,
            target: ready.target.clone(),
            uid: uid.to_owned(),
            version: version.unwrap_or_else(|| version_or_empty(live)),
            references: references(live.map_or(&ready.body, |live| &live.object)),
            awaited: ready.awaited.clone(),
            met: false,
            ours: true,
        };
        self.links.add(link, entry.uid);
        finding
    }

    /// Writes back who owned which fields, so that server-side applies go on as if there had been
    /// no restore. Returns the item's resourceVersion after that (`None` if it is not known), and
    /// a finding if it failed.
    pub async fn give_fields_back(
        &self,
        ready: &Ready<'_>,
        uid: &str,
        version: &str,
    ) -> (Option<String>, Option<Finding>) {
        match self.write_field_owners(ready, uid, version).await {
            Ok(version) => (version, None),
            Err(error) => {
                let message = format!(
                    "it was restored, but who owns its fields could not be given back, so that the next server-side apply may meet a conflict with `ark`: {}",
                    causes(&error)
                );
                (None, Some(ready.warning(error.category(), message)))
            }
        }
    }

    async fn write_field_owners(
        &self,
        ready: &Ready<'_>,
        uid: &str,
        version: &str,
    ) -> Result<Option<String>, ClusterError> {
        let Some(stored) = &ready.field_owners else { return Ok(Some(version.to_owned())) };
        let (target, namespace) = (&ready.target, ready.target.namespace.as_deref());
        let (mut owners, mut version) = (stored.clone(), version.to_owned());
        for tried in 1..=TRIES_AT_FIELD_OWNERS {
            let metadata =
                serde_json::json!({"uid": uid, "resourceVersion": version, "managedFields": owners});
            let patch = Patch::Merge(serde_json::json!({ "metadata": metadata }).to_string());
            match self.view.cluster.patch(ready.info, namespace, &target.name, &patch).await {
                Ok(written) => return Ok(Some(written.resource_version)),
                // Somebody has written meanwhile, and owns what was written.
                Err(error) if error.is_conflict() && tried < TRIES_AT_FIELD_OWNERS => {
                    let Some(live) = self.view.cluster.get(ready.info, namespace, &target.name).await? else {
                        return Ok(None);
                    };
                    let live: Value = serde_json::from_slice(&live).unwrap_or_default();
                    if live["metadata"]["uid"] != uid {
                        return Ok(None);
                    }
                    version = live["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
                    owners = merge_field_owners(stored, &live["metadata"]["managedFields"]);
                }
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns a finding for each warning of the API server that fields were dropped, since it
    /// does not know them.
    pub fn lost(&self, ready: &Ready<'_>, warnings: &[String]) -> Vec<Finding> {
        let told = warnings.iter().filter(|warning| LOST.iter().any(|lost| warning.starts_with(lost)));
        let finding = |warning: &String| {
            let message = format!(
                "the cluster dropped a part of it ({warning}): its API server or its definition is older than, or other than, what the backup was made of"
            );
            ready.warning(Category::Invalid, message)
        };
        told.map(finding).collect()
    }

    /// Writes the status that the item had, if its status is restored. Returns a finding if that
    /// fails, else `None`.
    pub async fn restore_status(&self, ready: &Ready<'_>) -> Option<Finding> {
        let status = ready.status.as_ref()?;
        let (target, namespace) = (&ready.target, ready.target.namespace.as_deref());
        let patch = Patch::Status(serde_json::json!({ "status": status }).to_string());
        let written = self.view.cluster.patch(ready.info, namespace, &target.name, &patch).await;
        let error = written.err()?;
        let message = format!("it was restored, but not its status: {}", causes(&error));
        Some(ready.error(error.category(), message))
    }
}

fn version_or_empty(live: Option<&LiveItem>) -> String {
    live.map(|live| live.version.clone()).unwrap_or_default()
}
