//! `ark crd`: prints the custom resource definitions.

use clap::Args;

use super::exit::{Done, Failure};
use super::output::{Format, Output};
use crate::api;

/// Print Ark's custom resource definitions.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ark crd | kubectl apply --server-side -f -")]
pub struct CrdCommand {}

/// Prints the definitions: as YAML documents, as a JSON list, or their names.
pub fn run(_: &CrdCommand, output: &Output) -> Result<Done, Failure> {
    let definitions = api::crds();
    match output.format() {
        Format::Json => output.document(&serde_json::json!({
            "apiVersion": "v1", "kind": "List", "items": definitions,
        }))?,
        Format::Name => {
            for definition in &definitions {
                output.line(definition.metadata.name.as_deref().unwrap_or_default())?;
            }
        }
        Format::Table | Format::Wide | Format::Yaml => {
            for definition in &definitions {
                let yaml = api::crd_yaml(definition);
                let yaml = yaml.map_err(|error| Failure::failed("writing a definition as YAML", &error))?;
                output.bytes(format!("---\n{yaml}").as_bytes())?;
            }
        }
    }
    Ok(Done::Complete)
}
