//! Checks what a server needs before it does anything: API server, CRDs, namespace. Each failure
//! says what to do.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::error::ControllerError;
use super::schema::{ServedFields, missing_fields};
use crate::api::{GROUP, VERSION, crds};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::model::causes;

/// Pause after the first look that no API server answered; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause: an API server that comes back after hours is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Looks until an API server answers: a process that ended instead would be restarted at growing
/// intervals. Returns `None` if the server was asked to end before.
///
/// # Errors
/// As [`check`], once the API server answers.
pub async fn wait(
    cluster: &Cluster,
    namespace: &str,
    stop: &CancellationToken,
) -> Result<Option<ClusterIdentity>, ControllerError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match check(cluster, namespace).await {
            Err(error) if error.is_away() => {
                tracing::warn!(again_in = ?pause, "waiting for the API server: {}", causes(&error));
            }
            looked => return looked.map(Some),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Checks that the cluster can be reached and has what the server needs. Returns the cluster's
/// identity.
///
/// # Errors
/// If something is missing; the error says what to do about it.
pub async fn check(cluster: &Cluster, namespace: &str) -> Result<ClusterIdentity, ControllerError> {
    let identity = cluster
        .identity()
        .await
        .map_err(ControllerError::cluster("ask the API server which cluster it is"))?;
    check_definitions(&cluster.client()).await?;
    check_namespace(cluster.client(), namespace).await?;
    Ok(identity)
}

/// Fails if the API server does not serve Ark's kinds, or would drop fields of them.
async fn check_definitions(client: &Client) -> Result<(), ControllerError> {
    let version = format!("{GROUP}/{VERSION}");
    let doing = format!("ask the API server for the kinds of {version}");
    let served = match ControllerError::within(doing, client.list_api_group_resources(&version)).await {
        Ok(list) => list.resources.into_iter().map(|resource| resource.name).collect(),
        Err(error) if error.is_not_found() => BTreeSet::new(),
        Err(error) => return Err(error),
    };
    let definitions = crds();
    let needed = definitions.iter().map(|definition| definition.spec.names.plural.as_str());
    let missing: Vec<_> = needed.filter(|plural| !served.contains(*plural)).collect();
    if !missing.is_empty() {
        return Err(ControllerError::NoDefinitions { missing: missing.join(", ") });
    }
    let document = document(client).await.unwrap_or_default();
    let missing = definitions.iter().flat_map(|definition| missing_fields(definition, &document));
    match missing.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => Ok(()),
        fields => Err(ControllerError::OldDefinitions { fields }),
    }
}

/// Returns what the API server says of the fields of Ark's kinds, which everybody may read; `None`
/// if it does not say, which is no reason not to begin.
async fn document(client: &Client) -> Option<ServedFields> {
    let path = format!("/openapi/v3/apis/{GROUP}/{VERSION}");
    let request = http::Request::get(&path).body(Vec::new()).ok()?;
    match ControllerError::within(format!("read {path}"), client.request(request)).await {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::warn!(
                "the server begins without knowing whether the cluster's definitions of Ark's kinds are of its version: {}",
                causes(&error)
            );
            None
        }
    }
}

