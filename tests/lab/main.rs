//! Promises about real servers, kept on a real cluster: `hack/test.sh` brings the lab up and runs these.
//!
//! A test takes the lab by [`Lab::get`] and works in namespaces and buckets of its own; one that disturbs the others (it
//! compacts etcd, backs up all namespaces, installs cluster-wide kinds) takes it by [`Lab::alone`].
//! Tests that need pods to run go into a module `on_node`: they are left out, by name, where no node can run.

#![cfg(test)] // tells clippy that helpers, too, may expect and panic

mod backup;
mod bucket;
mod cluster;
mod crds;
mod install;
mod on_node;
#[path = "../support/mod.rs"]
mod process;
mod restore;
mod server;
mod smoke;
mod support;
