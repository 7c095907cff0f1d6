//! Takes away what the bucket has no longer: after a second look at each key, and only while the bucket is still the one it was.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};

use super::create::delete;
use super::look::Doomed;
use super::mirrored::Mirrored;
use super::pass::{Tally, is_same};
use crate::bucket::{Bucket, BucketError};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::locations::OpenLocation;

/// Keys that are looked at, and objects that are deleted, at the same time.
const AT_ONCE: usize = 8;

/// Removes the objects whose documents are gone.
///
/// # Errors
/// When the bucket is not the one that was listed; then nothing was deleted. Single failures are tallied.
pub async fn remove<K: Mirrored>(
    context: &Arc<Context>,
    location: &OpenLocation,
    doomed: Vec<Doomed>,
    tally: &mut Tally,
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
    // A bucket that was emptied or swapped since the listing would answer that everything is gone.
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
    let deletes = stream::iter(confirmed).map(|doomed| {
        let api = context.api::<K>();
        async move {
            let deleted = delete(&api, doomed.keys.name(), Some(&doomed.local.uid)).await;
            (doomed, deleted)
        }
    });
    let mut deletes = std::pin::pin!(deletes.buffer_unordered(AT_ONCE));
    while let Some((doomed, deleted)) = deletes.next().await {
        match deleted {
            Ok(deleted) => {
                tally.deleted += u64::from(deleted);
                let (kind, name) = (doomed.keys.kind().resource(), doomed.keys.name());
                tracing::info!(kind, name, location = location.name, "removed: the bucket has it no longer");
            }
            Err(error) => tally.failed(error),
        }
    }
    Ok(())
}

/// The second look: at the keys themselves.
async fn is_gone(bucket: &Bucket, doomed: &Doomed) -> Result<bool, BucketError> {
    let Doomed { keys, local, replaced } = doomed;
    if *replaced || !bucket.has(keys.document()).await? {
        return Ok(true);
    }
    Ok(local.needs_tarball && !bucket.has_items(keys).await?)
}
