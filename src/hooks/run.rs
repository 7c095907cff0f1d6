//! Runs the hooks of pods, several pods at once, those of one pod one after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _};
use tokio::time::Instant;

use super::hook::{HookPhase, PodHook, PodHooks};
use super::target::{HookTarget, target};
use super::told::{HookEnd, HookFailure};
use crate::cluster::{Cluster, ContainerCommand, ExecFailure, ExecOutput};

/// The most pods in which hooks run at once: each holds a connection through the API server.
pub const AT_ONCE: usize = 16;

/// The hooks of pods, as far as they were run.
pub struct HookRun<'a> {
    cluster: &'a Cluster,
    pods: Vec<HookedPod>,
}

struct HookedPod {
    hooks: PodHooks,
    /// Whether a hook before the instant was begun.
    is_begun: AtomicBool,
}

impl<'a> HookRun<'a> {
    /// Prepares the hooks of these pods; nothing is run yet.
    pub fn new(cluster: &'a Cluster, pods: Vec<PodHooks>) -> Self {
        let hooked = |hooks| HookedPod { hooks, is_begun: AtomicBool::new(false) };
        Self { cluster, pods: pods.into_iter().map(hooked).collect() }
    }

    /// Returns the number of hooks of a phase that can be run.
    pub fn count(&self, phase: HookPhase) -> usize {
        let readable = self.pods.iter().filter(|pod| pod.hooks.mistake.is_none());
        readable.map(|pod| pod.hooks.of(phase).len()).sum()
    }

    /// Runs the hooks before the instant; yields the ends of each pod's hooks. Whoever drops the
    /// stream cuts short those that run.
    pub fn pre(&self) -> impl Stream<Item = Vec<HookEnd>> {
        self.run(HookPhase::Pre, false)
    }

    /// Runs the hooks after the instant, as [`HookRun::pre`] does; with `only_begun`, in those pods
    /// alone in which a hook before the instant was begun.
    pub fn post(&self, only_begun: bool) -> impl Stream<Item = Vec<HookEnd>> {
        self.run(HookPhase::Post, only_begun)
    }

    fn run(&self, phase: HookPhase, only_begun: bool) -> impl Stream<Item = Vec<HookEnd>> {
        let meant = move |pod: &&HookedPod| !only_begun || pod.is_begun.load(Ordering::Relaxed);
        let pods: Vec<&HookedPod> = self.pods.iter().filter(meant).collect();
        stream::iter(pods).map(move |pod| self.run_pod(pod, phase)).buffer_unordered(AT_ONCE)
    }

    /// Runs the hooks of a pod up to the first that fails and does not say Continue.
    async fn run_pod(&self, pod: &HookedPod, phase: HookPhase) -> Vec<HookEnd> {
        let hooks = &pod.hooks;
        if let Some(why) = &hooks.mistake {
            let end = || HookEnd::unbegun(hooks, phase, Some(HookFailure::Annotation(why.clone())));
            return (phase == HookPhase::Pre).then(end).into_iter().collect();
        }
        let mut ends = Vec::new();
        for hook in hooks.of(phase) {
            if phase == HookPhase::Pre {
                pod.is_begun.store(true, Ordering::Relaxed);
            }
            let Some(end) = self.run_hook(hooks, hook, phase).await else {
                ends.push(HookEnd::unbegun(hooks, phase, None));
                break;
            };
            let goes_on = end.failure.is_none() || hook.continues();
            ends.push(end);
            if !goes_on {
                break;
            }
        }
        ends
    }

    /// Runs one hook, or returns `None` where the pod has ended.
    pub async fn run_hook(&self, pod: &PodHooks, hook: &PodHook, phase: HookPhase) -> Option<HookEnd> {
        let (mut output, began) = (ExecOutput::default(), Instant::now());
        let limit = hook.timeout();
        let ran = tokio::time::timeout(limit, self.command(pod, hook, &mut output)).await;
        let failure = match ran.unwrap_or(Err(ExecFailure::TimedOut(limit).into())) {
            Ok(false) => return None,
            Ok(true) => None,
            Err(failure) => Some(failure),
        };
        let took: Duration = began.elapsed();
        if let Some(metrics) = self.cluster.metrics() {
            metrics.hook_ran(phase.as_str(), failure.is_none(), took.as_secs_f64());
        }
        Some(HookEnd { pod: pod.key(), phase, hook: Some(hook.clone()), failure, output, took })
    }

    /// Runs the command of a hook. Returns false where the pod has ended.
    async fn command(
        &self,
        pod: &PodHooks,
        hook: &PodHook,
        output: &mut ExecOutput,
    ) -> Result<bool, HookFailure> {
        let PodHooks { namespace, name, uid, .. } = pod;
        let found = self.cluster.pod(namespace, name).await?;
        let container = match target(found.as_ref(), uid, hook.exec.container.as_deref()) {
            HookTarget::Container(container) => container,
            HookTarget::Ended => return Ok(false),
            HookTarget::Unfit(why) | HookTarget::Idle(why) => return Err(HookFailure::Unfit(why)),
        };
        let command =
            ContainerCommand { namespace, pod: name, container: &container, command: &hook.exec.command };
        self.cluster.exec(&command, output).await?;
        Ok(true)
    }
}
