//! Waits, each with a bound, for what the API server does in its own time.
//!
//! Waits poll: a restore waits seldom, for few things, and for a short while. Custom resources
//! have any shape under `status`, so that objects are read as trees and nothing in them is taken
//! for granted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::failure::shorten;
use super::health::Health;
use super::request::{Call, Doing};
use super::{Cluster, ClusterError, ResourceInfo};
use crate::model::causes;

/// The pause before the second look; doubles up to [`LONGEST_PAUSE`]. A CRD is mostly established
/// within 20 ms.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause. A namespace or a finalizer may take long, and one request a second costs
/// little.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The most Events that are read for the reason why something does not become ready.
const EVENTS: usize = 100;
/// The reasons of the controllers' Events about a PVC that they cannot bind.
const UNBOUND: [&str; 2] = ["FailedBinding", "ProvisioningFailed"];

/// The bound of a group of waits: a wait goes on while one of the group after the other ends, and
/// never longer than a maximum.
///
/// Sixty definitions at once take a busy API server a minute and a half; none takes that long
/// alone. Clones belong to the same group.
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
    /// Creates a bound: a wait fails if none of the group ended for `quiet`, and in any case after
    /// `most`.
    pub fn new(quiet: Duration, most: Duration) -> Self {
        Self {
            quiet,
            most,
            group: Arc::new(Mutex::new(WaitGroup { under_way: 0, progress: Instant::now() })),
        }
    }

    /// Notes that one of the group ended, which gives the others `quiet` again.
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

/// One wait of a group; ends when dropped.
struct UnderWay<'a> {
    bound: &'a Bound,
    since: Instant,
}

impl UnderWay<'_> {
    /// Returns the time that is left. The time while the API server was away does not count as
    /// quiet.
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

/// A bound for callers that poll for several things: the wait is over once none of them came for a
/// while.
#[derive(Debug)]
pub struct Lag {
    quiet: Duration,
    most: Duration,
    began: Instant,
    progress: Instant,
    fewest: usize,
}

impl Lag {
    /// Creates a bound: the wait is over if none came for `quiet`, and in any case after `most`.
    pub fn new(quiet: Duration, most: Duration) -> Self {
        let now = Instant::now();
        Self { quiet, most, began: now, progress: now, fewest: usize::MAX }
    }

    /// Returns true if the wait is over, given the number of things that are missing now.
    pub fn is_over(&mut self, missing: usize) -> bool {
        if missing < self.fewest {
            (self.fewest, self.progress) = (missing, Instant::now());
        }
        missing == 0 || self.progress.elapsed() >= self.quiet || self.began.elapsed() >= self.most
    }
}

/// The result of one look.
enum WaitResult {
    Done,
    NotYet(String),
}

/// The state that a wait is for.
struct AwaitedState {
    /// `the namespace shop`.
    what: String,
    /// `Active`.
    state: &'static str,
}

