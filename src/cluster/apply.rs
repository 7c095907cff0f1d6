//! Reads and writes single objects as raw JSON. A write returns only what a restore needs: uid,
//! revision, and the warnings of the API server.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use k8s_openapi::api::autoscaling::v1::Scale;
use serde::Deserialize;

use super::request::{Call, Doing, Success};
use super::{Cluster, ClusterError, ResourceInfo};

/// The field manager: the API server records Ark as the owner of the fields that it writes.
const AS_ARK: &str = "fieldManager=ark";
const JSON: &str = "application/json";
/// The accepted answer to a write: metadata alone, since the whole object would be as large as the
/// request. Servers that do not know this form send the whole object.
const IN_PART: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// The content type of a server-side apply. JSON is YAML, and the API server has no JSON type for
/// it.
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// The result of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The uid of the object; empty if the answer is no object.
    pub uid: String,
    /// The revision of the object.
    pub resource_version: String,
    /// The warnings of the API server, in its words: `unknown field "spec.x"`.
    pub warnings: Vec<String>,
}

/// A change of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    /// A JSON patch (RFC 6902): a list of operations, of which some may be `test`.
    Json(String),
    /// A merge patch (RFC 7396): given fields replace those of the object, null removes a field.
    Merge(String),
    /// A merge patch of the status subresource: `{"status": …}`.
    Status(String),
    /// A server-side apply that forces conflicts: fields change over to this manager, and a
    /// missing object is created.
    Apply {
        /// The fields of the object that the manager sets.
        object: String,
        /// The field manager that owns the fields from then on.
        manager: &'static str,
    },
}

/// The fate of the objects that a deleted object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The garbage collector deletes the owned objects later.
    Background,
    /// The owned objects stay and lose their owner reference.
    Orphan,
}

/// The target of a call: an object, or without a name a kind in a namespace.
#[derive(Clone, Copy)]
struct Target<'a> {
    kind: &'a ResourceInfo,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl Target<'_> {
    fn doing(&self, verb: &'static str) -> Doing<'_> {
        Doing { verb, what: self.kind.resource.as_str(), namespace: self.namespace, name: self.name }
    }

    fn path(&self) -> String {
        self.kind.path(self.namespace, self.name)
    }
}

/// The form of a write.
struct Form {
    verb: &'static str,
    method: Method,
    content: &'static str,
    /// The subresource behind the path, or empty.
    below: &'static str,
    /// The query: the field manager, and whether conflicts are forced.
    query: Cow<'static, str>,
}

impl Form {
    fn new(verb: &'static str, method: Method, content: &'static str) -> Self {
        Self { verb, method, content, below: "", query: Cow::Borrowed(AS_ARK) }
    }
}

impl Patch {
    fn form(&self) -> (Form, &str) {
        let form = |verb, content| Form::new(verb, Method::PATCH, content);
        match self {
            Self::Json(body) => (form("patch", JSON_PATCH), body),
            Self::Merge(body) => (form("patch", MERGE_PATCH), body),
            Self::Status(body) => {
                (Form { below: "/status", ..form("patch the status of", MERGE_PATCH) }, body)
            }
            Self::Apply { object, manager } => {
                let query = format!("fieldManager={manager}&force=true");
                (Form { query: query.into(), ..form("apply", APPLY_PATCH) }, object)
            }
        }
    }
}

impl Cluster {
    /// Returns the body of one object, or `None` if the object does not exist.
    ///
    /// # Errors
    /// If the API server refuses the call, does not answer within its deadline, or cannot be
    /// reached.
    pub async fn get(
        &self,
        kind: &ResourceInfo,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Bytes>, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        match self.call(&Call::get(&target.path(), target.doing("get"))).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the subresource `scale` of an object, or `None` if the object does not exist, or its
    /// kind has none.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn scale(
        &self,
        kind: &ResourceInfo,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Scale>, ClusterError> {
        let target = Target { kind, namespace: Some(namespace), name: Some(name) };
        let path = format!("{}/scale", target.path());
        match self.read(&Call::get(&path, target.doing("get the scale of"))).await {
            Ok(scale) => Ok(Some(scale)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object. Callers tell conflicts apart by [`ClusterError::is_already_exists`],
    /// [`ClusterError::may_be_own`] and [`ClusterError::may_be_there`].
    ///
    /// The name is the body's; messages contain the name only if the API server's do.
    ///
    /// # Errors
    /// If the API server refuses the call, does not answer within its deadline, or cannot be
    /// reached.
    pub async fn create(
        &self,
        kind: &ResourceInfo,
        namespace: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: None };
        self.write(target, Form::new("create", Method::POST, JSON), body.into()).await
    }

    /// Replaces an existing object. If the body has a resourceVersion, only that revision is
    /// replaced.
    ///
    /// # Errors
    /// If the API server refuses the call, does not answer within its deadline, or cannot be
    /// reached. [`ClusterError::is_conflict`] if the object has another revision,
    /// [`ClusterError::is_not_found`] if it does not exist.
    pub async fn replace(
        &self,
        kind: &ResourceInfo,
        namespace: Option<&str>,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        self.write(target, Form::new("replace", Method::PUT, JSON), body.into()).await
    }

    /// Changes an object.
    ///
    /// # Errors
    /// If the API server refuses the call, does not answer within its deadline, or cannot be
    /// reached. [`ClusterError::is_not_found`] if the object does not exist.
    pub async fn patch(
        &self,
        kind: &ResourceInfo,
        namespace: Option<&str>,
        name: &str,
        patch: &Patch,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: Some(name) };
        let (form, body) = patch.form();
        self.write(target, form, Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// Sends a write. The API server drops fields that it does not know, and warns of them.
    async fn write(&self, target: Target<'_>, form: Form, body: Bytes) -> Result<Written, ClusterError> {
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
        let path = format!("{}{}?{}&fieldValidation=Warn", target.path(), form.below, form.query);
        let call = Call::send(form.method, &path, form.content, body, target.doing(form.verb));
        let Success { body, warnings } = self.exchange(&Call { accept: IN_PART, ..call }).await?;
        // The write succeeded, whatever the answer looks like.
        let Object { metadata } = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Written { uid: metadata.uid, resource_version: metadata.resource_version, warnings })
    }

    /// Deletes an object; with a uid, only the object of that uid. An object that does not exist
    /// counts as deleted.
    ///
    /// # Errors
    /// If the API server refuses the call, does not answer within its deadline, or cannot be
    /// reached. [`ClusterError::is_conflict`] if the object has another uid.
    pub async fn delete(
        &self,
        kind: &ResourceInfo,
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
        let (path, body) = (target.path(), Bytes::from(options.to_string()));
        match self.call(&Call::send(Method::DELETE, &path, JSON, body, target.doing("delete"))).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
