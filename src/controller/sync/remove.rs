//! Takes away what the bucket has no longer: after a second look at each key, and only while the bucket is still the one it was.
//! What the bucket has under the name instead comes in its place at once.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};

use super::create::{bring, delete};
use super::look::Doomed;
use super::mirrored::Mirrored;
use super::pass::{Tally, is_same};
use crate::bucket::{Bucket, BucketError, RunKind};
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
            let brought = match (&deleted, &doomed.successor) {
                (Ok(_), Some(successor)) => Some(bring::<K>(context, location, successor).await),
                _ => None,
            };
            (doomed, deleted, brought)
        }
    });
    let mut deletes = std::pin::pin!(deletes.buffer_unordered(AT_ONCE));
    while let Some((doomed, deleted, brought)) = deletes.next().await {
        let Doomed { keys, local, successor } = doomed;
        let (kind, name) = (keys.kind(), keys.name());
        match deleted {
            Ok(deleted) => {
                tally.deleted += u64::from(deleted);
                let why = match &successor {
                    Some(_) => "the bucket has another run of its name",
                    None => "the bucket has it no longer",
                };
                tracing::info!(kind = kind.resource(), name, location = location.name, "removed: {why}");
                match successor {
                    Some(_) if deleted => tally.replaced.push(format!("{kind} `{name}`")),
                    None if deleted && local.mirrors.is_none() && kind == RunKind::Backup => {
                        tally.lost.push(name.to_owned());
                    }
                    _ => {}
                }
            }
            Err(error) => tally.failed(error),
        }
        if let (Some(successor), Some(brought)) = (successor, brought) {
            tally.add::<K>(context, location, &successor, brought);
        }
    }
    Ok(())
}

/// The second look: at the keys themselves.
async fn is_gone(bucket: &Bucket, doomed: &Doomed) -> Result<bool, BucketError> {
    let Doomed { keys, local, successor } = doomed;
    if successor.is_some() || !bucket.has(keys.document()).await? {
        return Ok(true);
    }
    Ok(local.needs_tarball && !bucket.has_items(keys).await?)
}
