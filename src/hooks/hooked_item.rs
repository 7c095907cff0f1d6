//! A restored item whose pods have hooks, and what its pods are waited for. Pure.

use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize as _;
use serde_json::Value;

use super::restored::{AwaitedHook, RestoreHookSelection, RestoredHooks};
use super::target::{HookTarget, target};
use crate::api::InitHook;
use crate::cluster::ResourceInfo;
use crate::model::ItemKey;

/// The kind of pods themselves.
const PODS: &str = "pods";
/// The kind whose pods go with it when it is made anew.
const JOBS: &str = "jobs.batch";

/// A pod that is older than its workload by more than this many seconds was there before that was
/// made anew; the clocks of API servers may differ by a little.
const CLOCKS_DIFFER: i64 = 5;

/// A restored item whose pods have hooks: a pod, or a workload that makes pods.
#[derive(Clone, Debug)]
pub struct HookedItem {
    /// The item, by its name in the cluster.
    pub item: ItemKey,
    /// The kind as the cluster serves it.
    pub info: ResourceInfo,
    /// The hooks of each of its pods.
    pub hooks: RestoredHooks,
}

/// How a hook stands with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its command can run.
    Fit,
    /// Its container does not run yet, or is not ready, for this reason.
    NotYet(String),
    /// Its command will never run, for this reason.
    Hopeless(String),
}

/// What a look at the cluster shows of an item.
pub struct SeenItem<'a> {
    /// The pods of its namespace.
    pub pods: &'a [Pod],
    /// The item itself; `None` if it is gone. Of a pod it is not asked for.
    pub item: Option<&'a Value>,
    /// The time since the items were restored.
    pub waited: Duration,
}

/// What a look at an item leads to.
#[derive(Debug, Default)]
pub struct Judged {
    /// Names and uids of pods whose hooks are due.
    pub due: Vec<(String, String)>,
    /// What is not waited for any longer, each with the reason.
    pub given_up: Vec<String>,
    /// What is waited for; `None` if nothing is left.
    pub waits_for: Option<String>,
}

/// Returns the path to the metadata of an item's pods, or `None` if its kind has none.
fn pods_metadata(resource: &str) -> Option<&'static str> {
    match resource {
        PODS => Some("/metadata"),
        "deployments.apps"
        | "replicasets.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | JOBS
        | "replicationcontrollers" => Some("/spec/template/metadata"),
        _ => None,
    }
}

/// Returns how `hook` stands with a pod that must have this uid.
pub fn standing(pod: Option<&Pod>, uid: &str, hook: &AwaitedHook) -> Standing {
    let name = match target(pod, uid, hook.hook.exec.container.as_deref()) {
        HookTarget::Container(name) => name,
        HookTarget::Idle(why) => return Standing::NotYet(why),
        HookTarget::Unfit(why) => return Standing::Hopeless(why),
        HookTarget::Ended => return Standing::Hopeless("the pod has ended (Succeeded or Failed)".to_owned()),
    };
    let status = pod.and_then(|pod| pod.status.as_ref());
    let lists = status.map(|status| [&status.container_statuses, &status.init_container_statuses]);
    let mut all = lists.into_iter().flatten().flat_map(|list| list.iter().flatten());
    let is_ready = all.any(|each| each.name == name && each.ready);
    match hook.until_ready && !is_ready {
        true => Standing::NotYet(format!("its container `{name}` runs and is not ready")),
        false => Standing::Fit,
    }
}

impl HookedItem {
    /// Returns the item if its pods have hooks; `body` is as it was created.
    pub fn read(
        selection: &RestoreHookSelection,
        item: &ItemKey,
        info: &ResourceInfo,
        body: &Value,
    ) -> Option<Self> {
        let metadata = body.pointer(pods_metadata(item.resource.as_str())?)?;
        let hooks = selection.of(metadata, item.namespace.as_deref()?);
        (!hooks.is_empty()).then(|| Self { item: item.clone(), info: info.clone(), hooks })
    }

