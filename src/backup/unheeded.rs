//! Counts the annotations of pods that ask for something a backup cannot do yet, so that one
//! warning tells of all of them. Pure.

use super::item::ItemView;
use crate::model::{Category, Finding, GroupResource, LabelSet};

/// The kind whose annotations are read.
const PODS: &str = "pods";
/// Annotations with a command to run in the pod, with or without `pre.` or `post.` before them, as
/// Velero and Ark write them.
const HOOKS: [&str; 2] = ["hook.backup.velero.io/command", "hook.backup.ark.heptio.com/command"];
/// Annotations with volumes whose data to copy.
const VOLUMES: [&str; 2] = ["backup.velero.io/backup-volumes", "backup.ark.heptio.com/backup-volumes"];

/// The pods that ask for one thing.
#[derive(Debug, Default)]
struct AskingPods {
    pods: u64,
    first: String,
}

impl AskingPods {
    fn note(&mut self, item: &ItemView<'_>) {
        if self.pods == 0 {
            self.first = format!("{}/{}", item.namespace.as_deref().unwrap_or_default(), item.name);
        }
        self.pods += 1;
    }

    fn finding(&self, what: &str) -> Option<Finding> {
        let first = &self.first;
        let which = match self.pods {
            0 => return None,
            1 => format!("the pod {first} asks"),
            pods => format!("{pods} pods ask, the first of them {first},"),
        };
        Some(Finding::warning(Category::Other, format!("{which} by annotation for {what}")))
    }
}

/// The requests of pods that are not carried out.
#[derive(Debug, Default)]
pub struct Unheeded {
    hooks: AskingPods,
    volumes: AskingPods,
}

impl Unheeded {
    /// Notes the annotations of a pod that is taken.
    pub fn note(&mut self, kind: &GroupResource, item: &ItemView<'_>) {
        let mentioned = |text: &&str| HOOKS.iter().chain(&VOLUMES).any(|key| text.contains(key));
        let Some(text) = item.annotations.filter(|_| kind.as_str() == PODS).filter(mentioned) else { return };
        // A key that occurs only inside a value, as in that of `kubectl apply`, asks for nothing.
        let Ok(annotations) = serde_json::from_str::<LabelSet>(text) else { return };
        let asks = |keys: &[&str]| {
            annotations.iter().any(|(key, value)| {
                let key = key.strip_prefix("pre.").or_else(|| key.strip_prefix("post.")).unwrap_or(key);
                !value.is_empty() && keys.contains(&key)
            })
        };
        if asks(&HOOKS) {
            self.hooks.note(item);
        }
        if asks(&VOLUMES) {
            self.volumes.note(item);
        }
    }

    /// Returns a warning for each thing that is asked for.
    pub fn findings(&self) -> Vec<Finding> {
        let hooks = self.hooks.finding(
            "hooks around the backup, which Ark does not run yet: what the application held in memory may be missing from its \
             volumes; bring it to rest by other means",
        );
        let volumes = self.volumes.finding(
            "the data of volumes to be copied, which Ark does not do yet: they are not in this backup; back them up by other \
             means",
        );
        hooks.into_iter().chain(volumes).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn findings(kind: &str, annotations: &[serde_json::Value]) -> Vec<String> {
        let mut unheeded = Unheeded::default();
        for (number, annotations) in annotations.iter().enumerate() {
            let name = format!("web-{number}");
            let body = json!({"metadata": {"name": name, "namespace": "shop", "annotations": annotations}})
                .to_string();
            unheeded.note(&GroupResource::parse(kind), &ItemView::read(body.as_bytes(), false).unwrap());
        }
        unheeded.findings().iter().map(|finding| finding.message.clone()).collect()
    }

    #[test]
    fn pods_that_ask_for_hooks_are_told_of_in_one_warning() {
        let found = findings(
            "pods",
            &[
                json!({}),
                json!({"pre.hook.backup.velero.io/command": "[\"/sbin/fsfreeze\"]", "pre.hook.backup.velero.io/container": "web"}),
                json!({"hook.backup.ark.heptio.com/command": "sync"}),
                json!({"post.hook.backup.velero.io/command": "x", "backup.velero.io/backup-volumes": "data"}),
            ],
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("3 pods ask, the first of them shop/web-1, by annotation for hooks"),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("the pod shop/web-3 asks by annotation for the data of volumes"),
            "{found:?}"
        );
    }

    #[test]
    fn what_only_mentions_hooks_asks_for_none() {
        let command = "pre.hook.backup.velero.io/command";
        let applied =
            json!({"kubectl.kubernetes.io/last-applied-configuration": format!("{{\"{command}\": \"x\"}}")});
        let container = json!({"pre.hook.backup.velero.io/container": "web"});
        assert_eq!(findings("pods", &[applied, container, json!({command: ""})]), Vec::<String>::new());
        assert_eq!(findings("deployments.apps", &[json!({command: "x"})]), Vec::<String>::new());
    }
}
