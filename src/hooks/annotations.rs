//! Reads the hook that a pod asks for by annotation. Pure.
//!
//! Ark's own annotations weigh more than Velero's. A key without a phase, as Ark 0.5 and Velero
//! know it, means the phase before the backup.

use crate::api::{Duration, ExecHook, HookErrorMode};
use crate::model::LabelSet;

use super::hook::HookPhase;

/// What the annotations of a hook begin with, behind the phase.
const PREFIXES: [&str; 2] = ["hook.backup.ark.heptio.com", "hook.backup.velero.io"];

/// Returns the hook of a phase, or `None` if the annotations ask for none.
///
/// # Errors
/// The annotation that cannot be read, and why.
pub fn annotated(annotations: &LabelSet, phase: HookPhase) -> Result<Option<ExecHook>, String> {
    let phased = PREFIXES.map(|prefix| format!("{}.{prefix}", phase.as_str()));
    let bare = PREFIXES.map(str::to_owned);
    let bare = bare.into_iter().filter(|_| phase == HookPhase::Pre);
    let given = |prefix: &String| value(annotations, prefix, "command").is_some();
    phased.into_iter().chain(bare).find(given).map(|prefix| read(annotations, &prefix)).transpose()
}

fn value<'a>(annotations: &'a LabelSet, prefix: &str, field: &str) -> Option<&'a str> {
    let value = annotations.get(&format!("{prefix}/{field}"))?.trim();
    (!value.is_empty()).then_some(value)
}

fn read(annotations: &LabelSet, prefix: &str) -> Result<ExecHook, String> {
    let value = |field: &str| value(annotations, prefix, field);
    let wrong = |field: &str, why: String| format!("its annotation {prefix}/{field} cannot be read: {why}");
    let command = command(value("command").unwrap_or_default());
    let timeout = value("timeout").map(timeout).transpose();
    Ok(ExecHook {
        container: value("container").map(str::to_owned),
        command: command.map_err(|why| wrong("command", why))?,
        on_error: value("on-error").map(on_error).transpose().map_err(|why| wrong("on-error", why))?,
        timeout: timeout.map_err(|why| wrong("timeout", why))?.flatten(),
    })
}

/// Returns program and arguments: those of a JSON array, or one program without arguments.
fn command(text: &str) -> Result<Vec<String>, String> {
    if !text.starts_with('[') {
        return Ok(vec![text.to_owned()]);
    }
    let words: Vec<String> = serde_json::from_str(text).map_err(|error| {
        format!("it begins with `[` and is no JSON array of strings ({error}); write for example [\"/bin/sh\", \"-c\", \"sync\"]")
    })?;
    match words.first().is_none_or(String::is_empty) {
        true => Err("it names no program".to_owned()),
        false => Ok(words),
    }
}

fn on_error(text: &str) -> Result<HookErrorMode, String> {
    match text {
        "Fail" => Ok(HookErrorMode::Fail),
        "Continue" => Ok(HookErrorMode::Continue),
        _ => Err(format!("`{text}` is neither Fail nor Continue")),
    }
}

