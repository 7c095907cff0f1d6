//! Returns the whole command line in Markdown, which is `docs/cli.md`: the help of each command as
//! it is printed. Pure.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use crate::cli::Cli;

/// Columns of the reference: as many as fit on a page.
const WIDTH: usize = 110;

const BEGIN: &str = "\
# The command line
Written by `ARK_UPDATE=1 cargo test --test architecture` from the program itself: each block is what `--help` prints.
The global options stand in the first block only; every command takes them.
";

/// Returns the whole command line in Markdown.
pub fn reference() -> String {
    let mut ark = Cli::command().term_width(WIDTH);
    ark.build();
    let mut text = BEGIN.to_owned();
    describe(&ark, true, &mut text);
    text
}

/// Adds the help of a command and, behind it, that of its subcommands. Global options are shown for
/// the root alone.
fn describe(command: &Command, root: bool, text: &mut String) {
    let mut shown = command.clone();
    if !root {
        shown = shown.mut_args(|argument| {
            let hidden = argument.is_global_set();
            argument.hide(hidden)
        });
    }
    let name = shown.get_bin_name().unwrap_or_else(|| shown.get_name()).to_owned();
    let help = shown.render_help().to_string();
    // Writing to a String cannot fail.
    let _ = write!(text, "\n## {name}\n```text\n{}\n```\n", help.trim_end());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        describe(below, false, text);
    }
}
