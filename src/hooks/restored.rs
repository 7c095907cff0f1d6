//! Says which hooks a restored pod has: those of its annotations, else those of the specification
//! that select it, init containers and commands apart, as in Velero. Pure.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::annotations::{HookAnnotations, command, timeout};
use super::hook::{HookSource, PodHook};
use super::select::{HookedMetadata, SelectedHook};
use crate::api::{
    ExecHook, HookErrorMode, InitHook, RestoreExecHook, RestoreHook, RestoreHookAction, RestoreHooks,
};
use crate::model::LabelSet;

/// What annotations of a command begin with; Ark's own weigh more.
const POST: [&str; 2] = ["post.hook.restore.ark.heptio.com", "post.hook.restore.velero.io"];
/// What annotations of an init container begin with.
const INIT: [&str; 2] = ["init.hook.restore.ark.heptio.com", "init.hook.restore.velero.io"];
/// The name of an init container that has none.
const INIT_NAME: &str = "ark-restore-hook";

/// The time to wait for a container unless its hook says otherwise. Velero waits for ever; a pod
/// that never starts would keep the restore from ending.
const DEFAULT_WAIT: Duration = Duration::from_secs(600);

/// A command with what is waited for before it.
#[derive(Clone, Debug, PartialEq)]
pub struct AwaitedHook {
    /// The command.
    pub hook: PodHook,
    /// How long to wait for the container once the items are restored.
    pub wait: Duration,
    /// Whether the container must be ready, and not only run.
    pub until_ready: bool,
}

/// What a restored pod asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestoredHooks {
    /// Init containers to put before its own.
    pub init: Vec<InitHook>,
    /// Commands to run once it runs, in their order.
    pub post: Vec<AwaitedHook>,
    /// Annotations that cannot be read; the hooks that they are about are left out.
    pub mistakes: Vec<String>,
    /// Names of the hooks of the specification that are among these.
    pub named: Vec<String>,
}

/// The hooks of a restore's specification, compiled.
#[derive(Debug, Default)]
pub struct RestoreHookSelection(Vec<SelectedRestoreHook>);

#[derive(Debug)]
struct SelectedRestoreHook {
    pods: SelectedHook,
    hook: RestoreHook,
}

impl RestoreHookSelection {
    /// Compiles the hooks of a valid specification; what is not valid selects nothing.
    pub fn new(hooks: Option<&RestoreHooks>) -> Self {
        let compile = |hook: &RestoreHook| {
            Some(SelectedRestoreHook { pods: SelectedHook::new(&hook.pods())?, hook: hook.clone() })
        };
        Self(hooks.iter().flat_map(|hooks| &hooks.resources).filter_map(compile).collect())
    }

    /// Returns the hooks of a pod with this metadata, which may be that of a template; `namespace`
    /// is the one in the cluster. What is no metadata has none.
    pub fn of(&self, metadata: &Value, namespace: &str) -> RestoredHooks {
        let metadata = HookedMetadata::deserialize(metadata);
        metadata
            .map(|pod| self.of_pod(&HookedMetadata { namespace: namespace.to_owned(), ..pod }))
            .unwrap_or_default()
    }

    fn of_pod(&self, pod: &HookedMetadata) -> RestoredHooks {
        let mut found = RestoredHooks::default();
        let (init, post) = (annotated_init(&pod.annotations), annotated_post(&pod.annotations));
        let by_annotation = (!matches!(init, Ok(None)), !matches!(post, Ok(None)));
        match init {
            Ok(init) => found.init.extend(init),
            Err(why) => found.mistakes.push(why),
        }
        match post {
            Ok(post) => found.post.extend(post),
            Err(why) => found.mistakes.push(why),
        }
        for SelectedRestoreHook { hook, .. } in self.0.iter().filter(|selected| selected.pods.takes(pod)) {
            for action in &hook.post_hooks {
                match action {
                    RestoreHookAction::Init(init) if !by_annotation.0 => found.init.push(init.clone()),
                    RestoreHookAction::Exec(exec) if !by_annotation.1 => {
                        found.post.push(AwaitedHook::specified(&hook.name, exec));
                    }
                    RestoreHookAction::Init(_) | RestoreHookAction::Exec(_) => continue,
                }
                found.named.push(hook.name.clone());
            }
        }
        found
    }

