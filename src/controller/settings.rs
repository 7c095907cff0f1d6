//! Settings of the server: the parsed flags of `ark server`.

use std::net::SocketAddr;
use std::time::Duration;

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of Ark's own objects.
    pub namespace: String,
    /// Makes no backups and removes none; syncs and restores.
    pub restore_only: bool,
    /// Makes no scheduled backups: Schedules are watched, and nothing is done about them.
    pub disable_schedules: bool,
    /// Restores nothing: every Restore fails validation, so that a role that only reads the cluster
    /// is enough for the server.
    pub disable_restores: bool,
    /// Runs no hooks: Backups with hooks are refused, and pods that ask for hooks are a warning.
    pub disable_hooks: bool,
    /// Number of Backups that run at once.
    pub concurrent_backups: usize,
    /// Number of Restores that run at once.
    pub concurrent_restores: usize,
    /// Time between two sync passes over a location that sets no period of its own.
    pub sync_period: Duration,
    /// Time between two rounds of garbage collection.
    pub gc_period: Duration,
    /// Time that a Backup without a ttl of its own is kept.
    pub default_ttl: Duration,
    /// The location of Backups that name none, if no location is marked as the default.
    pub default_location: String,
    /// Address on which health, metrics and downloads are served.
    pub listen: SocketAddr,
    /// Name of the pod that this server runs in; `None` outside a pod.
    pub pod: Option<String>,
    /// Name of this server in leases, claims and statuses: pod or host, and process.
    pub holder: String,
}