impl Cluster {
    /// Waits until a CustomResourceDefinition is Established and discovery has its kind in every
    /// served version.
    ///
    /// # Errors
    /// [`ClusterError::NotReady`] once `bound` is reached, with the state that was seen last. Else
    /// if the API server fails for a reason that does not pass by itself; other failures are waited
    /// over.
    pub async fn crd_established(&self, name: &str, bound: &Bound) -> Result<(), ClusterError> {
        let wanted =
            AwaitedState { what: format!("the CustomResourceDefinition {name}"), state: "Established" };
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        let look = || async {
            let Some(crd) = self.find(&path, &wanted.what).await? else {
                return Ok(WaitResult::NotYet("it is not there".to_owned()));
            };
            if let Some(missing) = not_established(&crd) {
                return Ok(WaitResult::NotYet(missing));
            }
            let (group, plural) = (&crd["spec"]["group"], &crd["spec"]["names"]["plural"]);
            for version in list(&crd["spec"]["versions"]).iter().filter(|version| version["served"] == true) {
                let path = format!("/apis/{}/{}", text(group), text(&version["name"]));
                let served = self.find(&path, &path).await?.unwrap_or_default();
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
    ///
    /// # Errors
    /// As [`Cluster::crd_established`].
    pub async fn namespace_active(&self, name: &str, bound: &Bound) -> Result<(), ClusterError> {
        let wanted = AwaitedState { what: format!("the namespace {name}"), state: "Active" };
        let path = format!("/api/v1/namespaces/{name}");
        let look = || async {
            Ok(match self.find(&path, &wanted.what).await? {
                Some(namespace) if namespace["status"]["phase"] == "Active" => WaitResult::Done,
                Some(namespace) => WaitResult::NotYet(state_of(&namespace)),
                None => WaitResult::NotYet("it is not there".to_owned()),
            })
        };
        self.wait(&wanted, bound, look).await
    }

    /// Waits until an object no longer exists. With a uid the wait is for that very object: one of
    /// the same name that was created meanwhile is another.
    ///
    /// # Errors
    /// As [`Cluster::crd_established`].
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
            let object = self.find(&path, &wanted.what).await?;
            let that = |object: &Value| uid.is_none_or(|uid| object["metadata"]["uid"] == uid);
            Ok(object.filter(that).map_or(WaitResult::Done, |object| WaitResult::NotYet(state_of(&object))))
        };
        self.wait(&wanted, bound, look).await
    }

    /// Waits until a PVC is bound. If it never is, the error contains the last Event about it.
    ///
    /// # Errors
    /// As [`Cluster::crd_established`].
    pub async fn bound(&self, namespace: &str, name: &str, bound: &Bound) -> Result<(), ClusterError> {
        let wanted = AwaitedState { what: format!("the claim {namespace}/{name}"), state: "Bound" };
        let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}");
        let look = || async {
            Ok(match self.find(&path, &wanted.what).await? {
                Some(claim) if claim["status"]["phase"] == "Bound" => WaitResult::Done,
                Some(claim) => WaitResult::NotYet(state_of(&claim)),
                None => WaitResult::NotYet("it is not there".to_owned()),
            })
        };
        let mut waited = self.wait(&wanted, bound, look).await;
        if let Err(ClusterError::NotReady { last, .. }) = &mut waited
            && let Some(why) = self.last_event(namespace, "PersistentVolumeClaim", name, &UNBOUND).await
        {
            *last = format!("{last}: {why}");
            shorten(last);
        }
        waited
    }

    /// Returns the last Event about an object that has one of these reasons, or `None` if there is
    /// none.
    pub async fn last_event(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        reasons: &[&str],
    ) -> Option<String> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/events?limit={EVENTS}\
             &fieldSelector=involvedObject.kind%3D{kind}%2CinvolvedObject.name%3D{name}"
        );
        let events = self.find(&path, "events").await.ok().flatten()?;
        let meant = |event: &&Value| reasons.contains(&text(&event["reason"]));
        let time = |event: &&Value| text(&event["lastTimestamp"]).to_owned();
        let last = list(&events["items"]).iter().filter(meant).max_by_key(time)?;
        Some(text(&last["message"]).to_owned())
    }

    /// Waits for what `look` looks at: it returns what is missing, or `None` once nothing is.
    /// `what` and `state` are parts of a sentence: the pods of x, gone.
    ///
    /// # Errors
    /// As [`Cluster::crd_established`].
    pub async fn awaited<F: Future<Output = Result<Option<String>, ClusterError>>>(
        &self,
        what: String,
        state: &'static str,
        bound: &Bound,
        look: impl Fn() -> F,
    ) -> Result<(), ClusterError> {
        let look = || async { Ok(look().await?.map_or(WaitResult::Done, WaitResult::NotYet)) };
        self.wait(&AwaitedState { what, state }, bound, look).await
    }

    /// Reads an object, or returns `None` if it does not exist.
    async fn find(&self, path: &str, what: &str) -> Result<Option<Value>, ClusterError> {
        let doing = Doing { verb: "get", what, namespace: None, name: None };
        match self.read(&Call::get(path, doing)).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks until the state is reached or the bound is. Failures that pass are waited over; other
    /// failures end the wait.
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
            // While the server is away the call itself waits for it, and also ends that wait: no
            // timeout around it.
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

/// Returns what keeps a CRD from being established, or `None` if it is.
fn not_established(crd: &Value) -> Option<String> {
    let conditions = list(&crd["status"]["conditions"]);
    if conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
    {
        return None;
    }
    let wrong = conditions.iter().find(|condition| condition["status"] == "False");
    Some(wrong.map_or_else(|| "it has no conditions yet".to_owned(), tell))
}

/// Returns in words why an object still exists, or is not ready yet.
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
