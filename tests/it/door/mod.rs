//! The command line in front of a server: what each verb does to the objects in the cluster, and what it says.

mod cluster;
mod everyday;
mod handing_out;
mod nouns;
mod proxies;
mod refusing;
mod restores;
mod runs;
mod waits;
mod wire;

pub use cluster::ArkCluster;
