//! The only module that prints: answers to stdout; notes, progress and failures to stderr. Text
//! that comes from a bucket or a cluster may contain control sequences; they are escaped here, for
//! all callers.

mod log;
mod printer;
mod progress;
mod shown;
mod table;

pub use printer::{Color, Format, Output};
pub use table::Table;

use std::io::{self, Write};
use std::process::ExitCode;

use shown::shown;

/// Prints clap's message: help and version to stdout with exit code 0, wrong usage to stderr with
/// exit code 2.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// Prints text to stdout before there is an [`Output`], and returns the exit code.
pub fn raw(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Returns a number with its noun: `1 error`, `2 errors`.
pub fn count(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// Prints warnings and errors of items, up to 20 of them, and the number of the others.
pub fn findings(output: &Output, results: &crate::model::Results) {
    const SHOWN: usize = 20;
    for finding in results.findings.iter().take(SHOWN) {
        match finding.severity {
            crate::model::Severity::Warning => output.warning(finding),
            crate::model::Severity::Error => output.error(finding),
        }
    }
    let more = (results.warnings + results.errors).saturating_sub(SHOWN as u64);
    if more > 0 {
        output.note(format!(
            "… and {more} more warnings and errors; they are kept in the bucket, and -v prints all of them"
        ));
    }
}
