//! `ark version`: prints the versions of the program, its format and the server.

use clap::Args;
use uuid::Uuid;

use super::client::ArkClient;
use super::client::wait::{Waited, wait};
use super::exit::{Done, Failure};
use super::global::Global;
use super::output::{Format, Output};
use crate::api::{ServerStatusRequest, ServerStatusRequestSpec};
use crate::bucket::documents::FORMAT;

/// Print the version of Ark and of the backup format it writes.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark version\n  # Whether a server answers in the cluster, and which one\n  ark version --server"
)]
pub struct VersionCommand {
    /// Also ask the server in the cluster
    #[arg(long)]
    server: bool,
}

/// Prints the version of the program and of the format that it writes, and the version of the
/// server if `--server` asks for it.
pub async fn run(global: &Global, command: &VersionCommand, output: &Output) -> Result<Done, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let documents = matches!(output.format(), Format::Json | Format::Yaml);
    if !documents {
        output.line(format!("ark {version}, format {FORMAT}"))?;
    }
    let server = if command.server { Some(ask(global, output).await?) } else { None };
    match &server {
        _ if documents => {
            let mut document = serde_json::json!({"version": version, "format": FORMAT});
            if let Some(server) = server {
                document["server"] = serde_json::json!({"version": server});
            }
            output.document(&document)?;
        }
        Some(server) => {
            output.line(format!("the server of namespace {} is ark {server}", global.namespace))?;
        }
        None => {}
    }
    Ok(Done::Complete)
}

/// Returns the version of the server that answers. The request is deleted here, or by the server.
async fn ask(global: &Global, output: &Output) -> Result<String, Failure> {
    let client = ArkClient::open(global).await?;
    let name = format!("version-{}", Uuid::new_v4());
    let mut request = ServerStatusRequest::new(&name, ServerStatusRequestSpec {});
    request.metadata.namespace = Some(global.namespace.clone());
    client.create(&request).await?;
    let answered =
        wait::<ServerStatusRequest>(&client, &name, "there is nobody to tell a version", output).await;
    let _ = client.delete::<ServerStatusRequest>(&name).await; // who may not delete it leaves it to the server
    match answered? {
        Waited::Done(request) => {
            let version = request.status.and_then(|status| status.server_version);
            Ok(version.unwrap_or_else(|| "of an unknown version".to_owned()))
        }
        Waited::Gone => {
            Err(Failure::because("the request for the server's version was deleted before it was answered"))
        }
    }
}
