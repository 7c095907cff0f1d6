//! Promises about real servers, kept on a real cluster: `hack/test.sh` brings the lab up and runs
//! these.
//!
//! A test takes the lab by [`Lab::get`] and works in namespaces and buckets of its own; one that
//! disturbs the others (it compacts etcd, backs up all namespaces, installs cluster-wide kinds)
//! takes it by [`Lab::alone`]. Tests that need what is not everywhere go into a module of their
//! own, and are left out, by name, where it is not to be had: `on_node` needs pods that run,
//! `balanced` two API servers, `rough` a cluster whose servers it may stop, `clocks` a way to
//! change a program's clock.

#![cfg(test)] // tells clippy that helpers, too, may expect and panic

mod backup;
mod balanced;
mod bucket;
mod cases;
mod clocks;
mod cluster;
mod crds;
mod install;
mod on_node;
#[path = "../support/mod.rs"]
mod process;
mod restore;
mod rough;
mod server;
mod smoke;
#[path = "../mongo/stand/mod.rs"]
#[expect(dead_code, unused_imports, reason = "tests/mongo needs more of it")]
mod stand;
mod support;
