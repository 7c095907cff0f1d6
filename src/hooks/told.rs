//! What is told of a hook that was run: a finding where it failed, and lines for the log. Pure.

use std::time::Duration;

use super::hook::{HookPhase, PodHook, PodHooks};
use crate::cluster::{ClusterError, ExecFailure, ExecOutput, StreamEnd};
use crate::model::{Category, Finding, ItemKey, causes};

/// The most lines of a stream in the log: the last ones.
const LINES: usize = 50;
/// The longest excerpt of the output in a finding, in characters.
const EXCERPT: usize = 300;

/// The end of a hook.
#[derive(Debug)]
pub struct HookEnd {
    /// The pod, or the item that makes it.
    pub pod: ItemKey,
    /// Before or after the instant of the backup, or after a restore.
    pub phase: HookPhase,
    /// The hook; `None` if the pod's annotations cannot be read, or the pod has ended.
    pub hook: Option<PodHook>,
    /// Why it failed; `None` if it succeeded.
    pub failure: Option<HookFailure>,
    /// What it printed last.
    pub output: ExecOutput,
    /// The time that it took.
    pub took: Duration,
}

/// The reason why a hook failed.
#[derive(Debug, thiserror::Error)]
pub enum HookFailure {
    /// An annotation of the pod cannot be read.
    #[error("{0}; none of the pod's hooks is run")]
    Annotation(String),
    /// No command can run in the pod.
    #[error("it was not run: {0}")]
    Unfit(String),
    /// What is before the command of a restored pod did not come.
    #[error("{0}")]
    GivenUp(String),
    /// The pod could not be looked at.
    #[error("it was not run, since the pod could not be looked at")]
    Cluster(#[from] ClusterError),
    /// The command failed.
    #[error(transparent)]
    Command(#[from] ExecFailure),
}

impl HookFailure {
    fn category(&self) -> Category {
        match self {
            Self::Annotation(_) => Category::Invalid,
            Self::Unfit(_) | Self::GivenUp(_) => Category::NotReady,
            Self::Cluster(error) => error.category(),
            Self::Command(failure) => failure.category(),
        }
    }
}

impl HookEnd {
    /// Creates the end of a pod's hooks that were never begun: because of a failure, or else since
    /// the pod has ended.
    pub(super) fn unbegun(pod: &PodHooks, phase: HookPhase, failure: Option<HookFailure>) -> Self {
        let output = ExecOutput::default();
        Self { pod: pod.key(), phase, hook: None, failure, output, took: Duration::ZERO }
    }

    /// Creates the end of a hook whose command was not run.
    pub(super) fn unrun(pod: &PodHooks, hook: &PodHook, phase: HookPhase, failure: HookFailure) -> Self {
        Self { hook: Some(hook.clone()), ..Self::unbegun(pod, phase, Some(failure)) }
    }

    /// Creates the end of a restored item's hooks that nobody waits for any longer.
    pub(super) fn given_up(item: &ItemKey, why: String) -> Self {
        let (phase, failure) = (HookPhase::PostRestore, Some(HookFailure::GivenUp(why)));
        let output = ExecOutput::default();
        Self { pod: item.clone(), phase, hook: None, failure, output, took: Duration::ZERO }
    }

    /// Returns true if there was nothing to run, since the pod has ended.
    pub fn is_of_ended_pod(&self) -> bool {
        self.hook.is_none() && self.failure.is_none()
    }

    /// Returns the hook in words, for example ``pre hook (by annotation, `fsfreeze`)``.
    pub fn name(&self) -> String {
        let Self { phase, hook, .. } = self;
        match hook {
            Some(hook) => format!("{} hook ({}, `{}`)", phase.as_str(), hook.source, hook.program()),
            None => "hooks".to_owned(),
        }
    }

    /// Returns the error about the pod, or `None` if the hook succeeded.
    pub fn finding(&self) -> Option<Finding> {
        let failure = self.failure.as_ref()?;
        let said = self.excerpt().map(|said| format!("; it printed last: {said}")).unwrap_or_default();
        let message = format!("its {} failed: {}{said}", self.name(), causes(failure));
        Some(Finding::error(failure.category(), message).on_item(self.pod.clone()))
    }

    /// Returns the last line that the command printed, of standard error before standard output.
    fn excerpt(&self) -> Option<String> {
        let last = |stream: &StreamEnd| {
            let text = stream.text();
            let line = text.lines().rfind(|line| !line.trim().is_empty())?.trim();
            Some(line.chars().take(EXCERPT).collect())
        };
        last(&self.output.stderr).or_else(|| last(&self.output.stdout))
    }

    /// Returns the lines for the log: of a hook that succeeded that it did, and what was printed.
    pub fn lines(&self) -> Vec<String> {
        let Self { pod, output, took, failure, .. } = self;
        if self.is_of_ended_pod() {
            let phase = self.phase.as_str();
            return vec![format!(
                "{pod}: it has ended (Succeeded or Failed), so that its {phase} hooks are not run"
            )];
        }
        let name = self.name();
        let ended = format!("{pod}: its {name} succeeded after {:.1} s", took.as_secs_f64());
        let mut lines: Vec<String> = failure.is_none().then_some(ended).into_iter().collect();
        for (stream, end) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = end.text();
            let all = text.lines().count();
            if end.left_out() > 0 || all > LINES {
                lines
                    .push(format!("{pod}: its {name} printed more to {stream} than is kept; the end of it:"));
            }
            let kept = text.lines().skip(all.saturating_sub(LINES));
            lines.extend(kept.map(|line| format!("{pod}: {stream} of its {name}: {line}")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ExecHook;
    use crate::hooks::HookSource;
    use crate::model::GroupResource;

    fn end(failure: Option<HookFailure>, stderr: &str) -> HookEnd {
        let command = vec!["mysql".to_owned(), "--password=secret".to_owned()];
        let exec = ExecHook { command, ..ExecHook::default() };
        HookEnd {
            pod: ItemKey {
                resource: GroupResource::parse("pods"),
                namespace: Some("shop".into()),
                name: "db".into(),
            },
            phase: HookPhase::Pre,
            hook: Some(PodHook { source: HookSource::Annotation, exec }),
            failure,
            output: ExecOutput { stderr: StreamEnd::of(stderr), ..ExecOutput::default() },
            took: Duration::from_millis(250),
        }
    }

    #[test]
    fn a_failure_names_pod_hook_and_reason_and_no_argument() {
        let failure = HookFailure::Command(ExecFailure::ExitCode(1));
        let finding = end(Some(failure), "first\naccess denied\n\n").finding().unwrap();
        assert_eq!(
            finding.to_string(),
            "pods shop/db: its pre hook (by annotation, `mysql`) failed: it ended with exit code 1; it printed last: access denied"
        );
        assert_eq!(end(None, "access denied").finding(), None);
    }

    #[test]
    fn the_last_lines_go_to_the_log_each_with_its_pod() {
        let printed: String = (0..2 * LINES).map(|number| format!("line {number}\n")).collect();
        let lines = end(None, &printed).lines();
        assert_eq!(lines[0], "pods shop/db: its pre hook (by annotation, `mysql`) succeeded after 0.2 s");
        assert!(lines[1].contains("more to stderr than is kept"), "{lines:?}");
        assert_eq!(lines.len(), 2 + LINES);
        assert!(lines[2..].iter().all(|line| line.starts_with("pods shop/db: stderr of its pre hook")));
        assert!(lines[lines.len() - 1].ends_with(": line 99"), "{lines:?}");
    }
}
