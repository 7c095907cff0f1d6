//! The flags that every command takes, and what is opened with them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::exit::Failure;
use super::output::{Color, Format};
use crate::api::DEFAULT_NAMESPACE;
use crate::cluster::{Cluster, ConnectOptions};
use crate::telemetry::Metrics;

/// Options that every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The kubeconfig file [default: $KUBECONFIG, else ~/.kube/config, else the pod's service
    /// account]
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig [default: its current context]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// The namespace of Ark's own objects and its server
    #[arg(short, long, global = true, value_name = "NAME", default_value = DEFAULT_NAMESPACE, value_parser = namespace)]
    pub(super) namespace: String,
    /// How long to wait for an API server that has stopped answering: 90s, 10m [default: 5m]
    #[arg(long, global = true, value_name = "DURATION", env = "ARK_PATIENCE", hide_env_values = true, value_parser = patience)]
    pub(super) patience: Option<std::time::Duration>,
    /// The output format
    #[arg(short, long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(super) output: Format,
    /// Print no progress and no notes, only the answer, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Print the log of the run to stderr; -vv also prints every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// When to colour messages
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(super) color: Color,
}

/// A DNS label: it becomes the name of an object and part of names and arguments.
pub fn namespace(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        return Ok(text.to_owned());
    }
    Err("a namespace has up to 63 of a-z, 0-9 and `-`, the first and last no `-`".to_owned())
}

/// A duration as people write it: `90s`, `10m`.
fn patience(text: &str) -> Result<std::time::Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 90s, 10m or 1h"))
}

impl Global {
    /// Connects to the cluster that the options name.
    pub(super) async fn cluster(&self) -> Result<Cluster, Failure> {
        Ok(Cluster::connect(&self.connection()).await?)
    }

    /// As [`Global::cluster`]; the calls are counted.
    pub(super) async fn counted_cluster(&self, metrics: Arc<Metrics>) -> Result<Cluster, Failure> {
        Ok(Cluster::connect(&ConnectOptions { metrics: Some(metrics), ..self.connection() }).await?)
    }

    fn connection(&self) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            away_within: self.patience,
            ..ConnectOptions::default()
        }
    }
}

/// Who runs a command, for whoever finds its claim in the bucket: host and process.
pub fn holder() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}/{}", if host.is_empty() { "unknown" } else { host }, std::process::id())
}
