//! The command line beside a server: the change that each verb makes to objects in the cluster,
//! and the answer that it prints. The cluster is a fake one, whose server does what a test laid
//! down.

mod backup;
mod backup_get;
mod download;
mod fake_cluster;
mod fake_cluster_waits;
mod fake_wire;
mod location;
mod proxies;
mod refusals;
mod restore;
mod schedule;
mod version;
mod waits;

pub use fake_cluster::FakeCluster;
