//! The ways of calling the program: `ark backup get`; `ark get backups` as in Ark 0.5; and as a
//! plugin `kubectl ark …` (a link named `kubectl-ark`), which kubectl completes by calling a link
//! named `kubectl_complete-ark`. Pure, except that the arguments of the process are read.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;

/// The name of the plugin's link, which kubectl looks for.
pub const PLUGIN: &str = "kubectl-ark";
/// The name of the link that kubectl asks for completions of the plugin.
const COMPLETION: &str = "kubectl_complete-ark";
/// The program's own name.
pub const OWN: &str = "ark";

/// Verbs that may stand before their noun.
const VERBS: [&str; 8] = ["create", "get", "describe", "delete", "logs", "download", "pause", "unpause"];
/// Nouns as people write them, and as the command line has them. (Clap would offer aliases to users
/// who mistype.)
const NOUNS: [(&str, &str); 16] = [
    ("backup", "backup"),
    ("backups", "backup"),
    ("bkp", "backup"),
    ("restore", "restore"),
    ("restores", "restore"),
    ("rst", "restore"),
    ("schedule", "schedule"),
    ("schedules", "schedule"),
    ("hook", "hook"),
    ("hooks", "hook"),
    ("obligation", "obligation"),
    ("obligations", "obligation"),
    ("location", "location"),
    ("locations", "location"),
    ("backup-location", "location"),
    ("bsl", "location"),
];

/// The directives that kubectl's completion of plugins expects behind the candidates (cobra's
/// numbers): `NO_FILES` if no file name may follow, `FILES` if one may.
const NO_FILES: &str = ":4";
const FILES: &str = ":0";

/// The way in which the program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// By its own name, or by any other name without a meaning.
    Ark,
    /// As a plugin of kubectl.
    Plugin,
    /// By kubectl's completion.
    Completion,
}

/// Returns how this process was called.
pub fn called() -> Called {
    std::env::args_os().next().map_or(Called::Ark, |program| called_by(&program))
}

/// Returns how a program of this path was called, by its file name alone.
fn called_by(program: &OsStr) -> Called {
    match Path::new(program).file_name().and_then(OsStr::to_str) {
        Some(PLUGIN) => Called::Plugin,
        Some(COMPLETION) => Called::Completion,
        _ => Called::Ark,
    }
}

/// Returns the command line, whose help names the program as it was called.
pub fn command(called: Called) -> Command {
    match called {
        Called::Plugin => as_plugin(Cli::command()).bin_name("kubectl ark"),
        Called::Ark | Called::Completion => Cli::command(),
    }
}

/// Replaces `ark` by `kubectl ark` in all examples, so that they can be typed as they stand.
fn as_plugin(command: Command) -> Command {
    let examples = command.get_after_help().map(|text| text.to_string().replace("  ark ", "  kubectl ark "));
    let command = match examples {
        Some(examples) => command.after_help(StyledStr::from(examples)),
        None => command,
    };
    command.mut_subcommands(as_plugin)
}

/// Removes misleading advice from a usage error: to pass an option that does not exist as a value,
/// or to take another option that only shares some letters with it.
pub fn to_the_point(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    if let Some(ContextValue::StyledStrs(mut tips)) = error.remove(ContextKind::Suggested) {
        tips.retain(|tip| !tip.to_string().starts_with("to pass "));
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    let begins = |kind| match error.get(kind) {
        Some(ContextValue::String(option)) => option.trim_start_matches('-').chars().next(),
        _ => None,
    };
    if begins(ContextKind::SuggestedArg) != begins(ContextKind::InvalidArg) {
        error.remove(ContextKind::SuggestedArg);
    }
    error
}

/// Returns the arguments with the noun before its verb, in its singular form.
pub fn noun_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let ark = Cli::command();
    let mut at = 1;
    while let Some(argument) = arguments.get(at).and_then(|argument| argument.to_str()) {
        if let Some(option) = option(&ark, argument) {
            let separate =
                option.get_action().takes_values() && !argument.contains('=') && !is_joined(argument);
            // The argument behind an option may be its value, which is not read as a noun or a
            // verb.
            at += if separate { 2 } else { 1 };
            continue;
        }
        let behind = arguments.get(at + 1).and_then(|next| next.to_str()).and_then(noun);
        if let Some(noun) = noun(argument) {
            arguments[at] = noun.into();
        } else if let Some(noun) = behind.filter(|_| VERBS.contains(&argument)) {
            arguments[at + 1] = argument.into();
            arguments[at] = noun.into();
        }
        break;
    }
    arguments
}

