//! What an account may do, by the API server's own word. Roles and their bindings come into force a
//! moment after they are created, and go out of it as late.

use serde_json::{Value, json};

use super::{Cluster, eventually};

/// One thing that somebody may do, or not.
#[derive(Clone, Copy, Debug)]
pub struct Right<'a> {
    /// Where; empty for all namespaces and for what is in none.
    pub namespace: &'a str,
    /// `list`.
    pub verb: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// `pods`, or with its subresource `pods/exec`.
    pub resource: &'a str,
    /// The object's name.
    pub name: &'a str,
}

impl Cluster {
    /// Whether a service account has a right.
    pub async fn allows(&self, (namespace, account): (&str, &str), right: &Right<'_>) -> bool {
        let (resource, subresource) = right.resource.split_once('/').unwrap_or((right.resource, ""));
        let attributes = json!({
            "namespace": right.namespace, "verb": right.verb, "group": right.group, "resource": resource,
            "subresource": subresource, "name": right.name,
        });
        let user = format!("system:serviceaccount:{namespace}:{account}");
        let groups = ["system:authenticated".to_owned(), format!("system:serviceaccounts:{namespace}")];
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
        });
        let answer = self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await;
        answer["status"]["allowed"] == true
    }

    /// Waits until all that the roles among `objects` grant is in force for a service account to
    /// which each is bound.
    pub async fn grants(&self, account: (&str, &str), objects: &[Value]) {
        for role in objects.iter().filter(|object| object["rules"].is_array()) {
            let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
            for rule in role["rules"].as_array().into_iter().flatten() {
                for right in rights(namespace, rule) {
                    eventually(&format!("{account:?} has {right:?}"), async || {
                        self.allows(account, &right).await.then_some(())
                    })
                    .await;
                }
            }
        }
    }
}

/// The rights of a rule, spelled out.
fn rights<'a>(namespace: &'a str, rule: &'a Value) -> Vec<Right<'a>> {
    let texts = |field: &str| -> Vec<&'a str> {
        rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut names = texts("resourceNames");
    if names.is_empty() {
        names.push("some");
    }
    let mut rights = Vec::new();
    for verb in texts("verbs") {
        for group in texts("apiGroups") {
            for resource in texts("resources") {
                let right = |name| Right { namespace, verb, group, resource, name };
                rights.extend(names.iter().copied().map(right));
            }
        }
    }
    rights
}
