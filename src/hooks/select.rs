//! Says which hooks a pod has: those of its annotations, else those of the specification that
//! select it, phase by phase as in Velero. Pure.

use serde::Deserialize;

use super::annotations::annotated;
use super::hook::{HookPhase, HookSource, PodHook, PodHooks};
use crate::api::{
    BackupHook, BackupHooks, EXCLUDE_LABEL, HookAction, VELERO_EXCLUDE_LABEL, label_requirements,
};
use crate::model::{GroupResource, KindTerms, LabelQuery, LabelSet, NamePatterns};

/// The other names of pods.
pub const POD_ALIASES: [&str; 3] = ["Pod", "pod", "po"];

/// The metadata of a pod or a namespace, as far as hooks go by it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HookedMetadata {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub labels: LabelSet,
    pub annotations: LabelSet,
    pub deletion_timestamp: Option<String>,
}

impl HookedMetadata {
    /// Returns true if a backup leaves the item out, with what is in it.
    pub fn is_left_out(&self) -> bool {
        let labelled = |key: &str| self.labels.get(key).is_some_and(|value| value == "true");
        self.deletion_timestamp.is_some() || labelled(EXCLUDE_LABEL) || labelled(VELERO_EXCLUDE_LABEL)
    }
}

/// The hooks of a specification, compiled.
#[derive(Debug, Default)]
pub struct HookSelection(Vec<SelectedHook>);

/// A hook with the pods that it selects.
#[derive(Debug)]
pub struct SelectedHook {
    hook: BackupHook,
    namespaces: NamePatterns,
    pods: bool,
    labels: LabelQuery,
}

impl HookSelection {
    /// Compiles the hooks of a valid specification; what is not valid selects nothing.
    pub fn new(hooks: Option<&BackupHooks>) -> Self {
        Self(hooks.iter().flat_map(|hooks| &hooks.resources).filter_map(SelectedHook::new).collect())
    }

    /// Returns the hooks of a pod, or `None` if it has none.
    pub fn of(&self, pod: &HookedMetadata) -> Option<PodHooks> {
        let (pre, post) = (self.in_phase(pod, HookPhase::Pre), self.in_phase(pod, HookPhase::Post));
        let mistake = [&pre, &post].into_iter().find_map(|hooks| hooks.as_ref().err().cloned());
        let (pre, post) = (pre.unwrap_or_default(), post.unwrap_or_default());
        let asks = mistake.is_some() || !pre.is_empty() || !post.is_empty();
        let HookedMetadata { namespace, name, uid, .. } = pod.clone();
        asks.then_some(PodHooks { namespace, name, uid, pre, post, mistake })
    }

    fn in_phase(&self, pod: &HookedMetadata, phase: HookPhase) -> Result<Vec<PodHook>, String> {
        if let Some(exec) = annotated(&pod.annotations, phase)? {
            return Ok(vec![PodHook { source: HookSource::Annotation, exec }]);
        }
        let selected = self.0.iter().filter(|selected| selected.takes(pod));
        Ok(selected.flat_map(|selected| selected.in_phase(phase)).collect())
    }

    /// Returns the names of the hooks that are run in none of these pods.
    pub fn idle<'a>(&'a self, pods: &'a [PodHooks]) -> impl Iterator<Item = &'a str> {
        let sources = |pod: &'a PodHooks| pod.pre.iter().chain(&pod.post).map(|hook| &hook.source);
        let is_run = move |name: &str| {
            let named =
                |source: &HookSource| matches!(source, HookSource::Specification(known) if known == name);
            pods.iter().flat_map(sources).any(named)
        };
        self.0.iter().map(|selected| selected.hook.name.as_str()).filter(move |name| !is_run(name))
    }
}

impl SelectedHook {
    /// Compiles a hook; `None` if it is not valid.
    pub fn new(hook: &BackupHook) -> Option<Self> {
        let kinds = KindTerms::new(&hook.included_resources, &hook.excluded_resources);
        let selector = hook.label_selector.as_ref();
        let requirements = selector.map(|selector| label_requirements("labelSelector", selector)).transpose();
        Some(Self {
            namespaces: NamePatterns::new(&hook.included_namespaces, &hook.excluded_namespaces).ok()?,
            pods: takes_pods(&kinds),
            labels: LabelQuery::new(requirements.ok()?.into_iter().collect()),
            hook: hook.clone(),
        })
    }

    /// Returns whether the hook selects the pod.
    pub fn takes(&self, pod: &HookedMetadata) -> bool {
        self.pods && self.namespaces.takes(&pod.namespace) && self.labels.matches(&pod.labels)
    }

