//! The vocabulary of hooks: phase, source, and the hooks of one pod. Pure.

use std::fmt;
use std::time::Duration;

use crate::api::{ExecHook, HookErrorMode};
use crate::model::{GroupResource, ItemKey};

/// The time that a command may take unless its hook says otherwise, as in Velero.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Before or after the instant of the backup, or after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookPhase {
    /// Before it.
    Pre,
    /// After it.
    Post,
    /// After the items of a restore are there.
    PostRestore,
}

impl HookPhase {
    /// Returns the phase as annotations and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
            Self::PostRestore => "post-restore",
        }
    }
}

/// Where a hook is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookSource {
    /// In annotations of the pod.
    Annotation,
    /// In the specification of the backup, under this name.
    Specification(String),
}

impl fmt::Display for HookSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Annotation => f.write_str("by annotation"),
            Self::Specification(name) => write!(f, "`{name}` of spec.hooks"),
        }
    }
}

/// One hook of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodHook {
    /// Where it is written.
    pub source: HookSource,
    /// The command.
    pub exec: ExecHook,
}

impl PodHook {
    /// Returns the time that the command may take.
    pub fn timeout(&self) -> Duration {
        let given = self.exec.timeout.as_ref().and_then(|timeout| timeout.length().ok());
        given.unwrap_or(DEFAULT_TIMEOUT)
    }

    /// Returns whether the hooks that follow are run when this one fails.
    pub fn continues(&self) -> bool {
        self.exec.on_error == Some(HookErrorMode::Continue)
    }

    /// Returns the program, for messages; arguments may hold passwords, also those that are written
    /// into one string with it.
    pub fn program(&self) -> String {
        let first = self.exec.command.first().map_or("", |first| first.trim());
        let program = first.split_whitespace().next().unwrap_or_default();
        if program == first { program.to_owned() } else { format!("{program} …") }
    }
}

/// A pod with its hooks.
#[derive(Clone, Debug, PartialEq)]
pub struct PodHooks {
    /// The namespace of the pod.
    pub namespace: String,
    /// The name of the pod.
    pub name: String,
    /// The uid of the pod: another pod of its name has other hooks.
    pub uid: String,
    /// The hooks before the instant of the backup, in their order.
    pub pre: Vec<PodHook>,
    /// The hooks after the instant of the backup, or after the restore, in their order.
    pub post: Vec<PodHook>,
    /// Why the pod's annotations cannot be read. None of its hooks is run then: what a hook before
    /// the instant stops, one after it must be able to start.
    pub mistake: Option<String>,
}

impl PodHooks {
    /// Returns a restored pod, whose hooks are awaited one by one.
    pub fn of_restored(namespace: &str, name: String, uid: String) -> Self {
        let namespace = namespace.to_owned();
        Self { namespace, name, uid, pre: Vec::new(), post: Vec::new(), mistake: None }
    }

    /// Returns the hooks of a phase.
    pub fn of(&self, phase: HookPhase) -> &[PodHook] {
        match phase {
            HookPhase::Pre => &self.pre,
            HookPhase::Post | HookPhase::PostRestore => &self.post,
        }
    }

    /// Returns the pod as an item, for findings.
    pub fn key(&self) -> ItemKey {
        let (namespace, name) = (Some(self.namespace.clone()), self.name.clone());
        ItemKey { resource: GroupResource::parse("pods"), namespace, name }
    }
}

impl fmt::Display for PodHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_a_command_are_told_nowhere_also_where_it_is_one_string() {
        for (command, told) in [
            (vec!["mysql", "-psecret"], "mysql"),
            (vec![" mysql -uroot -psecret"], "mysql …"),
            (vec!["/bin/fsfreeze\t--freeze"], "/bin/fsfreeze …"),
            (vec![], ""),
        ] {
            let command = command.into_iter().map(str::to_owned).collect();
            let exec = ExecHook { container: None, command, on_error: None, timeout: None };
            let hook = PodHook { source: HookSource::Annotation, exec };
            assert_eq!(hook.program(), told);
        }
    }
}