    /// Returns the names of all hooks.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|selected| selected.hook.name.as_str())
    }
}

impl RestoredHooks {
    /// Returns whether there is nothing to do and nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.init.is_empty() && self.post.is_empty() && self.mistakes.is_empty()
    }
}

impl AwaitedHook {
    fn new(source: HookSource, exec: ExecHook, wait: Option<Duration>, until_ready: bool) -> Self {
        // Velero's default after a restore, other than around a backup.
        let on_error = Some(exec.on_error.unwrap_or(HookErrorMode::Continue));
        let hook = PodHook { source, exec: ExecHook { on_error, ..exec } };
        Self { hook, wait: wait.unwrap_or(DEFAULT_WAIT), until_ready }
    }

    fn specified(name: &str, exec: &RestoreExecHook) -> Self {
        let RestoreExecHook { container, command, on_error, exec_timeout, wait_timeout, wait_for_ready } =
            exec.clone();
        let exec = ExecHook { container, command, on_error, timeout: exec_timeout };
        let wait = wait_timeout.and_then(|wait| wait.length().ok());
        let source = HookSource::Specification(name.to_owned());
        Self::new(source, exec, wait, wait_for_ready.unwrap_or_default())
    }
}

/// Returns the prefix whose annotations have this field.
fn prefix_with<'a>(
    annotations: &'a LabelSet,
    prefixes: [&'static str; 2],
    field: &str,
) -> Option<HookAnnotations<'a>> {
    let annotated = prefixes.map(|prefix| HookAnnotations { annotations, prefix });
    annotated.into_iter().find(|annotated| annotated.text(field).is_some())
}

fn annotated_post(annotations: &LabelSet) -> Result<Option<AwaitedHook>, String> {
    let Some(annotated) = prefix_with(annotations, POST, "command") else { return Ok(None) };
    let exec = annotated.exec("exec-timeout")?;
    let wait = annotated.read("wait-timeout", timeout)?.flatten().and_then(|wait| wait.length().ok());
    let until_ready = annotated.read("wait-for-ready", truth)?.unwrap_or_default();
    Ok(Some(AwaitedHook::new(HookSource::Annotation, exec, wait, until_ready)))
}

fn annotated_init(annotations: &LabelSet) -> Result<Option<InitHook>, String> {
    let Some(annotated) = prefix_with(annotations, INIT, "container-image") else { return Ok(None) };
    let mut container = Map::new();
    container.insert("name".to_owned(), annotated.text("container-name").unwrap_or(INIT_NAME).into());
    container.insert("image".to_owned(), annotated.text("container-image").into());
    if let Some(command) = annotated.read("command", command)? {
        container.insert("command".to_owned(), Value::from(command));
    }
    let timeout = annotated.read("timeout", timeout)?.flatten();
    Ok(Some(InitHook { init_containers: vec![container], timeout }))
}

