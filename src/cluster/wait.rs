//! Waits, each with a bound, for what the API server does in its own time.
//!
//! By asking again and again: a restore waits seldom, for few things, and for a short while. Custom resources have any
//! shape under `status`, so what is waited on is read as a tree and nothing in it is taken for granted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::failure::shorten;
use super::health::Health;
use super::request::{Call, Doing};
use super::{Cluster, ClusterError, ResourceInfo};
use crate::model::causes;

/// Before asking again; doubles up to [`LONGEST_PAUSE`]. A CRD is established within some 20 ms, mostly.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A namespace or a finalizer may take long; asking once a second costs nobody anything.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Events that are looked at for the reason why a claim is not bound.
const EVENTS: usize = 100;

/// How long the waits of a group may take: as long as one after the other gets done, and never longer than a bound.
///
/// Sixty definitions at once take a busy API server a minute and a half; none takes it that long alone. Clones are of one group.
#[derive(Clone, Debug)]
pub struct Bound {
    quiet: Duration,
    most: Duration,
    group: Arc<Mutex<WaitGroup>>,
}

#[derive(Debug)]
struct WaitGroup {
    under_way: usize,
    progress: Instant,
}

impl Bound {
    /// A wait ends when for `quiet` none of the group got done, and after `most`.
    pub fn new(quiet: Duration, most: Duration) -> Self {
        Self {
            quiet,
            most,
            group: Arc::new(Mutex::new(WaitGroup { under_way: 0, progress: Instant::now() })),
        }
    }

    /// Something of the group got done: the others have time anew.
    pub fn progress(&self) {
        self.lock().progress = Instant::now();
    }

    fn begin(&self) -> UnderWay<'_> {
        let mut group = self.lock();
        if group.under_way == 0 {
            group.progress = Instant::now();
        }
        group.under_way += 1;
        UnderWay { bound: self, since: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, WaitGroup> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One wait of a group.
struct UnderWay<'a> {
    bound: &'a Bound,
    since: Instant,
}

impl UnderWay<'_> {
    /// How long it may still take; the time that the API server was away does not count.
    fn left(&self, health: &Health) -> Duration {
        let progress = self.bound.lock().progress;
        let since = health.back().map_or(progress, |back| back.max(progress));
        let quiet = self.bound.quiet.saturating_sub(since.elapsed());
        quiet.min(self.bound.most.saturating_sub(self.since.elapsed()))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.bound.lock().under_way -= 1;
    }
}

/// A wait for things that come one by one, by who looks again and again: it ends when for a while none of them came.
#[derive(Debug)]
pub struct Lag {
    quiet: Duration,
    most: Duration,
    began: Instant,
    progress: Instant,
    fewest: usize,
}

impl Lag {
    /// It ends when for `quiet` none came, and after `most`.
    pub fn new(quiet: Duration, most: Duration) -> Self {
        let now = Instant::now();
        Self { quiet, most, began: now, progress: now, fewest: usize::MAX }
    }

    /// Whether it is over, now that so many are missing.
    pub fn is_over(&mut self, missing: usize) -> bool {
        if missing < self.fewest {
            (self.fewest, self.progress) = (missing, Instant::now());
        }
        missing == 0 || self.progress.elapsed() >= self.quiet || self.began.elapsed() >= self.most
    }
}

/// What was seen: done, or what is missing.
enum WaitResult {
    Done,
    NotYet(String),
}

/// What is waited for.
struct AwaitedState {
    /// `the namespace shop`.
    what: String,
    /// `Active`.
    state: &'static str,
}

impl Cluster {
    /// Waits until a CustomResourceDefinition is Established and its kind is served in every version that it says.
    pub async fn crd_established(&self, name: &str, bound: &Bound) -> Result<(), ClusterError> {
        let wanted =
            AwaitedState { what: format!("the CustomResourceDefinition {name}"), state: "Established" };
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        let look = || async {
            let Some(crd) = self.look(&path, &wanted.what).await? else {
                return Ok(WaitResult::NotYet("it is not there".to_owned()));
            };
            if let Some(missing) = not_established(&crd) {
                return Ok(WaitResult::NotYet(missing));
            }
            let (group, plural) = (&crd["spec"]["group"], &crd["spec"]["names"]["plural"]);
            for version in list(&crd["spec"]["versions"]).iter().filter(|version| version["served"] == true) {
                let path = format!("/apis/{}/{}", text(group), text(&version["name"]));
                let served = self.look(&path, &path).await?.unwrap_or_default();
                if !list(&served["resources"]).iter().any(|resource| resource["name"] == *plural) {
                    return Ok(WaitResult::NotYet(format!(
                        "it is Established, but {path} does not serve it yet"
                    )));
                }
            }
            Ok(WaitResult::Done)
        };
        self.wait(&wanted, bound, look).await
    }

    /// Waits until a namespace is Active.
    pub async fn namespace_active(&self, name: &str, bound: &Bound) -> Result<(), ClusterError> {
        let wanted = AwaitedState { what: format!("the namespace {name}"), state: "Active" };
        let path = format!("/api/v1/namespaces/{name}");
        let look = || async {
            Ok(match self.look(&path, &wanted.what).await? {
                Some(namespace) if namespace["status"]["phase"] == "Active" => WaitResult::Done,
                Some(namespace) => WaitResult::NotYet(state_of(&namespace)),
                None => WaitResult::NotYet("it is not there".to_owned()),
            })
        };
        self.wait(&wanted, bound, look).await
    }