/// Fails if the namespace does not exist. Treats "forbidden" as "exists".
async fn check_namespace(client: Client, namespace: &str) -> Result<(), ControllerError> {
    let namespaces: Api<Namespace> = Api::all(client);
    let doing = format!("look for the namespace `{namespace}`");
    match ControllerError::within(doing, namespaces.get_metadata(namespace)).await {
        // A server that may not look at namespaces learns from its first request in this one.
        Err(error) if error.is_status(403) => Ok(()),
        Err(error) if error.is_not_found() => {
            Err(ControllerError::NoNamespace { namespace: namespace.to_owned() })
        }
        looked => looked.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::script::{Answer, answer, broken, failure, serve};
    use crate::controller::schema::document;

    const IDENTITY: &str = r#"{"metadata": {"uid": "u-1"}}"#;

    fn group(plurals: &[&str]) -> Answer {
        let resources: Vec<_> = plurals
            .iter()
            .map(|name| {
                format!(r#"{{"name":"{name}","singularName":"","namespaced":true,"kind":"X","verbs":[]}}"#)
            })
            .collect();
        answer(
            200,
            format!(
                r#"{{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"ark.heptio.com/v1","resources":[{}]}}"#,
                resources.join(",")
            ),
        )
    }

    /// Returns the outcome for a cluster with these kinds and this answer about the namespace.
    async fn found(
        kinds: fn() -> Answer,
        namespace: fn() -> Answer,
    ) -> Result<ClusterIdentity, ControllerError> {
        let (cluster, _) = serve(move |_, asked| match asked.uri.as_str() {
            "/version" => answer(200, r#"{"gitVersion":"v1.35.4"}"#),
            "/api/v1/namespaces/kube-system" => answer(200, IDENTITY),
            "/apis/ark.heptio.com/v1" => kinds(),
            _ => namespace(),
        });
        check(&cluster, "heptio-ark").await
    }

    fn all() -> Answer {
        let plurals: Vec<_> = crds().into_iter().map(|definition| definition.spec.names.plural).collect();
        group(&plurals.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn namespace() -> Answer {
        answer(
            200,
            r#"{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"name":"heptio-ark"}}"#,
        )
    }

    #[tokio::test]
    async fn a_cluster_that_has_all_is_known_by_its_identity() {
        assert_eq!(found(all, namespace).await.unwrap().uid, "u-1");
        let forbidden = || failure(403, "Forbidden", "namespaces is forbidden", "");
        assert!(found(all, forbidden).await.is_ok(), "a narrow role suffices");
    }

    #[tokio::test]
    async fn missing_definitions_are_named_with_what_to_do() {
        let absent = || failure(404, "NotFound", "the server could not find the requested resource", "");
        let error = found(absent, namespace).await.unwrap_err().to_string();
        assert!(
            error.contains("backups, ") && error.contains("ark crd | kubectl apply --server-side -f -"),
            "{error}"
        );
        let error = found(|| group(&["backups"]), namespace).await.unwrap_err().to_string();
        assert!(error.contains("restores") && !error.contains("(backups"), "{error}");
    }

    #[tokio::test]
    async fn definitions_that_are_older_than_the_server_are_told_with_what_to_do() {
        let mut old = document(&crds());
        let schedule =
            &mut old["components"]["schemas"]["com.heptio.ark.v1.Schedule"]["properties"]["status"];
        schedule["properties"].as_object_mut().unwrap().remove("counting");
        for (document, refused) in [
            (answer(200, old.to_string()), true),
            (answer(200, document(&crds()).to_string()), false),
            (failure(403, "Forbidden", "no", ""), false),
            (answer(200, "[]"), false),
        ] {
            let mut document = Some(document);
            let (cluster, _) = serve(move |_, asked| match asked.uri.as_str() {
                "/version" => answer(200, r#"{"gitVersion":"v1.35.4"}"#),
                "/api/v1/namespaces/kube-system" => answer(200, IDENTITY),
                "/apis/ark.heptio.com/v1" => all(),
                "/openapi/v3/apis/ark.heptio.com/v1" => document.take().unwrap(),
                _ => namespace(),
            });
            let looked = check(&cluster, "heptio-ark").await.map_err(|error| error.to_string());
            assert_eq!(looked.is_err(), refused, "{looked:?}");
            if let Err(error) = looked {
                let advice = "ark crd | kubectl apply --server-side --force-conflicts -f -";
                assert!(error.contains("schedules status.counting") && error.contains(advice), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn a_missing_namespace_is_named_with_what_to_do() {
        let absent = || failure(404, "NotFound", "namespaces not found", "");
        let error = found(all, absent).await.unwrap_err().to_string();
        assert!(error.contains("no namespace `heptio-ark`") && error.contains("--namespace"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_away_is_waited_for_until_the_server_shall_end() {
        let (cluster, _) = serve(|before, asked| match asked.uri.as_str() {
            _ if before < 40 => broken(),
            "/version" => answer(200, r#"{"gitVersion":"v1.35.4"}"#),
            "/api/v1/namespaces/kube-system" => answer(200, IDENTITY),
            "/apis/ark.heptio.com/v1" => all(),
            _ => namespace(),
        });
        let stop = CancellationToken::new();
        let found = wait(&cluster, "heptio-ark", &stop).await.unwrap();
        assert_eq!(found.expect("it came back").uid, "u-1");
        let (cluster, _) = serve(|_, _| broken());
        stop.cancel();
        assert!(wait(&cluster, "heptio-ark", &stop).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_an_api_server_refuses_is_told_at_once() {
        let absent = || failure(404, "NotFound", "the server could not find the requested resource", "");
        let (cluster, _) = serve(move |_, asked| match asked.uri.as_str() {
            "/version" => answer(200, r#"{"gitVersion":"v1.35.4"}"#),
            "/api/v1/namespaces/kube-system" => answer(200, IDENTITY),
            _ => absent(),
        });
        let waited = wait(&cluster, "heptio-ark", &CancellationToken::new()).await;
        assert!(matches!(waited, Err(ControllerError::NoDefinitions { .. })));
    }
}