/// Returns the truth value, in every spelling that Go reads.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(hooks: Value, metadata: Value) -> RestoredHooks {
        let hooks: RestoreHooks = serde_json::from_value(json!({"resources": hooks})).unwrap();
        RestoreHookSelection::new(Some(&hooks)).of(&metadata, "shop")
    }

    fn run(program: &str) -> Value {
        json!({"exec": {"command": [program]}})
    }

    fn init(name: &str) -> Value {
        json!({"init": {"initContainers": [{"name": name, "image": "busybox"}]}})
    }

    fn programs(hooks: &RestoredHooks) -> Vec<&str> {
        hooks.post.iter().map(|awaited| awaited.hook.exec.command[0].as_str()).collect()
    }

    fn containers(hooks: &RestoredHooks) -> Vec<&str> {
        let all = hooks.init.iter().flat_map(|init| &init.init_containers);
        all.map(|container| container["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn hooks_of_the_specification_are_those_that_select_the_pod_in_their_order() {
        let hooks = json!([
            {"name": "labelled", "labelSelector": {"matchLabels": {"app": "db"}}, "postHooks": [init("one"), run("a")]},
            {"name": "elsewhere", "includedNamespaces": ["web"], "postHooks": [run("elsewhere")]},
            {"name": "of-others", "includedResources": ["secrets"], "postHooks": [run("of-others")]},
            {"name": "all", "postHooks": [run("b"), init("two")]},
        ]);
        let found = of(hooks, json!({"name": "db", "namespace": "before", "labels": {"app": "db"}}));
        assert_eq!((programs(&found), containers(&found)), (vec!["a", "b"], vec!["one", "two"]));
        assert_eq!(found.named, ["labelled", "labelled", "all", "all"]);
    }

    #[test]
    fn annotations_win_over_the_specification_init_containers_and_commands_apart() {
        let hooks = json!([{"name": "all", "postHooks": [run("spec"), init("spec")]}]);
        let annotations = json!({"post.hook.restore.velero.io/command": "own"});
        let found = of(hooks.clone(), json!({"name": "a", "annotations": annotations}));
        assert_eq!((programs(&found), containers(&found)), (vec!["own"], vec!["spec"]));
        let annotations = json!({
            "init.hook.restore.velero.io/container-image": "theirs", "init.hook.restore.ark.heptio.com/container-image": "ours",
            "init.hook.restore.ark.heptio.com/command": r#"["/bin/sh", "-c", "x"]"#, "init.hook.restore.ark.heptio.com/timeout": "5m",
        });
        let found = of(hooks, json!({"name": "a", "annotations": annotations}));
        assert_eq!((programs(&found), containers(&found)), (vec!["spec"], vec!["ark-restore-hook"]));
        let made = json!({"name": "ark-restore-hook", "image": "ours", "command": ["/bin/sh", "-c", "x"]});
        assert_eq!(json!(found.init[0].init_containers[0]), made);
        assert_eq!(found.init[0].timeout.as_ref().unwrap().length().unwrap().as_secs(), 300);
    }

    #[test]
    fn what_is_not_said_is_as_in_velero_and_every_wait_ends() {
        let found = of(json!([{"name": "all", "postHooks": [run("a")]}]), json!({"name": "a"}));
        let [awaited] = &*found.post else { panic!("one hook") };
        assert!(awaited.hook.continues() && !awaited.until_ready);
        assert_eq!((awaited.wait, awaited.hook.timeout().as_secs()), (DEFAULT_WAIT, 30));
        let annotations = json!({
            "post.hook.restore.velero.io/command": r#"["fix", "it"]"#, "post.hook.restore.velero.io/container": "db",
            "post.hook.restore.velero.io/on-error": "Fail", "post.hook.restore.velero.io/exec-timeout": "2m",
            "post.hook.restore.velero.io/wait-timeout": "1h", "post.hook.restore.velero.io/wait-for-ready": "true",
        });
        let found = of(json!([]), json!({"name": "a", "annotations": annotations}));
        let [awaited] = &*found.post else { panic!("one hook") };
        assert!(!awaited.hook.continues() && awaited.until_ready);
        assert_eq!((awaited.wait.as_secs(), awaited.hook.timeout().as_secs()), (3600, 120));
        assert_eq!(awaited.hook.exec.container.as_deref(), Some("db"));
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_named_and_its_hook_left_out() {
        let hooks = json!([{"name": "all", "postHooks": [run("spec"), init("spec")]}]);
        for (prefix, asks, field, text) in [
            ("post.hook.restore.velero.io", "command", "wait-timeout", "soon"),
            ("post.hook.restore.velero.io", "command", "exec-timeout", "-1s"),
            ("post.hook.restore.velero.io", "command", "wait-for-ready", "maybe"),
            ("post.hook.restore.ark.heptio.com", "command", "on-error", "fail"),
            ("post.hook.restore.ark.heptio.com", "command", "command", "[x"),
            ("init.hook.restore.velero.io", "container-image", "command", "[x"),
            ("init.hook.restore.velero.io", "container-image", "timeout", "soon"),
        ] {
            let mut annotations = json!({});
            annotations[format!("{prefix}/{asks}")] = "x".into();
            annotations[format!("{prefix}/{field}")] = text.into();
            let found = of(hooks.clone(), json!({"name": "a", "annotations": annotations}));
            let [mistake] = &*found.mistakes else { panic!("{field}: {found:?}") };
            assert!(
                mistake.contains(&format!("its annotation {prefix}/{field} cannot be read")),
                "{mistake}"
            );
            let left = (found.init.len(), found.post.len());
            assert_eq!(left, if asks == "command" { (1, 0) } else { (0, 1) }, "{field}");
        }
    }
}
