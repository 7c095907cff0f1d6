//! Runs the hooks of restored pods: waits for their containers, and runs the commands of several
//! pods at once, those of one pod one after the other.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

use super::hook::{HookPhase, PodHooks};
use super::hooked_item::{HookedItem, SeenItem, Standing, standing};
use super::restored::AwaitedHook;
use super::run::{AT_ONCE, HookRun};
use super::told::{HookEnd, HookFailure};
use crate::cluster::{Cluster, ClusterError};
use crate::model::causes;

/// The pause between two looks: pods take seconds to start, and the list of a namespace may be
/// long.
const PAUSE: Duration = Duration::from_secs(2);
/// The most namespaces that are looked at at once.
const NAMESPACES_AT_ONCE: usize = 8;
/// The most items of a namespace that are read at once.
const ITEMS_AT_ONCE: usize = 16;

/// What a look has found.
enum HookDue {
    /// A pod whose hooks are due.
    Pod(PodHooks, Vec<AwaitedHook>),
    /// Something that is not waited for any longer.
    End(HookEnd),
}

/// Items that are waited for, in one namespace.
struct Home {
    namespace: String,
    items: Vec<HookedItem>,
    begun: HashSet<String>,
    /// What is waited for, for example.
    waits_for: Option<String>,
}

/// Waits for the pods of restored items, and runs their hooks; yields the ends of each pod's hooks.
/// Whoever drops the stream cuts short those that run.
pub fn run_restored(cluster: &Cluster, items: Vec<HookedItem>) -> impl Stream<Item = Vec<HookEnd>> {
    let began = Instant::now();
    let (send, receive) = unbounded_channel();
    let looking = stream::once(look(cluster, items, began, send)).filter_map(async |()| None);
    let found = stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive)));
    let ends = found.map(move |found| end(cluster, began, found)).buffer_unordered(AT_ONCE);
    stream::select(looking, ends)
}

async fn end(cluster: &Cluster, began: Instant, found: HookDue) -> Vec<HookEnd> {
    let (pod, hooks) = match found {
        HookDue::Pod(pod, hooks) => (pod, hooks),
        HookDue::End(end) => return vec![end],
    };
    let (run, mut ends) = (HookRun::new(cluster, Vec::new()), Vec::new());
    for awaited in &hooks {
        let phase = HookPhase::PostRestore;
        let ended = match await_container(cluster, &pod, awaited, began).await {
            Ok(()) => run.run_hook(&pod, &awaited.hook, phase).await,
            Err(failure) => Some(HookEnd::unrun(&pod, &awaited.hook, phase, failure)),
        };
        let ended = ended.unwrap_or_else(|| {
            HookEnd::unrun(&pod, &awaited.hook, phase, HookFailure::Unfit("the pod has ended".to_owned()))
        });
        let goes_on = ended.failure.is_none() || awaited.hook.continues();
        ends.push(ended);
        if !goes_on {
            break;
        }
    }
    ends
}

/// Waits until the command of a hook can run.
async fn await_container(
    cluster: &Cluster,
    pod: &PodHooks,
    hook: &AwaitedHook,
    began: Instant,
) -> Result<(), HookFailure> {
    loop {
        let found = cluster.pod(&pod.namespace, &pod.name).await?;
        match standing(found.as_ref(), &pod.uid, hook) {
            Standing::Fit => return Ok(()),
            Standing::NotYet(_) if began.elapsed() < hook.wait => sleep(PAUSE).await,
            Standing::NotYet(why) => {
                let wait = humantime::format_duration(hook.wait);
                let why = format!("{why}, {wait} after the items were restored");
                return Err(HookFailure::Unfit(why));
            }
            Standing::Hopeless(why) => return Err(HookFailure::Unfit(why)),
        }
    }
}