    /// Waits until an object is gone; with a uid that very object: one of its name that was made meanwhile is another.
    pub async fn gone(
        &self,
        kind: &ResourceInfo,
        namespace: Option<&str>,
        name: &str,
        uid: Option<&str>,
        bound: &Bound,
    ) -> Result<(), ClusterError> {
        let what = match (namespace, &*kind.kind) {
            (None, "Namespace") => format!("the namespace {name}"),
            (Some(namespace), _) => format!("{} {namespace}/{name}", kind.resource),
            (None, _) => format!("{} {name}", kind.resource),
        };
        let (wanted, path) = (AwaitedState { what, state: "deleted" }, kind.path(namespace, Some(name)));
        let look = || async {
            let object = self.look(&path, &wanted.what).await?;
            let that = |object: &Value| uid.is_none_or(|uid| object["metadata"]["uid"] == uid);
            Ok(object.filter(that).map_or(WaitResult::Done, |object| WaitResult::NotYet(state_of(&object))))
        };
        self.wait(&wanted, bound, look).await
    }

    /// Waits until a claim is bound to its volume; where it is not, the error says what the last event about it said.
    pub async fn bound(&self, namespace: &str, name: &str, bound: &Bound) -> Result<(), ClusterError> {
        let wanted = AwaitedState { what: format!("the claim {namespace}/{name}"), state: "Bound" };
        let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}");
        let look = || async {
            Ok(match self.look(&path, &wanted.what).await? {
                Some(claim) if claim["status"]["phase"] == "Bound" => WaitResult::Done,
                Some(claim) => WaitResult::NotYet(state_of(&claim)),
                None => WaitResult::NotYet("it is not there".to_owned()),
            })
        };
        let mut waited = self.wait(&wanted, bound, look).await;
        if let Err(ClusterError::NotReady { last, .. }) = &mut waited
            && let Some(why) = self.why_not_bound(namespace, name).await
        {
            *last = format!("{last}: {why}");
            shorten(last);
        }
        waited
    }

    /// What the controllers last said of a claim that they cannot bind; None when they said nothing.
    async fn why_not_bound(&self, namespace: &str, name: &str) -> Option<String> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/events?limit={EVENTS}\
             &fieldSelector=involvedObject.kind%3DPersistentVolumeClaim%2CinvolvedObject.name%3D{name}"
        );
        let events = self.look(&path, "events").await.ok().flatten()?;
        let failed =
            |event: &&Value| matches!(text(&event["reason"]), "FailedBinding" | "ProvisioningFailed");
        let time = |event: &&Value| text(&event["lastTimestamp"]).to_owned();
        let last = list(&events["items"]).iter().filter(failed).max_by_key(time)?;
        Some(text(&last["message"]).to_owned())
    }

    /// Reads what is there; None when it is not.
    async fn look(&self, path: &str, what: &str) -> Result<Option<Value>, ClusterError> {
        let doing = Doing { verb: "get", what, namespace: None, name: None };
        match self.read(&Call::get(path, doing)).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks until it is done or the bound is reached. A failure that passes is waited over, any other ends the wait.
    async fn wait<F: Future<Output = Result<WaitResult, ClusterError>>>(
        &self,
        wanted: &AwaitedState,
        bound: &Bound,
        look: impl Fn() -> F,
    ) -> Result<(), ClusterError> {
        let AwaitedState { what, state } = wanted;
        let health = &self.shared.health;
        let under_way = bound.begin();
        let waiting = self.shared.waits.begin(format!("{what} to be {state}"));
        let mut pause = FIRST_PAUSE;
        let mut last = "the API server has not answered yet".to_owned();
        loop {
            // A server that is away is waited for by the call itself, which also ends that.
            let seen = match health.away() {
                Some(_) => Some(look().await),
                None => tokio::time::timeout(under_way.left(health), look()).await.ok(),
            };
            match seen {
                Some(Ok(WaitResult::Done)) => {
                    bound.progress();
                    return Ok(());
                }
                Some(Ok(WaitResult::NotYet(missing))) => last = missing,
                Some(Err(error)) if error.is_about_the_connection() || !error.passes() => return Err(error),
                Some(Err(error)) => last = causes(&error),
                None => {}
            }
            shorten(&mut last);
            waiting.say(format!("{what} to be {state}: {last}"));
            let left = under_way.left(health);
            if left.is_zero() && health.away().is_none() {
                let waited = under_way.since.elapsed();
                return Err(ClusterError::NotReady { what: what.clone(), state, waited, last });
            }
            tokio::time::sleep(if left.is_zero() { pause } else { pause.min(left) }).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// What keeps a CRD from being established; None when nothing does.
fn not_established(crd: &Value) -> Option<String> {
    let conditions = list(&crd["status"]["conditions"]);
    if conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
    {
        return None;
    }
    let wrong = conditions.iter().find(|condition| condition["status"] == "False");
    Some(wrong.map_or_else(|| "it has no conditions yet".to_owned(), tell))
}

/// Why an object is still there, or not yet active.
pub fn state_of(object: &Value) -> String {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    if metadata["deletionTimestamp"].is_null() {
        return match text(&status["phase"]) {
            "" => "it is there and not being deleted".to_owned(),
            phase => format!("it is {phase}"),
        };
    }
    let conditions = list(&status["conditions"]);
    let told: Vec<_> =
        conditions.iter().filter(|condition| condition["status"] == "True").map(tell).collect();
    let finalizers: Vec<_> = list(&metadata["finalizers"]).iter().map(text).collect();
    match (&*told, &*finalizers) {
        ([], []) => "it is being deleted".to_owned(),
        ([], _) => format!("it is being deleted and waits for its finalizers {}", finalizers.join(", ")),
        _ => format!("it is being deleted; {}", told.join("; ")),
    }
}

fn tell(condition: &Value) -> String {
    let field = |name: &str| text(&condition[name]);
    format!("{} is {} ({}): {}", field("type"), field("status"), field("reason"), field("message"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