/// Returns the noun as the command line has it, or `None` if the word is no noun.
fn noun(word: &str) -> Option<&'static str> {
    NOUNS.iter().find(|(written, _)| *written == word).map(|(_, noun)| *noun)
}

/// Returns the option of `ark` that an argument names, long or short.
fn option<'a>(ark: &'a Command, argument: &str) -> Option<&'a Arg> {
    let name = argument.split('=').next().unwrap_or_default();
    ark.get_arguments().find(|known| {
        let long = name.strip_prefix("--").is_some_and(|name| known.get_long() == Some(name));
        let letter = name.strip_prefix('-').and_then(|name| name.chars().next());
        long || letter.is_some_and(|letter| known.get_short() == Some(letter))
    })
}

/// Returns whether a short option has its value in the same argument: `-ojson`.
fn is_joined(argument: &str) -> bool {
    !argument.starts_with("--") && argument.len() > 2
}

/// Returns the completions of the last argument, one a line, and behind them the directive on
/// files, as kubectl expects them.
pub fn completions(arguments: &[String]) -> String {
    let mut ark = Cli::command();
    ark.build();
    let (last, before) =
        arguments.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut command = &ark;
    for argument in before {
        command = command.find_subcommand(argument).unwrap_or(command);
    }
    let value_of = before
        .last()
        .filter(|argument| argument.starts_with('-'))
        .and_then(|argument| option(command, argument));
    let (candidates, files): (Vec<String>, bool) =
        match value_of.filter(|option| option.get_action().takes_values()) {
            Some(option) => {
                let values: Vec<String> =
                    option.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
                let files = values.is_empty();
                (values, files)
            }
            None if last.starts_with('-') => {
                let options = command.get_arguments().filter(|option| !option.is_hide_set());
                (options.filter_map(|option| Some(format!("--{}", option.get_long()?))).collect(), false)
            }
            None => {
                let below = command.get_subcommands().filter(|below| !below.is_hide_set());
                let names: Vec<String> = below.map(|below| below.get_name().to_owned()).collect();
                let files = names.is_empty();
                (names, files)
            }
        };
    let fitting = candidates.into_iter().filter(|candidate| candidate.starts_with(last));
    let word = if files { FILES } else { NO_FILES };
    fitting.chain([word.to_owned()]).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        noun_first(arguments).join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn a_verb_before_its_noun_means_the_same() {
        assert_eq!(turned("ark get backups -o wide"), "ark backup get -o wide");
        assert_eq!(turned("ark -n ark create backup nightly"), "ark -n ark backup create nightly");
        assert_eq!(turned("ark --context=get get backup get"), "ark --context=get backup get get");
        assert_eq!(turned("ark -ojson -q get schedules"), "ark -ojson -q schedule get");
        assert_eq!(turned("ark bsl get"), "ark location get");
        for plain in [
            "ark backup get",
            "ark get pods",
            "ark backup delete backup",
            "ark",
            "ark -n get backup",
            "ark --bad get backup",
        ] {
            assert_eq!(turned(plain), plain);
        }
    }

    #[test]
    fn the_name_of_the_link_says_who_calls() {
        assert_eq!(called_by(OsStr::new("/usr/local/bin/kubectl-ark")), Called::Plugin);
        assert_eq!(called_by(OsStr::new("kubectl_complete-ark")), Called::Completion);
        assert_eq!(called_by(OsStr::new("./ark")), Called::Ark);
    }

    #[test]
    fn kubectl_is_told_subcommands_options_and_values() {
        let complete = |line: &str| completions(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(complete("sch"), "schedule\n:4\n");
        assert_eq!(complete("backup de"), "describe\ndelete\n:4\n");
        assert_eq!(complete("backup create --wa"), "--wait\n:4\n");
        assert_eq!(complete("backup get -o w"), "wide\n:4\n");
        assert_eq!(complete("backup download nightly --to "), ":0\n");
    }
}
