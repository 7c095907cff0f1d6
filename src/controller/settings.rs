//! What the server was asked to do: the flags of `ark server`, read.

use std::net::SocketAddr;
use std::time::Duration;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of Ark's own objects.
    pub namespace: String,
    /// Makes no backups and removes none; syncs and restores.
    pub restore_only: bool,
    /// Makes no backups by the clock; Schedules lie still.
    pub disable_schedules: bool,
    /// Writes nothing into the cluster: every Restore fails validation, so that the server may do with a role that only reads.
    pub disable_restores: bool,
    /// Backups that run at once.
    pub concurrent_backups: usize,
    /// Restores that run at once.
    pub concurrent_restores: usize,
    /// Between two looks into a location that says nothing else.
    pub sync_period: Duration,
    /// Between two looks for expired backups.
    pub gc_period: Duration,
    /// How long a Backup is kept that says nothing else.
    pub default_ttl: Duration,
    /// The location of Backups that name none, where no location says that it is the default.
    pub default_location: String,
    /// Where health, metrics and downloads are served.
    pub listen: SocketAddr,
    /// The pod that this server is in; none when it runs elsewhere.
    pub pod: Option<String>,
    /// Who this server is, for leases, claims and statuses: pod or host, and process.
    pub holder: String,
}
