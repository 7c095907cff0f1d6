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
    let given = |prefix: &String| HookAnnotations { annotations, prefix }.text("command").is_some();
    let prefix = phased.into_iter().chain(bare).find(given);
    prefix.map(|prefix| HookAnnotations { annotations, prefix: &prefix }.exec("timeout")).transpose()
}

/// The annotations with one prefix.
#[derive(Clone, Copy)]
pub struct HookAnnotations<'a> {
    pub annotations: &'a LabelSet,
    pub prefix: &'a str,
}

impl HookAnnotations<'_> {
    /// Returns the text of a field, or `None` if it is not there or empty.
    pub fn text(&self, field: &str) -> Option<&str> {
        let text = self.annotations.get(&format!("{}/{field}", self.prefix))?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// Returns what a field says, or `None` if it is not there.
    ///
    /// # Errors
    /// The annotation that cannot be read, and why.
    pub fn read<T>(
        &self,
        field: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let wrong = |why| format!("its annotation {}/{field} cannot be read: {why}", self.prefix);
        self.text(field).map(parse).transpose().map_err(wrong)
    }

    /// Returns a command; `timeout_field` is the name of the field with its timeout.
    ///
    /// # Errors
    /// As [`HookAnnotations::read`].
    pub fn exec(&self, timeout_field: &str) -> Result<ExecHook, String> {
        Ok(ExecHook {
            container: self.text("container").map(str::to_owned),
            command: self.read("command", command)?.unwrap_or_default(),
            on_error: self.read("on-error", on_error)?,
            timeout: self.read(timeout_field, timeout)?.flatten(),
        })
    }
}

/// Returns program and arguments: those of a JSON array, or one program without arguments.
pub fn command(text: &str) -> Result<Vec<String>, String> {
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
pub fn timeout(text: &str) -> Result<Option<Duration>, String> {
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
