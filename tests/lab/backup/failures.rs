//! What goes wrong around a backup, and what is left in the bucket then.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{back_up, config_map, contents, files_in};
use crate::process::{Running, run};
use crate::support::{
    Act, Cluster, Interceptor, Lab, Right, TestNamespace, eventually, fact, interrupt, unique,
};

/// Four processes, two of each cluster, run `backup run` for one name of one bucket.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn of_two_runs_under_one_name_exactly_one_makes_the_backup() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    run(&mut lab.a.ark(["bucket", "list", "--location", &bucket])).expect_code(0);
    let arguments = ["backup", "run", "same", "--location", &bucket, "--include-namespaces", "kube-public"];
    let racing = [&lab.a, &lab.a, &lab.b, &lab.b].map(|cluster| Running::start(&mut cluster.ark(arguments)));
    let runs = racing.map(Running::wait);
    let made: Vec<_> = runs.iter().filter(|run| run.code == Some(0)).collect();
    assert_eq!(made.len(), 1, "{runs:?}");
    for lost in runs.iter().filter(|run| run.code != Some(0)) {
        assert_eq!(lost.code, Some(1), "{lost:?}");
        assert!(lost.stderr.contains("the backup name `same` is taken"), "{lost:?}");
    }
    run(&mut lab.a.ark(["backup", "verify", "same", "--location", &bucket])).expect_code(0);
    let again = back_up(&lab.b, &bucket, "same", &[], 1);
    assert!(again.stderr.contains("the backup name `same` is taken"), "{}", again.stderr);
}

/// SIGINT while a list is not answered: exit code 1, and the folder of the run is empty.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn ctrl_c_removes_what_was_half_written_and_says_so() {
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let made = folder.path().join("backups/stopped");
    // One list is not answered, so that the run cannot be complete before it is interrupted.
    let (api, never) = (Interceptor::of_cluster(&lab.a).await, CancellationToken::new());
    api.set(
        move |asked| {
            if asked.path.ends_with("/configmaps") { Act::Held(never.clone()) } else { Act::Pass }
        },
    );
    let kubeconfig = api.kubeconfig();
    let mut command = lab.a.ark(["backup", "run", "stopped", "--location", &bucket, "--kubeconfig"]);
    let running = Running::start(command.arg(kubeconfig.path()));
    eventually("the claim", async || made.join("claim.json").exists().then_some(())).await;
    interrupt(&running);
    let ended = tokio::task::spawn_blocking(|| running.wait()).await.expect("it ends").expect_code(1);
    assert!(ended.stderr.contains("stopping: removing what is half-written"), "{ended:?}");
    assert!(ended.stderr.contains("was stopped before it was complete"), "{ended:?}");
    assert_eq!(files_in(&made), Vec::<String>::new());
}

/// RBAC lets the account list ConfigMaps and Namespaces alone: exit code 3, and the backup has
/// these.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_kind_that_is_forbidden_is_told_and_the_rest_goes_on() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "forbidden").await;
    config_map(&lab.a, &namespace.name, "allowed", &json!({})).await;
    let reader = Reader::create(&lab.a, &namespace.name).await;
    let kubeconfig = reader.kubeconfig.path().to_str().expect("text");
    let flags = [
        "--include-namespaces",
        &namespace.name,
        "--include-cluster-resources=false",
        "--kubeconfig",
        kubeconfig,
    ];
    let made = back_up(&lab.a, &bucket, "forbidden", &flags, 3);
    reader.delete(&lab.a).await;
    assert!(made.stderr.contains("secrets: listing broke off"), "{}", made.stderr);
    assert!(made.stderr.contains("forbidden"), "{}", made.stderr);
    let items = contents(&lab.a, &bucket, "forbidden");
    assert!(items.contains(&format!("configmaps {}/allowed", namespace.name)), "{items:?}");
    assert!(items.iter().all(|item| !item.starts_with("secrets ")), "{items:?}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn credentials_that_are_not_accepted_are_a_cluster_that_cannot_be_reached() {
    let lab = Lab::get().await;
    let kubeconfig = kubeconfig_with_token(&lab.a, "expired-or-wrong");
    let arguments = ["backup", "run", "x", "--location", &lab.bucket(), "--kubeconfig"]
        .map(str::to_owned)
        .into_iter()
        .chain([kubeconfig.path().display().to_string()]);
    let arguments: Vec<String> = arguments.collect();
    let made = run(&mut lab.a.ark(arguments.iter().map(String::as_str))).expect_code(5);
    assert!(made.stderr.contains("does not accept the credentials"), "{}", made.stderr);
}

