//! Compares an object with its document if that was written since it was last read: names are used
//! again.
//!
//! A pass over an unchanged bucket reads no document. The listing has size and time of each, and
//! the pairs of object and document that belong together are remembered: in an annotation for
//! synced objects, in memory for all others.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};

use super::create::{Brought, judge};
use super::mirrored::{Life, Mirrored};
use super::survey::{Doomed, Suspect};
use super::tally::SyncTally;
use crate::bucket::{RunIdentity, vouch_alike};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// Number of documents that are read at the same time; each is at most a MiB.
const AT_ONCE: usize = 16;

/// Result of a comparison.
#[derive(Debug)]
enum Comparison {
    /// The object stands for this document.
    Same,
    /// The object stands for another document.
    Another {
        /// The run that the bucket has.
        found: RunIdentity,
        /// The run that the object stands for.
        meant: RunIdentity,
    },
    /// Object or document is gone, or changing; the next pass sees what there is.
    Overtaken,
    /// The document cannot be read, and why. The object stays as long as its document is not known
    /// to be gone.
    Unreadable(String),
}

/// Compares objects with their documents. Returns the objects that stand for other documents, to be
/// replaced.
pub async fn compare<K: Mirrored>(
    context: &Arc<Context>,
    location: &OpenLocation,
    suspects: Vec<Suspect>,
    tally: &mut SyncTally,
) -> Vec<Doomed> {
    let looks = stream::iter(suspects).map(|suspect| {
        let (context, location) = (Arc::clone(context), location.clone());
        async move {
            let verdict = compare_one::<K>(&context, &location, &suspect).await;
            (suspect, verdict)
        }
    });
    let mut looks = std::pin::pin!(looks.buffer_unordered(AT_ONCE));
    let mut doomed = Vec::new();
    while let Some((suspect, verdict)) = looks.next().await {
        let (kind, name) = (K::KIND.resource(), suspect.keys.name());
        match verdict {
            Ok(Comparison::Same) => tally.known.push(suspect.pair),
            Ok(Comparison::Overtaken) => {}
            Ok(Comparison::Another { found, meant }) => {
                tracing::warn!(
                    kind,
                    name,
                    location = location.name,
                    "the bucket has another run of this name than this cluster shows: it was {found}, and the one here was {meant}; \
                     it is shown in its place"
                );
                let Suspect { keys, local, successor, .. } = suspect;
                doomed.push(Doomed { keys, local, successor: Some(successor) });
            }
            Ok(Comparison::Unreadable(why)) => {
                context.metrics.sync_failed(&location.name);
                tally.known.push(suspect.pair);
                tracing::warn!(
                    kind,
                    name,
                    location = location.name,
                    "its document was written anew and cannot be read: {why}"
                );
            }
            Err(error) => tally.failed(error),
        }
    }
    doomed
}

/// Reads a suspect and its document, and compares them. The cache does not keep what the object
/// vouches for.
async fn compare_one<K: Mirrored>(
    context: &Context,
    location: &OpenLocation,
    suspect: &Suspect,
) -> Result<Comparison, ControllerError> {
    let name = suspect.keys.name();
    let doing = format!("read the {} `{name}`, whose document was written anew", K::KIND);
    let found = ControllerError::within(doing, context.api::<K>().get_opt(name)).await?;
    let Some(object) = found else { return Ok(Comparison::Overtaken) };
    let document = match location.bucket.open_run::<K>(suspect.keys.clone()).await {
        Ok(run) => run.into_document(),
        Err(error) => {
            return Ok(match judge(error, name)? {
                Brought::Rejected(why) => Comparison::Unreadable(why),
                _ => Comparison::Overtaken,
            });
        }
    };
    Ok(weigh(&object, &suspect.local.uid, &document))
}

/// Compares an object with a document that was read. Pure.
fn weigh<K: Mirrored>(object: &K, uid: &str, document: &K) -> Comparison {
    let meant = RunIdentity::of_object(object);
    if object.run_uid() != Some(uid) || object.life() != Life::Ended {
        return Comparison::Overtaken;
    }
    if vouch_alike(&meant, object, document) {
        return Comparison::Same;
    }
    Comparison::Another { found: RunIdentity::of_document(document), meant }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Backup;

    fn backup(uid: &str, phase: &str, size: u64, more: Value) -> Backup {
        let mut object = json!({
            "apiVersion": "ark.heptio.com/v1", "kind": "Backup", "spec": {},
            "metadata": {"name": "same", "uid": uid},
            "status": {"phase": phase, "cluster": {"uid": "a", "version": "v1"},
                "startTimestamp": "2026-11-21T03:00:00Z",
                "objects": [{"key": "backups/same/same.tar.zst", "size": size, "sha256": "00"}]},
        });
        for (key, value) in more.as_object().unwrap() {
            object["status"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_object_is_another_when_run_or_bytes_are_and_is_left_alone_while_it_changes() {
        let object = backup("one", "Completed", 7, json!({}));
        let same = backup("one", "Completed", 7, json!({"warnings": 3}));
        assert!(matches!(weigh(&object, "one", &same), Comparison::Same));
        for another in [
            backup("two", "Completed", 7, json!({})),
            backup("one", "Completed", 7, json!({"cluster": {"uid": "b", "version": "v1"}})),
            backup("one", "Completed", 8, json!({})),
        ] {
            assert!(matches!(weigh(&object, "one", &another), Comparison::Another { .. }));
        }
        assert!(matches!(weigh(&object, "gone", &same), Comparison::Overtaken));
        let deleting = backup("one", "Deleting", 8, json!({}));
        assert!(matches!(weigh(&deleting, "one", &same), Comparison::Overtaken));
    }
}
