//! Reading and writing single objects as raw JSON; answers are the objects as they are then.

use bytes::Bytes;
use http::Method;

use super::request::{Call, Doing};
use super::{Cluster, ClusterError, KindInfo};

/// Whom the API server notes as the owner of the fields that Ark writes.
const MANAGER: &str = "ark";
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// JSON is YAML; the API server knows no JSON name for it.
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// Which object.
#[derive(Clone, Copy)]
struct Target<'a> {
    kind: &'a KindInfo,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl Target<'_> {
    fn doing(&self, verb: &'static str) -> Doing<'_> {
        Doing { verb, what: self.kind.kind.as_str(), namespace: self.namespace, name: self.name }
    }

    fn path(&self, rest: &str) -> String {
        self.kind.path(self.namespace, self.name) + rest
    }
}

impl Cluster {
    /// One object; None when it is not there.
    pub async fn get(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Bytes>, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        match self.call(&Call::get(&target.path(""), target.doing("get"))).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object. See [`ClusterError::is_already_exists`] and [`ClusterError::may_be_own`].
    ///
    /// The name is the body's; messages carry it only when the API server's do.
    pub async fn create(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, ClusterError> {
        let target = Target { kind, namespace, name: None };
        let path = target.path(&format!("?fieldManager={MANAGER}"));
        self.call(&Call::send(Method::POST, &path, JSON, body.into(), target.doing("create"))).await
    }

    /// Server-side apply as `manager`; `force` takes fields over from other managers.
    pub async fn apply(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        body: impl Into<Bytes>,
        manager: &str,
        force: bool,
    ) -> Result<Bytes, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let manager: String = url::form_urlencoded::byte_serialize(manager.as_bytes()).collect();
        let path = target.path(&format!("?fieldManager={manager}&force={force}"));
        self.call(&Call::send(Method::PATCH, &path, APPLY_PATCH, body.into(), target.doing("apply"))).await
    }

    /// Patches the status subresource with an RFC 7396 merge patch: `{"status": …}`.
    pub async fn patch_status(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let path = target.path(&format!("/status?fieldManager={MANAGER}"));
        let doing = target.doing("patch the status of");
        self.call(&Call::send(Method::PATCH, &path, MERGE_PATCH, body.into(), doing)).await
    }

    /// Deletes an object, and in the background what it owns; with a uid only that very object. Not being there is fine.
    pub async fn delete(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        uid: Option<&str>,
    ) -> Result<(), ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let preconditions = uid.map(|uid| serde_json::json!({ "uid": uid }));
        let options = serde_json::json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "preconditions": preconditions,
        });
        let body = Bytes::from(options.to_string());
        match self
            .call(&Call::send(Method::DELETE, &target.path(""), JSON, body, target.doing("delete")))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
