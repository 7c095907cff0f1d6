//! The only way to standard output and standard error.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::log;
use super::shown::shown;
use crate::cli::exit::Failure;

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Names only, one a line.
    Name,
}

/// When messages are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The streams of a command, and how it prints on them.
#[derive(Debug)]
pub struct Output {
    pub(super) format: Format,
    pub(super) quiet: bool,
    pub(super) color: bool,
    pub(super) terminal: bool,
}

const RED: &str = "\x1b[31m";

const YELLOW: &str = "\x1b[33m";

const PLAIN: &str = "\x1b[0m";

impl Output {
    /// Creates the output that the options ask for, and sets up the log: of a command with
    /// `verbose`, of a server always.
    pub fn new(format: Format, quiet: bool, verbose: u8, color: Color, serves: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let color = match color {
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
            Color::Always => true,
            Color::Never => false,
        };
        if serves {
            log::of_server(verbose, color, !terminal);
        } else {
            log::of_command(verbose, color);
        }
        Self { format, quiet, color, terminal: terminal && verbose == 0 }
    }

    /// Returns the format that was asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Prints one line of an answer to stdout.
    pub fn line(&self, line: impl fmt::Display) -> Result<(), Failure> {
        self.bytes(shown(&format!("{line}\n")).as_bytes())
    }

    /// Prints bytes of an answer to stdout as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        match io::stdout().lock().write_all(bytes) {
            // The reader has seen enough (`ark … | head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            written => written.map_err(|error| Failure::failed("writing the answer to stdout", &error)),
        }
    }

    /// Prints a document as JSON or, in any other format, as YAML.
    pub fn document(&self, document: &impl Serialize) -> Result<(), Failure> {
        if self.format == Format::Json {
            let text = serde_json::to_string_pretty(document);
            return self.line(text.map_err(|error| Failure::failed("writing the answer as JSON", &error))?);
        }
        let text = serde_saphyr::to_string(document);
        self.bytes(text.map_err(|error| Failure::failed("writing the answer as YAML", &error))?.as_bytes())
    }

    /// Prints a note for people to stderr, unless `--quiet` is set.
    pub fn note(&self, note: impl fmt::Display) {
        if !self.quiet {
            self.stderr(&shown(&format!("{note}\n")));
        }
    }

    /// Prints a warning to stderr: something is not as it should be, though the command goes on.
    pub fn warning(&self, warning: impl fmt::Display) {
        let warning = shown(&warning.to_string());
        self.stderr(&format!("{}: {warning}\n", self.paint(YELLOW, "warning")));
    }

    /// Prints the error of an item to stderr; the command goes on.
    pub fn error(&self, error: impl fmt::Display) {
        let error = shown(&error.to_string());
        self.stderr(&format!("{}: {error}\n", self.paint(RED, "error")));
    }

    /// Returns whether stdin and stderr are terminals, so that a question can be answered.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a question and returns whether the answer was `y` or `yes`.
    pub fn ask(&self, question: impl fmt::Display) -> Result<bool, Failure> {
        self.stderr(&shown(&format!("{question} [y/N] ")));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.map_err(|error| Failure::failed("reading the answer from the terminal", &error))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Prints why the command failed, and returns the exit code.
    pub fn failure(&self, failure: &Failure) -> ExitCode {
        self.stderr(&format!("{}: {}\n", self.paint(RED, "ark"), shown(failure.message())));
        failure.code()
    }

    fn paint(&self, color: &str, text: &str) -> String {
        if self.color { format!("{color}{text}{PLAIN}") } else { text.to_owned() }
    }

    pub(super) fn stderr(&self, text: &str) {
        // Where stderr is closed, nobody can be told.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
