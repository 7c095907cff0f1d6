//! `ark server`: turns flags into settings and calls [`crate::controller::run`].

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::exit::signal::asked;
use super::exit::{Done, Failure};
use super::global::{Global, holder};
use crate::api::Duration;
use crate::controller::{ControllerError, Settings, run as serve};
use crate::telemetry::Metrics;

const EXAMPLE: &str = "\
Examples:
  # Run it from here against the cluster of the current context, as it runs in a pod
  ark server --namespace heptio-ark";

/// Run the server: the controllers that make backups, restore them, and keep cluster and bucket in
/// step.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ServerCommand {
    /// Only sync and restore: make no backups and remove none
    #[arg(long)]
    restore_only: bool,
    /// Make no backups for schedules
    #[arg(long)]
    disable_schedules: bool,
    /// Refuse every restore, so that the server needs no right to write into the cluster
    #[arg(long, conflicts_with = "restore_only")]
    disable_restores: bool,
    /// Run no hooks, so that the server needs no right to run commands in pods: backups with hooks
    /// are refused
    #[arg(long)]
    disable_hooks: bool,
    /// How many backups run at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    concurrent_backups: u64,
    /// How many restores run at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    concurrent_restores: u64,
    /// How often the bucket is compared with the cluster, unless the location has a syncPeriod
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    sync_period: Duration,
    /// How often expired backups are looked for
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    gc_period: Duration,
    /// How long a backup is kept whose spec has no ttl
    #[arg(long, value_name = "DURATION", default_value = "720h")]
    default_ttl: Duration,
    /// The location of backups that name none, unless a location is marked as the default
    #[arg(long, value_name = "LOCATION", default_value = "default")]
    default_location: String,
    /// The address at which health, metrics and downloads are served
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8085")]
    listen: SocketAddr,
    /// The name of this server's pod, through which downloads reach it
    #[arg(long, env = "POD_NAME", hide = true, value_name = "NAME")]
    pod: Option<String>,
}

/// Runs the server until a signal ends it: the first one in good order, the second one at once.
pub async fn run(global: &Global, command: &ServerCommand) -> Result<Done, Failure> {
    let ServerCommand {
        restore_only,
        disable_schedules,
        disable_restores,
        disable_hooks,
        concurrent_backups,
        concurrent_restores,
        sync_period,
        gc_period,
        default_ttl,
        default_location,
        listen,
        pod,
    } = command;
    let length = |flag: &str, duration: &Duration| {
        duration.length().map_err(|error| Failure::usage(format!("--{flag}: {error}")))
    };
    let number = |number: u64| usize::try_from(number).unwrap_or(1);
    let settings = Settings {
        namespace: global.namespace.clone(),
        restore_only: *restore_only,
        disable_schedules: *disable_schedules,
        disable_restores: *disable_restores,
        disable_hooks: *disable_hooks,
        concurrent_backups: number(*concurrent_backups),
        concurrent_restores: number(*concurrent_restores),
        sync_period: length("sync-period", sync_period)?,
        gc_period: length("gc-period", gc_period)?,
        default_ttl: length("default-ttl", default_ttl)?,
        default_location: default_location.clone(),
        listen: *listen,
        pod: pod.clone().filter(|pod| !pod.is_empty()),
        holder: pod.clone().filter(|pod| !pod.is_empty()).unwrap_or_else(holder),
    };
    let metrics = Arc::new(Metrics::new());
    let cluster = global.counted_cluster(Arc::clone(&metrics)).await?;
    let stop = CancellationToken::new();
    let signal = async {
        asked().await;
        tracing::info!("ending; what runs is left to the next server");
        stop.cancel();
        asked().await;
        tracing::warn!("asked to end a second time; ending at once");
    };
    tokio::select! {
        ended = serve(cluster, settings, metrics, stop.clone()) => match ended {
            Ok(()) => Ok(Done::Complete),
            Err(ControllerError::Cluster { source, .. }) => Err(source.into()),
            Err(error) => Err(Failure::failed("running the server", &error)),
        },
        () = signal => Err(Failure::because("ended at once; what ran is left to the next server")),
    }
}
