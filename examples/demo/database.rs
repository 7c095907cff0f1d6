//! A database beside a command: a front that speaks MongoDB's protocol and keeps its lock as mongod
//! does, and a client that writes to it without a pause and measures how long each write waits.

use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ark::cluster::Cluster;
use k8s_openapi::ByteString;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::json;
use tokio::process::Command;

use super::stand::{Peculiarities, Stand};
use super::{Failed, kind};

/// Where the way to the database is kept, as the hooks of the backup name it.
const NAMESPACE: &str = "default";
const SECRET: &str = "demo-mongo";
const KEY: &str = "uri";

/// Writes the hooks that lock the database into a file, runs the command, and returns what it
/// printed and for how long writes waited meanwhile.
pub async fn beside(cluster: &Cluster, file: &str, command: &[&str]) -> Result<String, Failed> {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "data": {KEY: ByteString(stand.uri().into_bytes())},
    });
    cluster.create(&kind(cluster, "secrets").await?, Some(NAMESPACE), secret.to_string()).await?;
    let connection = json!({"uriSecret": {"name": SECRET, "key": KEY}});
    let action = json!({"name": "database", "namespace": NAMESPACE, "mongo": {"connection": connection}});
    std::fs::write(file, json!({"actions": [action]}).to_string())?;
    let (program, arguments) = command.split_first().ok_or("a command is missing")?;
    let mut running = pin!(Command::new(program).args(arguments).stderr(Stdio::inherit()).output());
    let orders = Client::with_uri_str(stand.uri()).await?.database("shop").collection::<Document>("orders");
    let (mut writes, mut longest) = (0, Duration::ZERO);
    let ended = loop {
        let began = Instant::now();
        tokio::select! {
            ended = &mut running => break ended?,
            written = orders.insert_one(doc! { "number": writes }) => {
                written?;
                (writes, longest) = (writes + 1, longest.max(began.elapsed()));
            }
        }
    };
    if !ended.status.success() {
        return Err(format!("{program} ended with {}", ended.status).into());
    }
    let printed = String::from_utf8_lossy(&ended.stdout);
    let longest = longest.as_secs_f64() * 1000.0;
    Ok(format!("{printed}of {writes} writes to the database meanwhile the longest waited {longest:.0} ms"))
}
