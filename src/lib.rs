//! Ark backs up a Kubernetes cluster into a bucket and brings it back, there or in another cluster.
//!
//! The modules are declared in the order in which a request travels:
//!
//! 1. [`cli`] is the command line: a folder for each noun, a function for each verb. [`controller`]
//!    is the server in the cluster: a folder for each custom resource.
//! 2. [`backup`] and [`restore`] are the engine: one `run` each, which makes a plan first and then
//!    acts.
//! 3. [`archive`] turns items into bytes and back; the module knows neither cluster nor bucket.
//! 4. [`bucket`] defines the meaning of the bytes in a bucket; [`store`] reads and writes these
//!    bytes.
//! 5. [`cluster`] holds all traffic with the API server; [`hooks`] are commands that run in pods
//!    around a backup.
//! 6. [`mongo`] locks MongoDB around a backup; the module knows nothing of Kubernetes.
//! 7. [`api`] holds the custom resources, [`model`] the vocabulary without I/O, [`telemetry`] the
//!    log of a run and the metrics of a server.
//!
//! The table of permitted imports is in `docs/architecture.md`; `tests/architecture.rs` checks it.

pub mod cli;

pub mod controller;

pub mod backup;
pub mod restore;

pub mod archive;
pub mod bucket;
pub mod store;

pub mod cluster;
pub mod hooks;
pub mod mongo;

pub mod api;
pub mod model;
pub mod telemetry;
