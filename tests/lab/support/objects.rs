//! Objects as JSON, by the path of their kind, and as YAML says them.

use std::time::Instant;

use http::Request;
use kube::Client;
use serde_json::{Value, json};

use super::{Cluster, PATIENCE, PAUSE, eventually};

/// The objects of a YAML stream.
pub fn objects(yaml: &str) -> Vec<Value> {
    let documents = yaml.split("\n---").map(|document| document.trim_start_matches("---"));
    let read = documents.map(|document| {
        serde_saphyr::from_str::<Value>(document).unwrap_or_else(|error| panic!("{error}:\n{document}"))
    });
    read.filter(|object| !object.is_null()).collect()
}

/// The path of all objects of the kind of `object` beside it; the plural is guessed as Kubernetes
/// itself guesses it.
pub fn kind_path(object: &Value) -> String {
    let text =
        |field: &Value| field.as_str().unwrap_or_else(|| panic!("not a whole object: {object}")).to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_lowercase());
    let plural = match &*kind {
        "endpoints" => kind,
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ if kind.ends_with('y') => format!("{}ies", &kind[..kind.len() - 1]),
        _ => format!("{kind}s"),
    };
    let root = if version.contains('/') { "apis" } else { "api" };
    let namespace = object["metadata"]["namespace"].as_str();
    let namespace = namespace.map(|name| format!("namespaces/{name}/")).unwrap_or_default();
    format!("/{root}/{version}/{namespace}{plural}")
}

/// The path of an object.
pub fn path_of(object: &Value) -> String {
    format!("{}/{}", kind_path(object), object["metadata"]["name"].as_str().expect("an object has a name"))
}

impl Cluster {
    /// Creates an object below `path` (`/api/v1/namespaces/n/configmaps`).
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        send(&self.client, "POST", path, Some(object))
            .await
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Creates an object, or says why the API server did not take it.
    pub async fn try_create(&self, path: &str, object: &Value) -> Result<Value, String> {
        send(&self.client, "POST", path, Some(object)).await.map_err(|error| error.to_string())
    }

    /// Reads an object; none when it is not there.
    pub async fn read(&self, path: &str) -> Option<Value> {
        match send(&self.client, "GET", path, None).await {
            Ok(object) => Some(object),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("GET {path}: {error}"),
        }
    }

    /// Replaces an object.
    pub async fn replace(&self, path: &str, object: &Value) -> Value {
        send(&self.client, "PUT", path, Some(object))
            .await
            .unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    /// Replaces an object; false when it was changed since it was read.
    pub async fn try_replace(&self, path: &str, object: &Value) -> bool {
        match send(&self.client, "PUT", path, Some(object)).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.code == 409 => false,
            Err(error) => panic!("PUT {path}: {error}"),
        }
    }

    /// Creates objects in their order, and waits until a definition among them is served, and a
    /// namespace furnished.
    pub async fn create_all(&self, objects: &[Value]) {
        for object in objects {
            self.create(&kind_path(object), object).await;
            if object["kind"] == "CustomResourceDefinition" {
                let group = object["spec"]["group"].as_str().expect("a group");
                let plural = object["spec"]["names"]["plural"].as_str().expect("a plural");
                let version = object["spec"]["versions"][0]["name"].as_str().expect("a version");
                self.serves(&format!("/apis/{group}/{version}/{plural}")).await;
            }
            if object["kind"] == "Namespace" {
                self.furnished(object["metadata"]["name"].as_str().expect("a name")).await;
            }
        }
    }

    /// Waits until the objects of a kind can be listed, and discovery tells of the kind.
    pub async fn serves(&self, kind: &str) {
        let (version, _) = kind.rsplit_once('/').expect("a path");
        for path in [version, kind] {
            eventually(&format!("{path} is served"), async || self.read(path).await).await;
        }
    }

    /// All objects below a path.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.read(path).await.unwrap_or_else(|| panic!("{path} is not served"));
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Changes an object, or the part of it below this subresource, however often others write it
    /// meanwhile.
    pub async fn edit(&self, path: &str, part: &str, change: impl Fn(&mut Value)) {
        eventually(&format!("{path} can be changed"), async || {
            let mut object = self.read(path).await.expect("it is there");
            change(&mut object);
            self.try_replace(&format!("{path}{part}"), &object).await.then_some(())
        })
        .await;
    }

    /// Merges `change` into an object.
    pub async fn merge(&self, path: &str, change: &Value) -> Value {
        self.patch(path, "application/merge-patch+json", change)
            .await
            .unwrap_or_else(|error| panic!("PATCH {path}: {error}"))
    }

    /// Changes an object by the steps of a JSON patch.
    pub async fn change(&self, path: &str, steps: &Value) -> Value {
        self.patch(path, "application/json-patch+json", steps)
            .await
            .unwrap_or_else(|error| panic!("PATCH {path}: {error}"))
    }

    /// Server-side apply by a manager of fields, as Flux, Argo CD and kubectl do it: without force,
    /// so that a conflict is told.
    pub async fn apply_as(&self, manager: &str, object: &Value) -> Result<Value, String> {
        let path = format!("{}?fieldManager={manager}", path_of(object));
        let applied = self.patch(&path, "application/apply-patch+yaml", object).await;
        applied.map_err(|error| format!("{manager} applies {path}: {error}"))
    }

    async fn patch(&self, path: &str, kind: &str, body: &Value) -> kube::Result<Value> {
        let request = Request::patch(path).header("Content-Type", kind).body(body.to_string().into_bytes());
        self.client.request(request.expect("the path is a URI")).await
    }

    /// Makes `owner` the controlling owner of the object at `path`.
    pub async fn own(&self, path: &str, owner: &Value) {
        let reference = json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true});
        self.merge(path, &json!({"metadata": {"ownerReferences": [reference]}})).await;
    }

    /// Deletes an object and waits until it is gone.
    pub async fn remove(&self, path: &str) {
        self.delete(path).await;
        eventually(&format!("{path} is gone"), async || self.read(path).await.is_none().then_some(())).await;
    }

    /// Deletes an object; not being there is fine.
    pub async fn delete(&self, path: &str) {
        match send(&self.client, "DELETE", path, None).await {
            Err(error) if !matches!(&error, kube::Error::Api(status) if status.code == 404) => {
                panic!("DELETE {path}: {error}")
            }
            _ => {}
        }
    }
}

/// Sends a request. A read that fails for a moment, as of a server under load, is sent again.
async fn send(client: &Client, method: &str, path: &str, body: Option<&Value>) -> kube::Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", "application/json")
            .body(body.map(ToString::to_string).unwrap_or_default().into_bytes());
        match client.request(request.expect("the path is a URI")).await {
            Err(error) if method == "GET" && passes(&error) && Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Whether a failure is one of the moment: the connection's, or of a server that cannot serve now.
fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => [429, 500, 502, 503, 504].contains(&status.code),
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}
