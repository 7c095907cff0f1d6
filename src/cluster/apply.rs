//! Reading and writing single objects as raw JSON. Of what was written only the little comes back that a restore needs: its
//! uid, its revision, and what the API server warns of.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::request::{Call, Doing, Success};
use super::{Cluster, ClusterError, ResourceInfo};

/// The API server notes Ark as the owner of the fields that it writes.
const AS_ARK: &str = "fieldManager=ark";
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
    /// The same of the status subresource: `{"status": …}`.
    Status(String),
    /// Server-side apply: fields go over to this manager from others, and an object that is not there is made.
    Apply {
        /// The object, as far as the manager has a say in it.
        object: String,
        /// Who owns its fields from then on.
        manager: &'static str,
    },
}

/// What becomes of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted, too, later on.
    Background,
    /// They stay, without this owner.
    Orphan,
}

/// Which object; without a name, which kind in which namespace.
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

/// How something is written.
struct Form {
    verb: &'static str,
    method: Method,
    content: &'static str,
    /// Behind the path of the object: of a subresource, else nothing.
    below: &'static str,
    /// What is asked besides: by whom, and whether that one takes fields over.
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
    /// One object; None when it is not there.
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

    /// Creates an object. See [`ClusterError::is_already_exists`], [`ClusterError::may_be_own`] and
    /// [`ClusterError::may_be_there`].
    ///
    /// The name is the body's; messages carry it only when the API server's do.
    pub async fn create(
        &self,
        kind: &ResourceInfo,
        namespace: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<Written, ClusterError> {
        let target = Target { kind, namespace, name: None };
        self.write(target, Form::new("create", Method::POST, JSON), body.into()).await
    }

    /// Writes an object in place of the one that is there, of the revision that the body names if it names one.
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

    /// Fields that the API server does not know are dropped, and warned of.
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
        // It is written, whatever the answer looks like.
        let Object { metadata } = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Written { uid: metadata.uid, resource_version: metadata.resource_version, warnings })
    }

    /// Deletes an object; with a uid only that very object. Not being there is fine.
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