/// Returns the duration, or `None` for zero, with which Velero means its default.
fn timeout(text: &str) -> Result<Option<Duration>, String> {
    let zero = text.trim_start_matches(['0', 'h', 'm', 's']).is_empty();
    if zero { Ok(None) } else { text.parse().map(Some).map_err(|error| format!("{error}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(annotations: &[(&str, &str)]) -> LabelSet {
        annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn hook(phase: HookPhase, annotations: &[(&str, &str)]) -> Option<ExecHook> {
        annotated(&set(annotations), phase).unwrap()
    }

    #[test]
    fn a_hook_is_read_with_all_that_its_annotations_say() {
        let found = hook(
            HookPhase::Post,
            &[
                ("post.hook.backup.velero.io/command", r#"["/bin/sh", "-c", "thaw /data"]"#),
                ("post.hook.backup.velero.io/container", "db"),
                ("post.hook.backup.velero.io/on-error", "Continue"),
                ("post.hook.backup.velero.io/timeout", "1m30s"),
            ],
        );
        let hook = found.unwrap();
        assert_eq!(hook.command, ["/bin/sh", "-c", "thaw /data"]);
        assert_eq!((hook.container.as_deref(), hook.on_error), (Some("db"), Some(HookErrorMode::Continue)));
        assert_eq!(hook.timeout.unwrap().length().unwrap().as_secs(), 90);
    }

    #[test]
    fn a_command_that_is_no_array_is_one_program_and_never_a_shell_s_line() {
        let key = "pre.hook.backup.ark.heptio.com/command";
        for text in ["sync", "/opt/my tools/freeze", "a;b && c", "{\"a\": 1}"] {
            assert_eq!(hook(HookPhase::Pre, &[(key, text)]).unwrap().command, [text]);
        }
    }

    #[test]
    fn every_spelling_is_known_and_ark_s_own_weighs_more() {
        let program = |phase, annotations: &[(&str, &str)]| {
            hook(phase, annotations).map(|hook| hook.command.concat()).unwrap_or_default()
        };
        let (own, velero) = ("pre.hook.backup.ark.heptio.com/command", "pre.hook.backup.velero.io/command");
        let (bare, old) = ("hook.backup.velero.io/command", "hook.backup.ark.heptio.com/command");
        let all = [(own, "own"), (velero, "velero"), (old, "old"), (bare, "bare")];
        for (first, expected) in ["own", "velero", "old", "bare"].into_iter().enumerate() {
            assert_eq!(program(HookPhase::Pre, &all[first..]), expected);
            assert_eq!(program(HookPhase::Post, &all[first..]), "", "a key of the other phase");
        }
        assert_eq!(program(HookPhase::Post, &[("post.hook.backup.ark.heptio.com/command", "own")]), "own");
    }

    #[test]
    fn what_asks_for_nothing_is_no_hook() {
        for annotations in [
            &[][..],
            &[("pre.hook.backup.velero.io/command", "")],
            &[("pre.hook.backup.velero.io/container", "db"), ("pre.hook.backup.velero.io/timeout", "x")],
            &[("post.hook.restore.velero.io/command", "x"), ("kubectl.kubernetes.io/default-container", "c")],
        ] {
            assert_eq!(hook(HookPhase::Pre, annotations), None, "{annotations:?}");
        }
    }

    #[test]
    fn a_timeout_of_zero_is_the_default() {
        let key = "pre.hook.backup.velero.io";
        let (command, timeout) = (format!("{key}/command"), format!("{key}/timeout"));
        for zero in ["0", "0s", "0h0m0s"] {
            assert_eq!(hook(HookPhase::Pre, &[(&command, "x"), (&timeout, zero)]).unwrap().timeout, None);
        }
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_named_with_the_reason() {
        for (field, text, why) in [
            ("command", "[\"a\"", "no JSON array of strings"),
            ("command", "[1, 2]", "no JSON array of strings"),
            ("command", "[-f /data]", "no JSON array of strings"),
            ("command", "[]", "names no program"),
            ("command", "[\"\", \"a\"]", "names no program"),
            ("timeout", "soon", "`soon` is not a duration"),
            ("timeout", "-5s", "it is negative"),
            ("timeout", "30", "time unit needed"),
            ("on-error", "continue", "neither Fail nor Continue"),
        ] {
            let prefix = "pre.hook.backup.velero.io";
            let (command, key) = (format!("{prefix}/command"), format!("{prefix}/{field}"));
            let mut annotations = set(&[(&command, "sync")]);
            annotations.insert(key.clone(), text.to_owned());
            let error = annotated(&annotations, HookPhase::Pre).unwrap_err();
            assert!(error.contains(&key) && error.contains(why), "{field} {text}: {error}");
        }
    }
}