    /// Returns whether the item is a pod itself.
    pub fn is_pod(&self) -> bool {
        self.item.resource.as_str() == PODS
    }

    /// Returns whether something is waited for once the items are restored.
    pub fn is_awaited(&self) -> bool {
        !self.hooks.post.is_empty() || self.timed_init().next().is_some()
    }

    /// Returns the hooks in words, for a dry run.
    pub fn in_words(&self) -> String {
        let init = self.hooks.init.iter().flat_map(|init| &init.init_containers);
        let init = init.filter_map(|container| container.get("name")?.as_str()).filter(|_| self.is_pod());
        let init = init.map(|name| format!("gets the init container `{name}`"));
        let post = self.hooks.post.iter().map(|AwaitedHook { hook, .. }| {
            format!("then the hook `{}` is run ({})", hook.program(), hook.source)
        });
        init.chain(post).collect::<Vec<_>>().join(", ")
    }

    /// Yields the init containers that are waited for. Only a pod that is restored itself has any.
    fn timed_init(&self) -> impl Iterator<Item = (&InitHook, Duration)> {
        let timed = |init: &InitHook| init.timeout.as_ref().and_then(|timeout| timeout.length().ok());
        let inits = self.hooks.init.iter().filter(|_| self.is_pod());
        inits.filter_map(move |init| Some((init, timed(init)?)))
    }

    /// Returns whether the pod is the item, or was made by it.
    fn has(&self, pod: &Pod) -> bool {
        let owners = pod.metadata.owner_references.iter().flatten();
        let mut controllers = owners.filter(|owner| owner.controller == Some(true));
        let name = &self.item.name;
        match self.item.resource.as_str() {
            _ if pod.metadata.deletion_timestamp.is_some() => false,
            PODS => pod.metadata.name.as_ref() == Some(name),
            "deployments.apps" => {
                let labels = pod.metadata.labels.as_ref();
                let hash = labels.and_then(|labels| labels.get("pod-template-hash"));
                let set = hash.map(|hash| format!("{name}-{hash}"));
                controllers.any(|owner| owner.kind == "ReplicaSet" && Some(&owner.name) == set.as_ref())
            }
            _ => controllers.any(|owner| owner.kind == self.info.kind && owner.name == *name),
        }
    }

    /// Returns how many pods the item has once it has made all, or `None` if that is not known yet.
    fn wanted(&self, item: Option<&Value>) -> Option<u64> {
        let number = |path: &str| item.and_then(|item| item.pointer(path)?.as_u64());
        match self.item.resource.as_str() {
            PODS => Some(1),
            "daemonsets.apps" => {
                number("/status/observedGeneration").and(number("/status/desiredNumberScheduled"))
            }
            JOBS if item?.pointer("/spec/suspend") == Some(&Value::Bool(true)) => Some(0),
            JOBS => {
                let parallel = number("/spec/parallelism").unwrap_or(1);
                Some(number("/spec/completions").unwrap_or(parallel).min(parallel))
            }
            _ => item.map(|_| number("/spec/replicas").unwrap_or(1)),
        }
    }

    /// Judges a look at the item; `begun` are the uids of pods whose hooks were due before, or
    /// whose init containers have ended.
    pub fn judge(&self, seen: &SeenItem<'_>, begun: &mut HashSet<String>) -> Judged {
        let mut judged = Judged::default();
        self.judge_init(seen, begun, &mut judged);
        if let Some(first) = self.hooks.post.first() {
            self.judge_pods(first, seen, begun, &mut judged);
        }
        judged
    }

