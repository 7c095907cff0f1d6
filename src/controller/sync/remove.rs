//! Removes objects whose documents are gone, after a second look at each key and only while the
//! bucket is still the same.
//!
//! A run that the bucket has under the name instead is brought in at once. An object that only
//! claims to be synced is refused, so that somebody learns why it does nothing.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use kube::ResourceExt as _;

use super::create::{bring, delete};
use super::mirrored::{Life, Mirrored};
use super::survey::Doomed;
use super::tally::SyncTally;
use crate::bucket::{Bucket, BucketError, RunKind};
use crate::controller::buckets::OpenLocation;
use crate::controller::buckets::identity::is_same;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::runs::{RunResource, refuse_unproven};

/// Number of keys that are looked at, and of objects that are deleted, at the same time.
const AT_ONCE: usize = 8;

/// Removes the objects whose documents are gone.
///
/// # Errors
/// If the bucket is not the one that was listed; nothing is deleted then. Failures of single
/// objects are tallied.
pub async fn remove<K: Mirrored + RunResource>(
    context: &Arc<Context>,
    location: &OpenLocation,
    doomed: Vec<Doomed>,
    tally: &mut SyncTally,
) -> Result<(), ControllerError> {
    if doomed.is_empty() {
        return Ok(());
    }
    let looks = stream::iter(doomed).map(|doomed| {
        let bucket = location.bucket.clone();
        async move {
            let gone = is_gone(&bucket, &doomed).await;
            (doomed, gone)
        }
    });
    let looked: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
    // In a bucket that was emptied or swapped since the listing, everything would look gone.
    is_same(location).await?;
    let mut confirmed = Vec::new();
    for (doomed, gone) in looked {
        match gone {
            Ok(true) => confirmed.push(doomed),
            Ok(false) => {}
            Err(error) => {
                let doing = format!("look again for the {}", doomed.keys);
                tally.failed(ControllerError::bucket(doing)(error));
            }
        }
    }
    let deletes = stream::iter(confirmed).map(|doomed| async move {
        let gone = end::<K>(context, &doomed).await;
        let brought = match (&gone, &doomed.successor) {
            (Ok(_), Some(successor)) => Some(bring::<K>(context, location, successor).await),
            _ => None,
        };
        (doomed, gone, brought)
    });
    let mut deletes = std::pin::pin!(deletes.buffer_unordered(AT_ONCE));
    while let Some((doomed, gone, brought)) = deletes.next().await {
        match gone {
            Ok(gone) => note(&doomed, gone, location, tally),
            Err(error) => tally.failed(error),
        }
        if let (Some(successor), Some(brought)) = (doomed.successor, brought) {
            tally.add::<K>(context, location, &successor, brought);
        }
    }
    Ok(())
}

/// Deletes the object, or refuses one that only claims to be synced. Returns true if it was
/// deleted.
async fn end<K: Mirrored + RunResource>(context: &Context, doomed: &Doomed) -> Result<bool, ControllerError> {
    let (api, name, uid) = (context.api::<K>(), doomed.keys.name(), &doomed.local.uid);
    if doomed.successor.is_some() || !doomed.local.is_unproven() {
        return delete(&api, name, Some(uid)).await;
    }
    let doing = format!("read the {}, which the bucket has not", doomed.keys);
    let found = ControllerError::within(doing, api.get_opt(name)).await?;
    if let Some(found) =
        found.filter(|found| found.uid().as_ref() == Some(uid) && found.life() == Life::Unbegun)
    {
        refuse_unproven(context, found).await?;
    }
    Ok(false)
}

/// Counts and logs one removal.
fn note(doomed: &Doomed, deleted: bool, location: &OpenLocation, tally: &mut SyncTally) {
    let Doomed { keys, local, successor } = doomed;
    if !deleted {
        return;
    }
    tally.deleted += 1;
    let (kind, name, lay_here) = (keys.kind(), keys.name(), local.lies_in(&location.id));
    let why = match successor {
        _ if !lay_here => "it lies in the bucket that its location pointed at before",
        Some(_) if !local.here => "its location has another name now",
        Some(_) => "the bucket has another run of its name",
        None => "the bucket has it no longer",
    };
    tracing::info!(kind = kind.resource(), name, location = location.name, "removed: {why}");
    match successor {
        // The same bucket under another name has the same runs: nothing to report.
        Some(_) if local.here || !lay_here => tally.replaced.push(format!("{kind} `{name}`")),
        None if lay_here && local.ours && kind == RunKind::Backup => tally.lost.push(name.to_owned()),
        _ => {}
    }
}

/// Looks at the keys themselves: true if the document or a needed tarball is gone, or another run
/// takes the object's place.
async fn is_gone(bucket: &Bucket, doomed: &Doomed) -> Result<bool, BucketError> {
    let Doomed { keys, local, successor } = doomed;
    if successor.is_some() || !bucket.has(keys.document()).await? {
        return Ok(true);
    }
    Ok(local.needs_tarball && !bucket.has_items(keys).await?)
}
