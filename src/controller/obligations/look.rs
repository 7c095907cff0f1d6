//! Looks at the documents of obligations in all locations.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt as _;
use tokio::time::Instant;

use super::watched::{DocumentKey, Holding, LookingServer, WatchedObligations};
use crate::api::BackupStorageLocation;
use crate::bucket::{Bucket, BucketError};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::location::note_obligations;
use crate::hooks::obligations::{ObligationDocument, ObligationHolder, ObligedRun, is_held_here};
use crate::model::causes;

/// What was seen.
#[derive(Default)]
pub struct SeenObligations {
    /// What this server is to undo.
    pub left: Vec<LeftObligations>,
    /// Whether each document of each location that was listed can be read, by name and id.
    pub readable: BTreeMap<String, BTreeMap<String, bool>>,
}

/// A document whose holder is dead.
pub struct LeftObligations {
    /// The document.
    pub key: DocumentKey,
    /// Its run.
    pub run: ObligedRun,
    /// Its location.
    pub location: Arc<BackupStorageLocation>,
    /// The bucket.
    pub bucket: Bucket,
}

/// Looks at each location of which the last look did not say that it holds nothing to undo, or at
/// all.
pub async fn look(context: &Context, watched: &mut WatchedObligations, at_all: bool) -> SeenObligations {
    let server = LookingServer {
        cluster_uid: context.identity.uid.clone(),
        namespace: context.settings.namespace.clone(),
        process: ObligationHolder::this_process("", None).process,
    };
    let locations = context.caches.locations.state();
    watched.keep_locations(|uid| locations.iter().any(|each| each.metadata.uid.as_deref() == Some(uid)));
    let mut seen = SeenObligations::default();
    for location in locations {
        let (name, uid) = (location.name_any(), location.uid().unwrap_or_default());
        if context.obligations.of(&uid) == Some(0) && !at_all {
            continue;
        }
        match look_at(context, &server, watched, &location).await {
            Ok((left, readable)) => {
                seen.left.extend(left);
                seen.readable.insert(name, readable);
            }
            // Its own status says so.
            Err(error) => tracing::debug!(name, "not looked through for obligations: {}", causes(&error)),
        }
    }
    seen
}

async fn look_at(
    context: &Context,
    server: &LookingServer,
    watched: &mut WatchedObligations,
    location: &Arc<BackupStorageLocation>,
) -> Result<(Vec<LeftObligations>, BTreeMap<String, bool>), ControllerError> {
    let (name, uid) = (location.name_any(), location.uid().unwrap_or_default());
    let OpenLocation { bucket, read_only, .. } = context.locations.open(Some(&name)).await?;
    let failed = |doing: &str| ControllerError::bucket(format!("{doing} location `{name}`"));
    let listed = bucket.list_obligations().await.map_err(failed("list the obligations of"))?;
    note_obligations(context, location, listed.len() as u64);
    watched.keep_only(&uid, |id| listed.iter().any(|each| each.id == id));
    let (mut left, mut readable) = (Vec::new(), BTreeMap::new());
    for listed in listed {
        let key = (uid.clone(), listed.id.clone());
        let mut holding = None;
        if watched.must_read(&key, listed.stamp) {
            let read = read(&bucket, &listed.id).await.map_err(failed("read the obligations of"))?;
            let Some(document) = read else { continue };
            if let Err(why) = &document {
                let document = &listed.id;
                tracing::warn!(
                    name,
                    document,
                    "what is to be undone cannot be read, and is left alone: {why}"
                );
            }
            holding = Some(Holding::of(document, server));
        }
        let now = Instant::now();
        watched.see(key.clone(), listed.stamp, holding, now);
        readable.insert(listed.id.clone(), watched.is_readable(&key));
        // A document in a ReadOnly location cannot be taken over, and would be undone for ever.
        if is_held_here(&listed.id) || read_only {
            continue;
        }
        if let Some(run) = watched.due(&key, server, now) {
            let (location, bucket) = (Arc::clone(location), bucket.clone());
            left.push(LeftObligations { key, run, location, bucket });
        }
    }
    Ok((left, readable))
}

/// Reads a document; `None` if it is not there any more, the inner error if it is none.
async fn read(bucket: &Bucket, id: &str) -> Result<Option<Result<ObligationDocument, String>>, BucketError> {
    match bucket.read_obligations(id).await {
        Ok(stored) => Ok(stored.map(|stored| ObligationDocument::parse(&stored.bytes))),
        Err(error) if error.is_retryable() || error.is_unreachable() => Err(error),
        Err(error) => Ok(Some(Err(causes(&error)))),
    }
}
