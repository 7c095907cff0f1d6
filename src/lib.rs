//! Ark backs up a Kubernetes cluster into a bucket and brings it back, there or in another cluster.
//!
//! The modules are declared in the order in which a request travels:
//!
//! 1. [`cli`] is the person's door: each verb is one function; [`controller`] is the cluster's: each kind is one file.
//! 2. [`backup`] and [`restore`] are the engine: one `run` each, a plan first, then the acts.
//! 3. [`archive`] turns items into bytes and back; it knows neither cluster nor bucket.
//! 4. [`bucket`] says what the bytes in a bucket mean; [`store`] is where bytes live.
//! 5. [`cluster`] is all API-server traffic.
//! 6. [`api`] holds the custom resources, [`model`] the vocabulary without I/O, [`telemetry`] what is told of a run.
//!
//! Who may import whom is a table in `docs/architecture.md`, checked by `tests/architecture.rs`.

pub mod cli;

pub mod controller;

pub mod backup;
pub mod restore;

pub mod archive;
pub mod bucket;
pub mod store;

pub mod cluster;

pub mod api;
pub mod model;
pub mod telemetry;
