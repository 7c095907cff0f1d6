//! Objects as JSON, by the path of their kind.

use kube::Client;
use serde_json::Value;

use super::Cluster;

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

async fn send(client: &Client, method: &str, path: &str, body: Option<&Value>) -> kube::Result<Value> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", "application/json")
        .body(body.map(ToString::to_string).unwrap_or_default().into_bytes());
    client.request(request.expect("the path is a URI")).await
}
