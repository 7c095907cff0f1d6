//! Counts the annotations of pods that ask for something a backup cannot do yet, so that one
//! warning tells of all of them. Pure.

use super::item::ItemView;
use crate::model::{Category, Finding, GroupResource, LabelSet};

/// The kind whose annotations are read.
const PODS: &str = "pods";
/// Annotations with volumes whose data to copy, as Velero and Ark write them.
const VOLUMES: [&str; 2] = ["backup.velero.io/backup-volumes", "backup.ark.heptio.com/backup-volumes"];

/// The pods that ask for the data of volumes to be copied.
#[derive(Debug, Default)]
pub struct Unheeded {
    pods: u64,
    first: String,
}

impl Unheeded {
    /// Notes the annotations of a pod that is taken.
    pub fn note(&mut self, kind: &GroupResource, item: &ItemView<'_>) {
        let mentioned = |text: &&str| VOLUMES.iter().any(|key| text.contains(key));
        let Some(text) = item.annotations.filter(|_| kind.as_str() == PODS).filter(mentioned) else { return };
        // A key that occurs only inside a value, as in that of `kubectl apply`, asks for nothing.
        let Ok(annotations) = serde_json::from_str::<LabelSet>(text) else { return };
        if !VOLUMES.iter().any(|key| annotations.get(*key).is_some_and(|value| !value.is_empty())) {
            return;
        }
        if self.pods == 0 {
            self.first = format!("{}/{}", item.namespace.as_deref().unwrap_or_default(), item.name);
        }
        self.pods += 1;
    }

    /// Returns a warning if any pod asks.
    pub fn finding(&self) -> Option<Finding> {
        if self.pods == 0 {
            return None;
        }
        let message = format!(
            "{} by annotation for the data of volumes to be copied, which Ark does not do yet: they are not in this backup; back them up by other means",
            asking(self.pods, &self.first)
        );
        Some(Finding::warning(Category::Other, message))
    }
}

/// Returns which pods ask for something, the beginning of a sentence.
pub fn asking(pods: u64, first: &str) -> String {
    match pods {
        1 => format!("the pod {first} asks"),
        pods => format!("{pods} pods ask, the first of them {first},"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, annotations: &[serde_json::Value]) -> Option<String> {
        let mut unheeded = Unheeded::default();
        for (number, annotations) in annotations.iter().enumerate() {
            let name = format!("web-{number}");
            let body = json!({"metadata": {"name": name, "namespace": "shop", "annotations": annotations}})
                .to_string();
            unheeded.note(&GroupResource::parse(kind), &ItemView::read(body.as_bytes(), false).unwrap());
        }
        unheeded.finding().map(|finding| finding.message)
    }

    #[test]
    fn pods_that_ask_for_the_data_of_volumes_are_told_of_in_one_warning() {
        let (velero, own) = ("backup.velero.io/backup-volumes", "backup.ark.heptio.com/backup-volumes");
        let found = told("pods", &[json!({}), json!({velero: "data"}), json!({own: "data,logs"})]).unwrap();
        assert!(found.starts_with("2 pods ask, the first of them shop/web-1, by annotation"), "{found}");
        let found = told("pods", &[json!({velero: "data"})]).unwrap();
        assert!(found.starts_with("the pod shop/web-0 asks by annotation for the data"), "{found}");
    }

    #[test]
    fn what_only_mentions_volumes_asks_for_none() {
        let key = "backup.velero.io/backup-volumes";
        let applied =
            json!({"kubectl.kubernetes.io/last-applied-configuration": format!("{{\"{key}\": \"x\"}}")});
        assert_eq!(told("pods", &[applied, json!({key: ""})]), None);
        assert_eq!(told("deployments.apps", &[json!({key: "x"})]), None);
    }
}
