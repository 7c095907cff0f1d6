//! Reading and writing single objects as raw JSON. Of what was written only the little comes back that a restore needs: its
//! uid, its revision, and what the API server warns of.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::request::{Call, Doing, Success};
use super::{Cluster, ClusterError, KindInfo};

/// Whom the API server notes as the owner of the fields that Ark writes.
const MANAGER: &str = "ark";
const JSON: &str = "application/json";
/// The answer to a write; the whole object would be as large as what was sent. Who does not know this form sends all.
const IN_PART: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// JSON is YAML; the API server knows no JSON name for it.
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// What became of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The uid of the object; empty when the answer is no object.
    pub uid: String,
    /// The revision of the object.
    pub resource_version: String,
    /// What the API server warns of, in its words: `unknown field "spec.x"`.
    pub warnings: Vec<String>,
}

/// A change of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    /// RFC 6902: a list of operations, of which a `test` may be one.
    Json(String),
    /// RFC 7396: what is given replaces what is there, null removes it.
    Merge(String),
}

/// What becomes of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted, too, later on.
    Background,
    /// They stay, without this owner.
    Orphan,
}

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

    /// The path of a write: fields that the server does not know are warned of and dropped.
    fn write_path(&self, rest: &str, manager: &str) -> String {
        let manager: String = url::form_urlencoded::byte_serialize(manager.as_bytes()).collect();
        self.path(&format!("{rest}?fieldManager={manager}&fieldValidation=Warn"))
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

    /// Creates an object. See [`ClusterError::is_already_exists`], [`ClusterError::may_be_own`] and
    /// [`ClusterError::may_be_there`].
    ///
    /// The name is the body's; messages carry it only when the API server's do.
    pub async fn create(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: None };
        let path = target.write_path("", MANAGER);
        self.write(Call::send(Method::POST, &path, JSON, body.into(), target.doing("create"))).await
    }

    /// Writes an object in place of the one that is there, of the revision that the body names if it names one.
    pub async fn replace(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let path = target.write_path("", MANAGER);
        self.write(Call::send(Method::PUT, &path, JSON, body.into(), target.doing("replace"))).await
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
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let path = target.write_path("", manager) + &format!("&force={force}");
        self.write(Call::send(Method::PATCH, &path, APPLY_PATCH, body.into(), target.doing("apply"))).await
    }

    /// Changes an object that is there.
    pub async fn patch(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        patch: &Patch,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let (content, body) = match patch {
            Patch::Json(body) => (JSON_PATCH, body),
            Patch::Merge(body) => (MERGE_PATCH, body),
        };
        let path = target.write_path("", MANAGER);
        self.write(Call::send(Method::PATCH, &path, content, body.clone().into(), target.doing("patch")))
            .await
    }

    /// Patches the status subresource with an RFC 7396 merge patch: `{"status": …}`.
    pub async fn patch_status(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let path = target.write_path("/status", MANAGER);
        let doing = target.doing("patch the status of");
        self.write(Call::send(Method::PATCH, &path, MERGE_PATCH, body.into(), doing)).await
    }

    async fn write(&self, call: Call<'_>) -> Result<Written, ClusterError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Metadata {
            uid: String,
            resource_version: String,
        }
        let Success { body, warnings } = self.exchange(&Call { accept: IN_PART, ..call }).await?;
        // It is written, whatever the answer looks like.
        let Object { metadata } = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Written { uid: metadata.uid, resource_version: metadata.resource_version, warnings })
    }

    /// Deletes an object; with a uid only that very object. Not being there is fine.
    pub async fn delete(
        &self,
        kind: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        uid: Option<&str>,
        owned: Propagation,
    ) -> Result<(), ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let preconditions = uid.map(|uid| serde_json::json!({ "uid": uid }));
        let policy = match owned {
            Propagation::Background => "Background",
            Propagation::Orphan => "Orphan",
        };
        let options = serde_json::json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy, "preconditions": preconditions,
        });
        let (path, body) = (target.path(""), Bytes::from(options.to_string()));
        match self.call(&Call::send(Method::DELETE, &path, JSON, body, target.doing("delete"))).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
