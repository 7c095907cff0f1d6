//! Facts about a run, read before anything is done: its location, and the run that has its name in
//! the bucket.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::ListParams;
use tokio::time::Instant;

use super::resource::{RunResource, described, is_left_alone, keys_of};
use super::runnable::Name;
use crate::api::{BackupStorageLocation, LocationPhase};
use crate::bucket::BucketError;
use crate::controller::buckets::{OpenLocation, is_read_only};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::Obstacle;
use crate::model::{Category, causes, lasting};

/// Reason of a wait: the location is Available and its bucket does not answer, or not as it should.
/// Asks the bucket at each look.
pub const LOCATION_UNREACHABLE: &str = "LocationUnreachable";

/// Reason of a wait: an earlier run of the name is being removed. Asks the bucket at each look.
pub const NAME_LEAVING: &str = "NameBeingRemoved";

/// Reason of a wait: the server has not looked at the location yet.
const LOCATION_NOT_VALIDATED: &str = "LocationNotValidated";

/// Reason of a wait: no location has the name.
pub const LOCATION_MISSING: &str = "LocationMissing";

/// State of a location, from the caches and, if it should be usable, from opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// No location has this name.
    Missing {
        /// The name that was looked for.
        name: String,
        /// Time since it was first missed.
        since: Duration,
    },
    /// The location cannot be used now.
    Unavailable {
        /// The location's name.
        name: String,
        /// Whether the location is ReadOnly.
        read_only: bool,
        /// The reason, and what to do.
        why: Obstacle,
    },
    /// The location can be used.
    Usable {
        /// The location's name.
        name: String,
        /// Whether the location is ReadOnly.
        read_only: bool,
    },
}

/// Opens the named location, or the default one, and returns its state, with `None` if it cannot be
/// used now. A location that failed just now is not asked again at once.
pub async fn open_site(context: &Context, name: Option<&str>) -> (Site, Option<OpenLocation>) {
    let Some(location) = context.locations.find(name) else {
        return (find_unseen(context, name).await, None);
    };
    context.locations.missing.found(name.unwrap_or(&context.settings.default_location));
    let (name, read_only) = (location.name_any(), is_read_only(&location));
    let reason = match location.status.as_ref().and_then(|status| status.phase) {
        None => LOCATION_NOT_VALIDATED,
        Some(LocationPhase::Unavailable) => "LocationUnavailable",
        Some(LocationPhase::Available) => LOCATION_UNREACHABLE,
    };
    let unavailable =
        |why: String| Site::Unavailable { name: name.clone(), read_only, why: Obstacle::new(reason, why) };
    let failing = &context.locations.failing;
    if let Some(why) = failing.lately(&name, Instant::now()) {
        return (unavailable(why), None);
    }
    let mut unanswered = None;
    let opened = match context.locations.open(Some(&name)).await {
        Ok(open) => (Site::Usable { name: name.clone(), read_only }, Some(open)),
        Err(ControllerError::Location { why, .. }) => (unavailable(why), None),
        Err(error) => {
            let why = lasting(&error);
            unanswered = Some(why.clone());
            (unavailable(why), None)
        }
    };
    failing.note(&name, unanswered, Instant::now());
    opened
}

/// Returns the state of a location that the cache does not hold, as the API server has it: a
/// refusal is final, and the cache may be behind what a person has just created.
async fn find_unseen(context: &Context, name: Option<&str>) -> Site {
    let wanted = name.unwrap_or(&context.settings.default_location).to_owned();
    let (api, everything) = (context.api::<BackupStorageLocation>(), ListParams::default());
    let listed = ControllerError::within("list the BackupStorageLocations", api.list(&everything)).await;
    let why = match listed {
        Ok(listed) => {
            let all: Vec<_> = listed.items.into_iter().map(Arc::new).collect();
            if context.locations.find_among(&all, name).is_none() {
                let since = context.locations.missing.note(&wanted, Instant::now());
                return Site::Missing { name: wanted, since };
            }
            "the location was created a moment ago, and the server has not looked at it yet".to_owned()
        }
        Err(error) => lasting(&error),
    };
    Site::Unavailable { name: wanted, read_only: false, why: Obstacle::new(LOCATION_NOT_VALIDATED, why) }
}

/// Reads an object again from the API server. Returns `None` if it does not exist any more, or must
/// be left alone by now.
///
/// # Errors
/// If the API server refuses or does not answer.
pub async fn read_again<K: RunResource>(context: &Context, seen: &K) -> Result<Option<K>, ControllerError> {
    let doing = format!("read {}", described(seen));
    let fresh = ControllerError::within(doing, context.api::<K>().get_opt(&seen.name_any())).await?;
    Ok(fresh.filter(|fresh| !is_left_alone(fresh)))
}

/// Like [`who_has`], but a bucket that cannot be read becomes a reason to wait instead of an error.
pub async fn observe_name<K: RunResource>(context: &Context, object: &K, location: &OpenLocation) -> Name<K> {
    match who_has(context, object, location).await {
        Ok(name) => name,
        Err(error) => Name::Pending(Obstacle::new(LOCATION_UNREACHABLE, lasting(&error))),
    }
}

