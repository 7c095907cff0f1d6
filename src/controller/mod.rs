//! The server: turns custom resources into runs of the engine, and documents of buckets into custom
//! resources.
//!
//! Each controller is a file or a folder and works in one order: it looks (`observe`, `ask`,
//! `survey`, `validate`), decides (pure), acts and records.
//! - `backup` and `restore` run the engine; `runs` is the flow that they share.
//! - `schedule` makes Backups, `gc` requests the deletion of what has expired and sweeps what dead
//!   runs left, `delete` executes deletion requests, `location` validates buckets.
//! - `sync` creates objects for the documents of a bucket and deletes objects whose document is
//!   gone.
//! - `obligations` undoes what runs whose process died have left outside of the bucket.
//! - `requests` answers DownloadRequests and ServerStatusRequests.
//!
//! `watch` holds the caches and the error policy, `buckets` opens locations, `observed` derives
//! metrics from the caches. `preflight` checks what the server needs (`schema`: its CRDs). Only the
//! holder of the lease acts (`leader`); `serve` answers HTTP in any case.

mod backup;
mod buckets;
mod context;
mod delete;
mod error;
mod gc;
mod leader;
mod location;
mod obligations;
mod observed;
mod preflight;
mod requests;
mod restore;
mod runs;
mod schedule;
mod schema;
mod serve;
mod settings;
mod sync;
mod watch;

pub use error::ControllerError;
pub use settings::Settings;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::bucket::documents::FORMAT;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::store::Gate;
use crate::telemetry::Metrics;
use buckets::Locations;
use context::Context;
use leader::lease::Election;
use leader::term;
use obligations::count::Obligations;
use requests::{download, server_status};
use serve::download_tokens::DownloadTokens;
use serve::{Duty, HttpState};
use watch::backoff::Retries;
use watch::events::Events;
use watch::watches::Watches;

/// Runs the server until `stop` is cancelled, and leaves unfinished work so that the next server
/// goes on with it.
///
/// # Flow
/// Listen for HTTP, wait for what the server needs (`preflight`), win the lease, prepare caches and
/// shared state, run all controllers for one term of leadership.
///
/// # Errors
/// If the address cannot be listened on, the cluster refuses the first requests or lacks what the
/// server needs, or the lease is lost. The process has to end then, and may be started again at
/// once.
pub async fn run(
    cluster: Cluster,
    settings: Settings,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<(), ControllerError> {
    metrics.build(env!("CARGO_PKG_VERSION"), &FORMAT.to_string());
    let tokens = Arc::new(DownloadTokens::default());
    let (duty, watched) = tokio::sync::watch::channel(Duty::Starting);
    let state = HttpState { duty: watched, metrics: Arc::clone(&metrics), tokens: Arc::clone(&tokens) };
    let _open = serve::open(settings.listen, state).await?;
    let Some(identity) = preflight::wait(&cluster, &settings.namespace, &stop).await? else { return Ok(()) };
    duty.send_replace(Duty::StandingBy);
    let election = Election::new(&cluster, &settings.namespace, &settings.holder);
    let Some(held) = election.win(&stop).await? else { return Ok(()) };
    let Settings { namespace, restore_only, disable_schedules, disable_restores, disable_hooks, .. } =
        &settings;
    let (holder, uid) = (held.holder(), &identity.uid);
    tracing::info!(
        holder,
        namespace,
        cluster = uid,
        restore_only,
        disable_schedules,
        disable_restores,
        disable_hooks,
        "leading"
    );
    metrics.leader(true);
    duty.send_replace(Duty::Filling);
    let (context, watches) = prepare(cluster, identity, settings, metrics, tokens, stop.child_token());
    let ended = term::serve(held, &context.stop, act(Arc::clone(&context), watches, &duty)).await;
    context.metrics.leader(false);
    ended
}

/// Builds the shared state and the watches of all controllers. Sends no request.
fn prepare(
    cluster: Cluster,
    identity: ClusterIdentity,
    settings: Settings,
    metrics: Arc<Metrics>,
    tokens: Arc<DownloadTokens>,
    stop: CancellationToken,
) -> (Arc<Context>, Watches) {
    let watches = Watches::of(&cluster.client(), &settings.namespace);
    let caches = watches.caches();
    let observer = buckets::counting(&metrics);
    // One fence for API server and buckets: a server whose lease has ended writes to neither.
    let fence = cluster.fence();
    let gate = Gate::new(move || fence.is_open());
    let locations = Locations::new(&cluster.client(), &settings, caches.locations.clone(), observer, gate);
    let (locations, retries) = (Arc::new(locations), Retries::default());
    let events = Events::new(cluster.client(), &settings.holder);
    let context = Context {
        cluster,
        identity,
        settings,
        caches,
        locations,
        obligations: Obligations::default(),
        metrics,
        retries,
        tokens,
        events,
        stop,
    };
    (Arc::new(context), watches)
}

/// Runs all controllers side by side until each has stopped.
async fn act(context: Arc<Context>, watches: Watches, duty: &tokio::sync::watch::Sender<Duty>) {
    let Watches { backups, restores, schedules, locations, deletions, downloads, statuses, .. } = watches;
    let c = || Arc::clone(&context);
    let Settings { restore_only, disable_schedules, .. } = context.settings;
    let scheduling = async {
        if restore_only || disable_schedules {
            schedule::watch(c(), schedules).await;
        } else {
            schedule::run(c(), schedules).await;
        }
    };
    let observing = async {
        duty.send_replace(Duty::Leading);
        observed::tell(&context);
    };
    tokio::join!(
        backup::run(c(), backups),
        restore::run(c(), restores),
        scheduling,
        location::run(c(), locations),
        delete::run(c(), deletions),
        download::run(c(), downloads),
        server_status::run(c(), statuses),
        once_filled(&context, sync::run(c())),
        // Also with `--restore-only`, where a pass leaves backups alone.
        once_filled(&context, gc::run(c())),
        once_filled(&context, obligations::run(c())),
        once_filled(&context, observing),
    );
}

/// Runs `work` once all caches are filled: an object that a cache does not hold yet would pass for
/// missing. Ends without running it if the server ends before.
async fn once_filled(context: &Context, work: impl Future<Output = ()>) {
    if context.caches.filled().await {
        work.await;
    }
}
