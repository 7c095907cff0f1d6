//! Failures of the API server in words for a person, with what to do about them. Pure.

use std::fmt;
use std::time::Duration;

use kube::core::Status;

use crate::api::GROUP;
use crate::cli::exit::Failure;
use crate::cluster::ClusterError;
use crate::model::{RootCause, chain};

/// A call to the API server, for messages.
pub struct ApiCall<'a> {
    pub verb: &'static str,
    pub noun: &'static str,
    pub plural: String,
    pub name: Option<&'a str>,
    pub namespace: &'a str,
    pub server: &'a str,
}

impl fmt::Display for ApiCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, noun, plural, name, namespace, server: _ } = self;
        match name {
            Some(name) => write!(f, "{verb} {noun} {namespace}/{name}"),
            None => write!(f, "{verb} {plural} in namespace {namespace}"),
        }
    }
}

/// Returns whether the API server knows the kind and has no object of that name.
pub fn is_no_object(error: &kube::Error) -> bool {
    status(error).is_some_and(|status| status.code == 404 && missing_kind(status).is_some())
}

/// Returns whether an object has the name already.
pub fn is_taken(error: &kube::Error) -> bool {
    status(error).is_some_and(|status| status.code == 409 && status.reason == "AlreadyExists")
}

/// Returns the failure that an object has the name already. `held` says why an object that was
/// deleted is still there.
pub fn taken(asked: &ApiCall<'_>, held: Option<&str>) -> Failure {
    let ApiCall { noun, name, namespace, .. } = asked;
    let name = name.unwrap_or_default();
    Failure::because(match held {
        Some(held) => format!(
            "there is still a {noun} `{name}` in namespace {namespace}: {held}; use another name, or wait until it is gone"
        ),
        None => format!(
            "there is already a {noun} `{name}` in namespace {namespace}; use another name, or delete that one first"
        ),
    })
}

/// Returns the sentence that the namespace does not exist.
pub fn no_namespace(namespace: &str) -> String {
    format!(
        "there is no namespace `{namespace}` in this cluster; name Ark's with -n, or install Ark: `ark install` prints what to apply"
    )
}

/// Returns the failure that no answer came within `after`.
pub fn timed_out(asked: &ApiCall<'_>, after: Duration) -> Failure {
    ClusterError::Timeout { server: asked.server.to_owned(), doing: asked.to_string(), after }.into()
}

/// Returns the failure that an error of a call means to a person.
pub fn explain(asked: &ApiCall<'_>, error: &kube::Error) -> Failure {
    let ApiCall { verb, plural, namespace, server, .. } = asked;
    let Some(status) = status(error) else { return unanswered(asked, error) };
    let message = &status.message;
    match status.code {
        401 => ClusterError::Credentials {
            server: (*server).to_owned(),
            doing: asked.to_string(),
            source: message.clone().into(),
        }
        .into(),
        // RBAC says which user "cannot" do what; other refusals, of admission for example, are
        // shown in their own words.
        403 if message.contains(" cannot ") => Failure::because(format!(
            "you may not {verb} {plural}.{GROUP} in namespace {namespace}: {message}; ask for a role that allows the verb `{verb}` on the resource `{plural}` of the group `{GROUP}` there"
        )),
        404 if missing_kind(status) == Some("namespaces") => Failure::not_found(no_namespace(namespace)),
        404 if missing_kind(status).is_none() => Failure::because(format!(
            "cannot {asked}: this cluster does not know the kind `{plural}.{GROUP}`, so that Ark is not installed in it; `ark install` prints what to apply, `ark crd` the kinds alone"
        )),
        code => Failure::because(format!("cannot {asked}: {message} ({code} {})", status.reason)),
    }
}

/// Returns the failure of a call without an answer. Only the innermost cause is shown: the client's
/// own errors nest too deeply for a person.
fn unanswered(asked: &ApiCall<'_>, error: &kube::Error) -> Failure {
    let (server, doing) = (asked.server.to_owned(), asked.to_string());
    let RootCause(cause) = RootCause::of(error);
    let is_untrusted = cause.contains("invalid peer certificate");
    let source = cause.into();
    match error {
        kube::Error::SerdeError(_) => ClusterError::Answer { doing, source }.into(),
        _ if chain(error).any(|cause| cause.is::<kube::client::AuthError>()) => {
            ClusterError::Credentials { server, doing, source }.into()
        }
        _ if is_untrusted => ClusterError::Untrusted { server, source }.into(),
        _ => ClusterError::Unreachable { server, doing, source }.into(),
    }
}

fn status(error: &kube::Error) -> Option<&Status> {
    match error {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}

/// Returns the kind of the missing object, or `None` if the API server does not know the requested
/// kind itself.
fn missing_kind(status: &Status) -> Option<&str> {
    let details = status.details.as_ref()?;
    (status.reason == "NotFound" && !details.name.is_empty()).then_some(details.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, reason: &str, message: &str, details: Option<(&str, &str)>) -> kube::Error {
        let mut status = serde_json::json!({"code": code, "reason": reason, "message": message});
        if let Some((kind, name)) = details {
            status["details"] = serde_json::json!({"kind": kind, "name": name});
        }
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    fn told(error: &kube::Error) -> String {
        let asked = ApiCall {
            verb: "create",
            noun: "backup",
            plural: "backups".to_owned(),
            name: Some("nightly"),
            namespace: "heptio-ark",
            server: "https://here",
        };
        explain(&asked, error).message().to_owned()
    }

    #[test]
    fn a_missing_object_kind_and_namespace_are_told_apart() {
        let object = said(404, "NotFound", "backups \"nightly\" not found", Some(("backups", "nightly")));
        assert!(is_no_object(&object));
        let kind = said(404, "NotFound", "the server could not find the requested resource", None);
        assert!(!is_no_object(&kind));
        assert!(told(&kind).contains("`ark install`"), "{}", told(&kind));
        let namespace =
            said(404, "NotFound", "namespaces \"heptio-ark\" not found", Some(("namespaces", "heptio-ark")));
        assert!(told(&namespace).starts_with("there is no namespace `heptio-ark`"), "{}", told(&namespace));
        let no_status = said(404, "Failed to parse error data", "404 page not found", None);
        assert!(told(&no_status).contains("Ark is not installed"), "{}", told(&no_status));
    }

    #[test]
    fn what_is_forbidden_is_named_by_verb_and_resource() {
        let message = "backups.ark.heptio.com is forbidden: User \"me\" cannot create resource \"backups\"";
        let told = told(&said(403, "Forbidden", message, None));
        assert!(told.contains("the verb `create` on the resource `backups`"), "{told}");
    }

    #[test]
    fn any_other_no_is_repeated_with_its_reason() {
        let told = told(&said(422, "Invalid", "spec.ttl: Invalid value", None));
        assert_eq!(told, "cannot create backup heptio-ark/nightly: spec.ttl: Invalid value (422 Invalid)");
    }
}