/// Returns which run has the object's name in the bucket of a location.
///
/// # Errors
/// If the bucket cannot be read.
pub async fn who_has<K: RunResource>(
    context: &Context,
    object: &K,
    location: &OpenLocation,
) -> Result<Name<K>, ControllerError> {
    let name = object.name_any();
    let other = |cluster: Option<&str>| {
        let cluster = cluster.map(|uid| format!(", made in cluster {}", uid.escape_debug()));
        format!(
            "its name `{name}` is taken in location `{}`: a complete one{} is there; use another name, or delete that one first",
            location.name,
            cluster.unwrap_or_default()
        )
    };
    let doing = format!("look for {} in location `{}`", described(object), location.name);
    let failed = ControllerError::bucket(doing);
    let run = async { location.bucket.open_run::<K>(keys_of(object)?).await };
    match run.await {
        Ok(run) => {
            let document = run.into_document();
            let cluster = document.cluster();
            let here = cluster.is_none_or(|cluster| cluster == context.identity.uid);
            if here && document.meta().uid.is_some() && document.meta().uid == object.meta().uid {
                return Ok(Name::Own(Box::new(document)));
            }
            Ok(Name::Taken(other(cluster)))
        }
        Err(BucketError::NotFound { .. }) => Ok(Name::Free),
        Err(BucketError::Incomplete { .. }) => match remover(object, location).await.map_err(failed)? {
            Some(holder) => Ok(Name::Pending(Obstacle::new(
                NAME_LEAVING,
                format!(
                    "{holder} is removing an earlier one of its name from location `{}`; it begins when that has ended",
                    location.name
                ),
            ))),
            None => Ok(Name::Free),
        },
        Err(error @ BucketError::Store(_)) if error.category() != Category::TooLarge => Err(failed(error)),
        Err(error) => Ok(Name::Taken(format!(
            "its name `{name}` is taken in location `{}` by what cannot be read: {}; use another name",
            location.name,
            causes(&error)
        ))),
    }
}

async fn remover<K: RunResource>(object: &K, location: &OpenLocation) -> Result<Option<String>, BucketError> {
    location.bucket.remover_of(&keys_of(object)?).await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::api::{Backup, BackupSpec};
    use crate::bucket::tests::faulty_bucket;
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;
    use crate::store::{Fault, ObjectKey, Operation, PutMode};

    #[tokio::test]
    async fn a_location_that_the_cache_does_not_show_yet_is_waited_for() {
        let all = Arc::new(Mutex::new(json!([])));
        let listed = Arc::clone(&all);
        let (cluster, _) = serve(move |_, _| {
            let list = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocationList",
                "metadata": {}, "items": *listed.lock().unwrap()});
            answer(200, list.to_string())
        });
        let context = scripted(cluster);
        let site = async |name| open_site(&context, name).await.0;
        assert!(matches!(site(Some("west")).await, Site::Missing { name, .. } if name == "west"));
        *all.lock().unwrap() = json!([{"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": "west"}, "spec": {"provider": "s3", "bucket": "b", "default": true}}]);
        for name in [Some("west"), None] {
            let Site::Unavailable { why, .. } = site(name).await else { panic!("{name:?} is there") };
            assert_eq!(why.reason, "LocationNotValidated");
        }
        assert!(matches!(site(Some("east")).await, Site::Missing { .. }));
    }

    #[tokio::test]
    async fn a_name_of_which_the_bucket_does_not_say_who_has_it_or_that_is_about_to_go_is_waited_for() {
        let (cluster, _) = serve(|_, asked| answer(200, asked.body.clone()));
        let context = scripted(cluster);
        let (faults, bucket) = faulty_bucket();
        let location = OpenLocation { name: "default".into(), id: "id".into(), read_only: false, bucket };
        let backup = Backup::new("nightly", BackupSpec::default());
        assert!(matches!(observe_name(&context, &backup, &location).await, Name::Free));
        faults.script_always(Operation::Get, Fault::Forbidden);
        let Name::Pending(why) = observe_name(&context, &backup, &location).await else {
            panic!("not known")
        };
        assert!(why.reason == LOCATION_UNREACHABLE && why.message.contains("`nightly`"), "{why:?}");
        faults.heal();
        let removing =
            crate::bucket::Claim { removing: true, ..crate::bucket::Claim::new("removal", "", "pod-7") };
        let (key, body) = ("backups/nightly/claim.json", serde_json::to_vec(&removing).unwrap());
        let store = location.bucket.store();
        store.put(&ObjectKey::new(key).unwrap(), body.into(), PutMode::Create).await.unwrap();
        let Name::Pending(why) = observe_name(&context, &backup, &location).await else { panic!("it goes") };
        assert!(why.reason == NAME_LEAVING && why.message.contains("pod-7 is removing"), "{why:?}");
    }
}
