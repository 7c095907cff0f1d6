//! Tests of the messages for a wrong kubeconfig or a server that cannot be reached.

use super::*;
use crate::cluster::script::{answer, failure, script};
use crate::model::{Category, causes};

/// Two contexts; nobody listens on the server's port.
const KUBECONFIG: &str = r#"{"apiVersion":"v1","kind":"Config","current-context":"dev",
    "clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"users":[],
    "contexts":[{"name":"dev","context":{"cluster":"c"}},{"name":"prod","context":{"cluster":"nowhere"}}]}"#;

async fn connect(kubeconfig: &str, context: Option<&str>) -> Result<Cluster, ClusterError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, kubeconfig).unwrap();
    Cluster::connect(&ConnectOptions {
        kubeconfig: Some(path),
        context: context.map(str::to_owned),
        ..ConnectOptions::default()
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_within_seconds() {
    let cluster = connect(KUBECONFIG, None).await.unwrap();
    let error = cluster.identity().await.unwrap_err();
    assert!(error.is_about_the_connection());
    assert_eq!(error.category(), Category::Unavailable);
    let text = causes(&error);
    assert!(
        text.starts_with(
            "cannot reach the API server at https://127.0.0.1:1 to read the version: Connection refused"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn who_may_not_see_which_cluster_it_is_learns_what_to_ask_for() {
    let message =
        r#"namespaces \"kube-system\" is forbidden: User \"me\" cannot get resource \"namespaces\""#;
    let forbidden = failure(403, "Forbidden", message, r#""details":{"name":"kube-system"}"#);
    let (cluster, _) = script(vec![answer(200, r#"{"gitVersion":"v1.35.4"}"#), forbidden]);
    let error = cluster.identity().await.unwrap_err();
    assert_eq!((error.category(), error.is_about_the_connection()), (Category::Forbidden, true));
    let text = causes(&error);
    assert!(text.contains("cannot get resource"), "{text}");
    assert!(text.ends_with("ask for a role with the verb get on the namespace kube-system"), "{text}");
}

#[tokio::test]
async fn a_context_that_is_not_there_is_told_with_those_that_are() {
    let text = connect(KUBECONFIG, Some("staging")).await.unwrap_err().to_string();
    assert!(text.contains("no usable context `staging`; it has: dev, prod"), "{text}");
    let text =
        connect(&KUBECONFIG.replace("current-context", "was-current"), None).await.unwrap_err().to_string();
    assert!(text.contains("no current context; name one with --context; it has: dev, prod"), "{text}");
}

#[tokio::test]
async fn a_kubeconfig_that_is_none_is_named_with_what_is_wrong() {
    let missing = ConnectOptions { kubeconfig: Some("no/such/file".into()), ..ConnectOptions::default() };
    let text = causes(&Cluster::connect(&missing).await.unwrap_err());
    assert_eq!(text, "cannot use the kubeconfig no/such/file: No such file or directory (os error 2)");
    for broken in ["{", "clusters: 5"] {
        assert!(matches!(connect(broken, None).await, Err(ClusterError::Kubeconfig { .. })), "{broken}");
    }
    let error = connect(KUBECONFIG, Some("prod")).await.unwrap_err();
    let text = causes(&error);
    assert!(text.contains("is in the cluster `nowhere`, which it does not describe"), "{text}");
}
