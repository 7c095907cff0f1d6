//! The one way to standard output and standard error.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::log;
use super::shown::shown;
use crate::cli::exit::Failure;

/// How an answer is printed.
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

/// Where a command says what it has to say.
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
    /// As the options say; with `verbose` the log of the run goes to stderr, and always that of a server.
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

    /// The format that was asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// One line of an answer.
    pub fn line(&self, line: impl fmt::Display) -> Result<(), Failure> {
        self.bytes(shown(&format!("{line}\n")).as_bytes())
    }

    /// Bytes of an answer as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        match io::stdout().lock().write_all(bytes) {
            // Whoever read on has seen enough (`ark … | head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            written => written.map_err(|error| Failure::failed("writing the answer to stdout", &error)),
        }
    }

    /// A document as JSON or, in any other format, as YAML.
    pub fn document(&self, document: &impl Serialize) -> Result<(), Failure> {
        if self.format == Format::Json {
            let text = serde_json::to_string_pretty(document);
            return self.line(text.map_err(|error| Failure::failed("writing the answer as JSON", &error))?);
        }
        let text = serde_saphyr::to_string(document);
        self.bytes(text.map_err(|error| Failure::failed("writing the answer as YAML", &error))?.as_bytes())
    }

    /// A word on what happens, for people; not with `--quiet`.
    pub fn note(&self, note: impl fmt::Display) {
        if !self.quiet {
            self.stderr(&shown(&format!("{note}\n")));
        }
    }

    /// Something that is not as it should be, though the command goes on.
    pub fn warning(&self, warning: impl fmt::Display) {
        let warning = shown(&warning.to_string());
        self.stderr(&format!("{}: {warning}\n", self.paint(YELLOW, "warning")));
    }

    /// An item that failed, though the command goes on.
    pub fn error(&self, error: impl fmt::Display) {
        let error = shown(&error.to_string());
        self.stderr(&format!("{}: {error}\n", self.paint(RED, "error")));
    }

    /// Whether somebody is there who can answer a question.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a question that only `y` or `yes` agrees to.
    pub fn ask(&self, question: impl fmt::Display) -> Result<bool, Failure> {
        self.stderr(&shown(&format!("{question} [y/N] ")));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.map_err(|error| Failure::failed("reading the answer from the terminal", &error))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Why the command failed; answers with the exit code.
    pub fn failure(&self, failure: &Failure) -> ExitCode {
        self.stderr(&format!("{}: {}\n", self.paint(RED, "ark"), shown(failure.message())));
        failure.code()
    }

    fn paint(&self, color: &str, text: &str) -> String {
        if self.color { format!("{color}{text}{PLAIN}") } else { text.to_owned() }
    }

    pub(super) fn stderr(&self, text: &str) {
        // Nobody is left to tell when stderr is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