    fn judge_pods(
        &self,
        first: &AwaitedHook,
        seen: &SeenItem<'_>,
        begun: &mut HashSet<String>,
        judged: &mut Judged,
    ) {
        let is_late = seen.waited >= first.wait;
        let (mut there, mut kept) = (0, 0);
        for pod in seen.pods.iter().filter(|pod| self.has(pod)) {
            let is_kept = is_older(pod, seen.item);
            if is_kept && self.item.resource.as_str() == JOBS {
                continue;
            }
            there += 1;
            let (Some(name), Some(uid)) = (&pod.metadata.name, &pod.metadata.uid) else { continue };
            if begun.contains(uid) {
                continue;
            }
            if is_kept {
                begun.insert(uid.clone());
                kept += 1;
                continue;
            }
            match standing(Some(pod), uid, first) {
                Standing::NotYet(why) if !is_late => judged.waits_for = Some(format!("{name}, {why}")),
                _ => {
                    begun.insert(uid.clone());
                    judged.due.push((name.clone(), uid.clone()));
                }
            }
        }
        if kept > 0 {
            judged.given_up.push(format!(
                "they were not run in {kept} of its pods, which are from before it was made anew; run them there by hand"
            ));
        }
        let wanted = self.wanted(seen.item);
        let missing = wanted.is_none_or(|wanted| there < wanted);
        let of = wanted.map_or_else(|| "an unknown number".to_owned(), |wanted| wanted.to_string());
        let state = format!("{there} of {of} pods are there");
        if missing && is_late {
            judged.given_up.push(format!(
                "they were not run in all of its pods: {state}, {} after the items were restored",
                humantime::format_duration(first.wait)
            ));
        } else if missing {
            judged.waits_for.get_or_insert(state);
        }
    }

    fn judge_init(&self, seen: &SeenItem<'_>, begun: &mut HashSet<String>, judged: &mut Judged) {
        let pod = seen.pods.iter().find(|pod| self.has(pod));
        for (init, timeout) in self.timed_init() {
            for name in init.init_containers.iter().filter_map(|each| each.get("name")?.as_str()) {
                let mark = format!("{}/{name}", self.item);
                if begun.contains(&mark) {
                    continue;
                }
                let why = match init_standing(pod, name) {
                    Standing::Fit => None,
                    Standing::NotYet(why) if seen.waited < timeout => {
                        judged.waits_for = Some(why);
                        continue;
                    }
                    Standing::NotYet(why) => {
                        let timeout = humantime::format_duration(timeout);
                        Some(format!("{why}, {timeout} after the items were restored"))
                    }
                    Standing::Hopeless(why) => Some(why),
                };
                begun.insert(mark);
                judged.given_up.extend(why);
            }
        }
    }
}

/// Returns whether the pod is older than the item that it belongs to now.
fn is_older(pod: &Pod, item: Option<&Value>) -> bool {
    let made = item.and_then(|item| Time::deserialize(item.pointer("/metadata/creationTimestamp")?).ok());
    let ages = pod.metadata.creation_timestamp.as_ref().zip(made);
    ages.is_some_and(|(pod, item)| item.0.as_second() - pod.0.as_second() > CLOCKS_DIFFER)
}

/// Returns how the pod stands with one of its init containers: fit if that has ended well.
fn init_standing(pod: Option<&Pod>, name: &str) -> Standing {
    let Some(status) = pod.and_then(|pod| pod.status.as_ref()) else {
        return Standing::NotYet("the pod is not there".to_owned());
    };
    let found = status.init_container_statuses.iter().flatten().find(|each| each.name == name);
    let ended = found.and_then(|each| each.state.as_ref()?.terminated.as_ref());
    match ended.map(|ended| ended.exit_code) {
        Some(0) => Standing::Fit,
        Some(code) if status.phase.as_deref() == Some("Failed") => Standing::Hopeless(format!(
            "its init container `{name}` ended with exit code {code}, and the pod has failed"
        )),
        Some(code) => Standing::NotYet(format!("its init container `{name}` ended with exit code {code}")),
        None => Standing::NotYet(format!("its init container `{name}` has not ended")),
    }
}

#[cfg(test)]
mod tests;