/// Neither the token of the account, nor the key of S3, nor the data of a Secret, at `-vv`.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn no_log_tells_a_secret_however_much_it_says() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "discreet").await;
    let secret = json!({"metadata": {"name": "login"}, "stringData": {"password": "open-sesame"}});
    lab.a.create(&format!("/api/v1/namespaces/{}/secrets", namespace.name), &secret).await;
    let reader = Reader::create(&lab.a, &namespace.name).await;
    let kubeconfig = reader.kubeconfig.path().to_str().expect("text");
    let scope = ["--include-namespaces", &namespace.name, "--include-cluster-resources=false", "-vv"];
    let mut by_reader: Vec<&str> = scope.to_vec();
    by_reader.extend(["--kubeconfig", kubeconfig]);
    let config = std::fs::read_to_string(reader.kubeconfig.path()).expect("readable");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let token = config["users"][0]["user"]["token"].as_str().expect("a token").to_owned();
    let runs = [
        back_up(&lab.a, &bucket, "by-reader", &by_reader, 3),
        back_up(&lab.a, &bucket, "by-administrator", &scope, 0),
        run(&mut lab.a.ark(["backup", "logs", "by-administrator", "--location", &bucket, "-vv"]))
            .expect_code(0),
        back_up(&lab.a, &bucket.replace(&lab.s3, "http://127.0.0.1:1"), "nowhere", &scope, 6),
    ];
    reader.delete(&lab.a).await;
    let said: String = runs.iter().map(|run| format!("{}{}", run.stdout, run.stderr)).collect();
    assert!(said.contains("DEBUG"), "{said}");
    for hidden in [&*token, &fact("AWS_SECRET_ACCESS_KEY"), "open-sesame", "b3Blbi1zZXNhbWU"] {
        assert!(!said.contains(hidden), "{hidden} was told");
    }
}

/// A service account that may list ConfigMaps and Namespaces and nothing else.
struct Reader {
    name: String,
    kubeconfig: tempfile::NamedTempFile,
}

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

impl Reader {
    async fn create(cluster: &Cluster, namespace: &str) -> Self {
        let name = unique("reader");
        let rules =
            json!([{"apiGroups": [""], "resources": ["configmaps", "namespaces"], "verbs": ["get", "list"]}]);
        cluster.create(ROLES, &json!({"metadata": {"name": name}, "rules": rules})).await;
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
        let subject = json!({"kind": "ServiceAccount", "name": "default", "namespace": namespace});
        cluster
            .create(BINDINGS, &json!({"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}))
            .await;
        let lists = Right { namespace: "", verb: "list", group: "", resource: "configmaps", name: "" };
        eventually("the account may list ConfigMaps", async || {
            cluster.allows((namespace, "default"), &lists).await.then_some(())
        })
        .await;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default/token");
        let token = cluster.create(&path, &json!({"spec": {"expirationSeconds": 3600}})).await;
        let kubeconfig = kubeconfig_with_token(cluster, token["status"]["token"].as_str().expect("a token"));
        Self { name, kubeconfig }
    }

    async fn delete(&self, cluster: &Cluster) {
        cluster.delete(&format!("{BINDINGS}/{}", self.name)).await;
        cluster.delete(&format!("{ROLES}/{}", self.name)).await;
    }
}

/// The cluster's kubeconfig with a token in place of the administrator's certificate.
pub fn kubeconfig_with_token(cluster: &Cluster, token: &str) -> tempfile::NamedTempFile {
    let mut config = kube::config::Kubeconfig::read_from(&cluster.kubeconfig).expect("readable");
    for user in &mut config.auth_infos {
        let user = user.auth_info.as_mut().expect("a user");
        user.client_certificate_data = None;
        user.client_key_data = None;
        user.token = Some(token.to_owned().into());
    }
    let mut value = serde_json::to_value(&config).expect("JSON");
    // The token is kept out of what a kubeconfig prints.
    value["users"][0]["user"]["token"] = token.into();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), value.to_string()).expect("written");
    file
}
