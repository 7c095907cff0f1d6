//! `ark version`.

use super::failure::{Done, Failure};
use super::output::{Format, Output};
use crate::bucket::documents::FORMAT;

/// Prints the version of the program and of the format that it writes.
pub fn run(output: &Output) -> Result<Done, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match output.format() {
        Format::Json | Format::Yaml => {
            output.document(&serde_json::json!({"version": version, "format": FORMAT}))?;
        }
        Format::Table | Format::Wide | Format::Name => {
            output.line(format!("ark {version}, format {FORMAT}"))?;
        }
    }
    Ok(Done::Complete)
}
