//! Parse, run, exit code. The walk starts in [`ark::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ark::cli::main()
}