    fn in_phase(&self, phase: HookPhase) -> impl Iterator<Item = PodHook> {
        let actions = match phase {
            HookPhase::Pre => &self.hook.pre,
            HookPhase::Post | HookPhase::PostRestore => &self.hook.post,
        };
        actions.iter().map(|HookAction::Exec(exec)| PodHook {
            source: HookSource::Specification(self.hook.name.clone()),
            exec: exec.clone(),
        })
    }
}

/// Returns true if pods are among the kinds.
pub fn takes_pods(kinds: &KindTerms) -> bool {
    kinds.takes(&GroupResource::parse("pods"), POD_ALIASES.into_iter())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn selection(hooks: Value) -> HookSelection {
        let hooks: BackupHooks = serde_json::from_value(json!({"resources": hooks})).unwrap();
        HookSelection::new(Some(&hooks))
    }

    fn pod(metadata: Value) -> HookedMetadata {
        serde_json::from_value(metadata).unwrap()
    }

    fn programs(hooks: &[PodHook]) -> Vec<&str> {
        hooks.iter().map(|hook| hook.exec.command[0].as_str()).collect()
    }

    fn run(program: &str) -> Value {
        json!([{"exec": {"command": [program]}}])
    }

    #[test]
    fn hooks_of_the_specification_are_those_that_select_the_pod_in_their_order() {
        let selection = selection(json!([
            {"name": "labelled", "labelSelector": {"matchLabels": {"app": "db"}}, "pre": run("labelled")},
            {"name": "elsewhere", "includedNamespaces": ["web-*"], "pre": run("elsewhere")},
            {"name": "left-out", "excludedNamespaces": ["shop"], "pre": run("left-out")},
            {"name": "named", "includedResources": ["po"], "pre": run("named"), "post": run("after")},
            {"name": "of-others", "includedResources": ["persistentvolumeclaims"], "pre": run("of-others")},
            {"name": "without", "excludedResources": ["pods"], "pre": run("without")},
            {"name": "both", "includedNamespaces": ["sh*"], "includedResources": ["*"], "pre": run("both")},
        ]));
        let db = json!({"name": "db-0", "namespace": "shop", "uid": "u", "labels": {"app": "db"}});
        let hooks = selection.of(&pod(db)).unwrap();
        assert_eq!(programs(&hooks.pre), ["labelled", "named", "both"]);
        assert_eq!(programs(&hooks.post), ["after"]);
        let web = selection.of(&pod(json!({"name": "web", "namespace": "web-1"}))).unwrap();
        assert_eq!(programs(&web.pre), ["elsewhere", "left-out", "named"]);
        assert_eq!(selection.idle(&[hooks, web]).collect::<Vec<_>>(), ["of-others", "without"]);
    }

    #[test]
    fn annotations_win_over_the_specification_phase_by_phase() {
        let selection = selection(json!([{"name": "all", "pre": run("spec-pre"), "post": run("spec-post")}]));
        let annotations = json!({"pre.hook.backup.velero.io/command": "own"});
        let hooks = selection.of(&pod(json!({"name": "a", "annotations": annotations}))).unwrap();
        assert_eq!((programs(&hooks.pre), programs(&hooks.post)), (vec!["own"], vec!["spec-post"]));
        assert_eq!(hooks.pre[0].source, HookSource::Annotation);
        assert_eq!(hooks.post[0].source, HookSource::Specification("all".into()));
    }

    #[test]
    fn a_pod_with_an_annotation_that_cannot_be_read_says_so() {
        let annotations = json!({
            "pre.hook.backup.velero.io/command": "freeze", "post.hook.backup.velero.io/command": "thaw",
            "post.hook.backup.velero.io/timeout": "nonsense",
        });
        let none = HookSelection::default();
        let hooks = none.of(&pod(json!({"name": "a", "annotations": annotations}))).unwrap();
        assert!(hooks.mistake.unwrap().contains("post.hook.backup.velero.io/timeout"));
        assert_eq!(none.of(&pod(json!({"name": "a"}))), None);
    }

    #[test]
    fn what_a_backup_leaves_out_has_no_hooks() {
        for (metadata, is_left_out) in [
            (json!({"labels": {"velero.io/exclude-from-backup": "true"}}), true),
            (json!({"labels": {"ark.heptio.com/exclude-from-backup": "true"}}), true),
            (json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), true),
            (json!({"labels": {"velero.io/exclude-from-backup": "false"}}), false),
        ] {
            assert_eq!(pod(metadata.clone()).is_left_out(), is_left_out, "{metadata}");
        }
    }
}
