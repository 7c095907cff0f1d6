//! What the demonstration needs besides Ark and has no kubectl for: it loads a cluster, changes it,
//! deletes a namespace, and compares objects. The comparison knows nothing of how Ark compares or
//! rewrites.
//!
//! ```text
//! demo load OBJECTS            the sample application and so many more objects
//! demo change                  one object edited, one added, one removed
//! demo delete NAMESPACE        and wait until it is gone
//! demo snapshot NAMESPACE      waits until its claims are Bound; prints its objects and volumes
//! demo database FILE COMMAND… runs it beside a database; FILE gets hooks that lock that
//! demo compare FILE NAMESPACE  waits until it holds what the snapshot says; exit code 1 otherwise
//! ```
//! The cluster is that of KUBECONFIG.

mod database;
mod load;
mod snapshot;
#[path = "../../tests/mongo/stand/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    clippy::expect_used,
    reason = "it is made for tests, which need more of it"
)]
mod stand;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use ark::cluster::{Bound, Cluster, ConnectOptions, Propagation, ResourceInfo};
use ark::model::GroupResource;

/// An error of whatever kind: this program ends with it.
type Failed = Box<dyn Error + Send + Sync>;

/// Longest wait for anything of the cluster; deleting some thousand objects takes the longest.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (text, code) = match run(&arguments).await {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (format!("demo: {error}"), ExitCode::FAILURE),
    };
    // Nobody is left to tell when stdout is gone.
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

async fn run(arguments: &[&str]) -> Result<String, Failed> {
    let cluster = Cluster::connect(&ConnectOptions::default()).await?;
    match arguments {
        ["load", objects] => load::load(&cluster, objects.parse()?).await,
        ["change"] => load::change(&cluster).await,
        ["delete", namespace] => {
            let namespaces = kind(&cluster, "namespaces").await?;
            cluster.delete(&namespaces, None, namespace, None, Propagation::Background).await?;
            cluster.gone(&namespaces, None, namespace, None, &Bound::new(PATIENCE, PATIENCE)).await?;
            Ok(format!("namespace {namespace} is gone"))
        }
        ["database", file, command @ ..] => database::beside(&cluster, file, command).await,
        ["snapshot", namespace] => snapshot::settled(&cluster, namespace).await,
        ["compare", file, namespace] => snapshot::compare(&cluster, file, namespace).await,
        _ => Err("usage: demo load OBJECTS | change | delete NAMESPACE | snapshot NAMESPACE | database FILE COMMAND… | compare FILE NAMESPACE".into()),
    }
}

/// A kind by its plural.
async fn kind(cluster: &Cluster, name: &str) -> Result<ResourceInfo, Failed> {
    let catalog = cluster.catalog().await?;
    let found = catalog.find(&GroupResource::parse(name)).cloned();
    found.ok_or_else(|| format!("the cluster has no {name}").into())
}
