//! Waits, each with a deadline, for what the API server does in its own time.
//!
//! By asking again and again: a restore waits seldom, for few things, and for a short while. Custom resources have any
//! shape under `status`, so what is waited on is read as a tree and nothing in it is taken for granted.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::request::{Call, Doing};
use super::{Cluster, ClusterError, KindInfo};

/// Before asking again; doubles up to [`LONGEST_PAUSE`]. A CRD is established within some 20 ms, mostly.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A namespace or a finalizer may take long; asking once a second costs nobody anything.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What was seen: done, or what is missing.
enum Seen {
    Done,
    NotYet(String),
}

impl Cluster {
    /// Waits until a CustomResourceDefinition is Established and its kind is served in every version that it says.
    pub async fn crd_established(&self, name: &str, deadline: Duration) -> Result<(), ClusterError> {
        let what = format!("the CustomResourceDefinition {name}");
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        wait(&what, "Established", deadline, || async {
            let Some(crd) = self.look(&path, &what).await? else {
                return Ok(Seen::NotYet("it is not there".to_owned()));
            };
            if let Some(missing) = not_established(&crd) {
                return Ok(Seen::NotYet(missing));
            }
            let (group, plural) = (&crd["spec"]["group"], &crd["spec"]["names"]["plural"]);
            for version in list(&crd["spec"]["versions"]).iter().filter(|version| version["served"] == true) {
                let path = format!("/apis/{}/{}", text(group), text(&version["name"]));
                let served = self.look(&path, &path).await?.unwrap_or_default();
                if !list(&served["resources"]).iter().any(|resource| resource["name"] == *plural) {
                    return Ok(Seen::NotYet(format!("it is Established, but {path} does not serve it yet")));
                }
            }
            Ok(Seen::Done)
        })
        .await
    }

    /// Waits until a namespace is Active.
    pub async fn namespace_active(&self, name: &str, deadline: Duration) -> Result<(), ClusterError> {
        let what = format!("the namespace {name}");
        let path = format!("/api/v1/namespaces/{name}");
        wait(&what, "Active", deadline, || async {
            Ok(match self.look(&path, &what).await? {
                Some(namespace) if namespace["status"]["phase"] == "Active" => Seen::Done,
                Some(namespace) => Seen::NotYet(describe(&namespace)),
                None => Seen::NotYet("it is not there".to_owned()),
            })
        })
        .await
    }

    /// Waits until an object is gone.
    pub async fn gone(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        let what = match namespace {
            Some(namespace) => format!("{} {namespace}/{name}", kind.kind),
            None => format!("{} {name}", kind.kind),
        };
        let path = kind.path(namespace, Some(name));
        wait(&what, "deleted", deadline, || async {
            let object = self.look(&path, &what).await?;
            Ok(object.map_or(Seen::Done, |object| Seen::NotYet(describe(&object))))
        })
        .await
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
}

/// Looks until it is done or the deadline is over; a call that fails for good ends the wait.
async fn wait<F: Future<Output = Result<Seen, ClusterError>>>(
    what: &str,
    state: &'static str,
    deadline: Duration,
    look: impl Fn() -> F,
) -> Result<(), ClusterError> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut last = "the API server has not answered yet".to_owned();
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(Seen::Done)) => return Ok(()),
            Ok(Ok(Seen::NotYet(missing))) => last = missing,
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
        if started.elapsed() + pause >= deadline {
            return Err(ClusterError::NotReady { what: what.to_owned(), state, waited: deadline, last });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
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
fn describe(object: &Value) -> String {
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
#[path = "wait/tests.rs"]
mod tests;
