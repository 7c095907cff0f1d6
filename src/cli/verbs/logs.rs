//! Prints the log of a run.

use std::io::BufRead;

use serde_json::Value;

use crate::cli::exit::{Done, Failure};
use crate::cli::output::{Format, Output};

/// Prints the lines of a log: as text, or as they are stored with `-o json`.
pub fn print_log(log: impl BufRead, output: &Output) -> Result<Done, Failure> {
    for line in log.lines() {
        let line = line.map_err(|error| Failure::failed("reading the log", &error))?;
        output.line(if output.format() == Format::Json { line } else { plain(&line) })?;
    }
    Ok(Done::Complete)
}

fn plain(line: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{} {:7} {}", text("time"), text("level"), text("message"))
}
