//! `ark location describe`: prints a location with its settings and its state.

use clap::Args;
use kube::ResourceExt;

use crate::api::{BackupStorageLocation, HIDDEN, LocationConfig};
use crate::cli::client::ArkClient;
use crate::cli::client::bare;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output};
use crate::cli::verbs::columns::{is_default, place};
use crate::cli::verbs::get::{cell, time};
use crate::model::ObjectName;

/// Show a location, whether it can be used and why not.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ark location describe default")]
pub struct DescribeCommand {
    /// The name of the location
    name: ObjectName,
}

/// Prints the location.
pub async fn describe(global: &Global, command: &DescribeCommand, output: &Output) -> Result<Done, Failure> {
    let client = ArkClient::open(global).await?;
    let location: BackupStorageLocation = client.get(command.name.as_str()).await?;
    if matches!(output.format(), Format::Json | Format::Yaml) {
        output.document(&bare(&location))?;
        return Ok(Done::Complete);
    }
    let (spec, status) = (&location.spec, location.status.clone().unwrap_or_default());
    let phase = status.phase.map_or_else(|| "not looked at yet".to_owned(), |phase| format!("{phase:?}"));
    let counts = status.counts.unwrap_or_default();
    let credential = spec.credential.as_ref().map_or_else(
        || "the server's own".to_owned(),
        |secret| format!("key {} of Secret {}", secret.key, secret.name),
    );
    let claims = match status.capabilities {
        Some(capabilities) if capabilities.conditional_writes => "safe between clusters",
        Some(_) => "looked up before writing: the service has no conditional writes",
        None => "-",
    };
    output.line(format!("Name:           {}", location.name_any()))?;
    output.line(format!("Phase:          {phase}"))?;
    if let Some(message) = &status.message {
        output.line(format!("  {message}"))?;
    }
    output.line(format!("Place:          {}", place(&location)))?;
    settings(spec.config.as_ref(), output)?;
    output.line(format!("Credentials:    {credential}"))?;
    output.line(format!("Access:         {:?}", spec.access_mode.unwrap_or_default()))?;
    output.line(format!(
        "Default:        {}",
        is_default(&location, &client.list(None).await.unwrap_or_default())
    ))?;
    output.line(format!("Identity:       {}", cell(status.id)))?;
    output.line(format!("Claiming names: {claims}"))?;
    output.line(format!("Backups:        {}, and {} unfinished", counts.backups, counts.partial))?;
    if counts.hidden > 0 {
        output.line(format!(
            "  {} of its backups and restores are not shown, because other objects of the cluster have their names: {HIDDEN}",
            counts.hidden
        ))?;
    }
    output.line(format!("Last checked:   {}", time(status.last_validation_time)))?;
    output.line(format!("Last synced:    {}", time(status.last_synced_time)))?;
    Ok(Done::Complete)
}

fn settings(config: Option<&LocationConfig>, output: &Output) -> Result<(), Failure> {
    let Some(config) = config else { return Ok(()) };
    let LocationConfig {
        region,
        endpoint,
        public_url,
        force_path_style,
        server_side_encryption,
        kms_key_id,
        ca_cert,
        checksums,
        create_bucket,
        profile,
        velero: _,
    } = config;
    let given = [
        ("region", region.clone()),
        ("endpoint", endpoint.clone()),
        ("publicUrl", public_url.clone()),
        ("forcePathStyle", force_path_style.map(|value| value.to_string())),
        ("serverSideEncryption", server_side_encryption.clone()),
        ("kmsKeyId", kms_key_id.clone()),
        ("caCert", ca_cert.as_ref().map(|_| "given".to_owned())),
        ("checksums", checksums.clone()),
        ("createBucket", create_bucket.map(|value| value.to_string())),
        ("profile", profile.clone()),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            output.line(format!("  {name}: {value}"))?;
        }
    }
    Ok(())
}