/// Looks at the items until none is waited for any more.
async fn look(cluster: &Cluster, items: Vec<HookedItem>, began: Instant, found: UnboundedSender<HookDue>) {
    let mut homes: BTreeMap<String, Home> = BTreeMap::new();
    for item in items {
        let Some(namespace) = item.item.namespace.clone() else { continue };
        let home = || Home {
            namespace: namespace.clone(),
            items: Vec::new(),
            begun: HashSet::new(),
            waits_for: None,
        };
        homes.entry(namespace.clone()).or_insert_with(home).items.push(item);
    }
    let mut homes: Vec<Home> = homes.into_values().collect();
    let waiting = cluster.begin_waiting("the pods that have hooks".to_owned());
    loop {
        let looks = homes.into_iter().map(|home| home.look(cluster, began.elapsed(), &found));
        homes = stream::iter(looks).buffered(NAMESPACES_AT_ONCE).collect().await;
        homes.retain(|home| !home.items.is_empty());
        let Some(first) = homes.first() else { return };
        let number: usize = homes.iter().map(|home| home.items.len()).sum();
        let example = first.waits_for.clone().unwrap_or_default();
        waiting.say(format!(
            "the pods of {number} restored items that have hooks: {}: {example}",
            first.namespace
        ));
        sleep(PAUSE).await;
    }
}

impl Home {
    /// Looks at the items once; those that are waited for stay.
    async fn look(mut self, cluster: &Cluster, waited: Duration, found: &UnboundedSender<HookDue>) -> Self {
        let seen = match pods(cluster, &self.namespace).await {
            Ok(pods) => lives(cluster, &self.items).await.map(|lives| (pods, lives)),
            Err(error) => Err(error),
        };
        let (pods, lives) = match seen {
            Ok(seen) => seen,
            Err(error) => {
                self.give_up(&error, waited, found);
                return self;
            }
        };
        self.waits_for = None;
        let items = std::mem::take(&mut self.items);
        for (item, live) in items.into_iter().zip(lives) {
            let judged = item.judge(&SeenItem { pods: &pods, item: live.as_ref(), waited }, &mut self.begun);
            for (name, uid) in judged.due {
                let pod = PodHooks::of_restored(&self.namespace, name, uid);
                // Whoever does not read any more has dropped this future, too.
                let _ = found.send(HookDue::Pod(pod, item.hooks.post.clone()));
            }
            for why in judged.given_up {
                let _ = found.send(HookDue::End(HookEnd::given_up(&item.item, why)));
            }
            if let Some(what) = judged.waits_for {
                self.waits_for.get_or_insert(what);
                self.items.push(item);
            }
        }
        self
    }

    /// Gives up the items whose time is over, or all where the failure does not pass by itself.
    fn give_up(&mut self, error: &ClusterError, waited: Duration, found: &UnboundedSender<HookDue>) {
        let why = format!("its pods could not be looked at: {}", causes(error));
        let is_over = |item: &HookedItem| {
            !error.passes() || item.hooks.post.first().is_none_or(|first| waited >= first.wait)
        };
        for item in self.items.extract_if(.., |item| is_over(item)) {
            let _ = found.send(HookDue::End(HookEnd::given_up(&item.item, why.clone())));
        }
        self.waits_for = Some(why);
    }
}

/// Returns the pods of a namespace.
async fn pods(cluster: &Cluster, namespace: &str) -> Result<Vec<Pod>, ClusterError> {
    let (mut pods, mut list) = (Vec::new(), cluster.whole_pods(namespace));
    while let Some(page) = list.next().await? {
        // What is no pod has no container either.
        pods.extend(page.bodies().filter_map(|body| serde_json::from_slice::<Pod>(body).ok()));
    }
    Ok(pods)
}

/// Returns the items that make pods as they are now; `None` for pods, and for what is gone.
async fn lives(cluster: &Cluster, items: &[HookedItem]) -> Result<Vec<Option<Value>>, ClusterError> {
    let gets = items.iter().map(async |HookedItem { item, info, hooks, .. }| {
        if item.resource.as_str() == "pods" || hooks.post.is_empty() {
            return Ok(None);
        }
        let body = cluster.get(info, item.namespace.as_deref(), &item.name).await?;
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
    });
    stream::iter(gets.collect::<Vec<_>>()).buffered(ITEMS_AT_ONCE).try_collect().await
}
