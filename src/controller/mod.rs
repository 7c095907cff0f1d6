//! The cluster's door: the server, which turns custom resources into runs of the engine, and the bucket into custom resources.
//!
//! Each controller is one file and goes one way: load, decide (pure), act, record. `backup` and `restore` run the engine;
//! `schedule` makes Backups; `location` says which buckets can be used; `sync` brings what a bucket has into the cluster and
//! takes away what it has no longer; `gc` and `delete` remove what has expired; `download` and `status` answer requests.
//! `stores` holds what the cluster has, `locations` opens buckets.

mod backup;
mod context;
mod delete;
mod download;
mod error;
mod events;
mod gc;
mod location;
mod locations;
mod restore;
mod retry;
mod runs;
mod schedule;
mod settings;
mod status;
mod stores;
mod sync;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use error::ControllerError;
pub use settings::Settings;

use context::Context;
use events::Events;
use locations::Locations;
use retry::Retries;
use stores::Feeds;

use crate::cluster::Cluster;
use crate::telemetry::Metrics;

/// Runs the server until `stop` says that it should end; what it was doing then is left so that the next one goes on.
///
/// # Errors
/// When the cluster cannot be reached at the beginning, lacks Ark's custom resource types, or another server took over.
pub async fn run(
    cluster: Cluster,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), ControllerError> {
    let identity = cluster
        .identity()
        .await
        .map_err(ControllerError::cluster("ask the API server which cluster it is"))?;
    let feeds = Feeds::of(&cluster.client(), &settings.namespace);
    let stores = feeds.stores();
    let metrics = Arc::new(Metrics::new());
    let observer = locations::counting(&metrics);
    let locations = Locations::new(&cluster.client(), &settings, stores.locations.clone(), observer);
    let locations = Arc::new(locations);
    let events = Events::new(cluster.client(), &settings.holder);
    let retries = Retries::default();
    let context =
        Arc::new(Context { cluster, identity, settings, stores, locations, metrics, retries, events, stop });
    act(context, feeds).await;
    Ok(())
}

/// All controllers, side by side, until they have stopped.
async fn act(context: Arc<Context>, feeds: Feeds) {
    let Feeds { backups, restores, schedules, locations, deletions, downloads, statuses } = feeds;
    let c = || Arc::clone(&context);
    let always = async {
        tokio::join!(
            backup::run(c(), backups),
            restore::run(c(), restores),
            location::run(c(), locations),
            delete::run(c(), deletions),
            download::run(c(), downloads),
            status::run(c(), statuses),
            sync::run(c()),
        );
    };
    let owning = async {
        let Settings { restore_only, disable_schedules, .. } = context.settings;
        if !restore_only {
            let by_the_clock = async {
                if !disable_schedules {
                    schedule::run(c(), schedules).await;
                }
            };
            tokio::join!(by_the_clock, gc::run(c()));
        }
    };
    tokio::join!(always, owning);
}
