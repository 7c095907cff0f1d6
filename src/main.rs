//! Runs [`ark::cli::main`] and ends the process with the exit code that it returns.

use std::process::ExitCode;

fn main() -> ExitCode {
    ark::cli::main()
}
