//! The lab itself: both clusters keep what they are given, controllers act, the helpers do what
//! they say.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams, ObjectMeta, PostParams, VersionMatch};

use crate::process::{Running, run};
use crate::support::{Act, Asked, Cluster, Interceptor, Lab, TestNamespace, eventually, interrupt, unique};

async fn keep_and_read_back(cluster: &Cluster) -> String {
    let namespace = TestNamespace::create(cluster, "smoke").await;
    let maps = Api::<ConfigMap>::namespaced(cluster.client.clone(), &namespace.name);
    let data = [("greeting".to_owned(), "grüß dich".to_owned())].into();
    let metadata = ObjectMeta { name: Some("kept".to_owned()), ..ObjectMeta::default() };
    let map = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.expect("a ConfigMap can be created");
    let read = maps.get("kept").await.expect("a ConfigMap can be read");
    assert_eq!(read.data, map.data);
    drop(namespace);
    eventually("the namespace controller empties the namespace", async || {
        maps.list(&ListParams::default()).await.expect("listable").items.is_empty().then_some(())
    })
    .await;
    cluster.client.apiserver_version().await.expect("the server tells its version").git_version
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn both_clusters_keep_what_they_are_given_and_take_a_namespace_down() {
    let lab = Lab::get().await;
    for cluster in [&lab.a, &lab.b] {
        assert!(keep_and_read_back(cluster).await.starts_with("v1."));
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_two_clusters_are_not_the_same() {
    let lab = Lab::get().await;
    let uid = async |cluster: &Cluster| {
        let all = Api::<Namespace>::all(cluster.client.clone());
        all.get("kube-system").await.expect("kube-system is there").metadata.uid
    };
    assert_ne!(uid(&lab.a).await, uid(&lab.b).await);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_compacted_revision_can_no_longer_be_listed() {
    let lab = Lab::alone().await;
    for cluster in [&lab.a, &lab.b] {
        let maps = Api::<ConfigMap>::all(cluster.client.clone());
        let early = maps.list(&ListParams::default()).await.expect("listable").metadata.resource_version;
        let at =
            ListParams::default().at(&early.expect("a list has a revision")).matching(VersionMatch::Exact);
        maps.list(&at).await.expect("the revision is still there");
        let _moves_on = TestNamespace::create(cluster, "smoke").await;
        cluster.compact();
        let refusal = eventually("the revision is gone", async || maps.list(&at).await.err()).await;
        assert!(matches!(&refusal, kube::Error::Api(status) if status.code == 410), "{refusal}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn buckets_and_names_are_unique_and_their_locations_are_understood() {
    let lab = Lab::get().await;
    let (one, other) = (lab.bucket(), lab.bucket());
    assert_ne!(one, other);
    assert_ne!(unique("x"), unique("x"));
    ark::store::Location::from_url(&one).expect("the location is understood");
    let reserved = TestNamespace::reserve(&lab.b, "never-created");
    assert!(reserved.name.starts_with("never-created-"));
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_binary_runs_against_the_lab() {
    let lab = Lab::get().await;
    run(&mut lab.a.ark(["version"])).expect_code(0);
    // Who starts the tests with `&` from a script has them ignore SIGINT, and their children.
    let mut sleeper = std::process::Command::new("env");
    let running = Running::start(sleeper.args(["--default-signal=INT", "sleep", "1000"]));
    let name = format!("/proc/{}/comm", running.id());
    eventually("env has become sleep", async || {
        let name = std::fs::read_to_string(&name).expect("the process lives");
        (name == "sleep\n").then_some(())
    })
    .await;
    interrupt(&running);
    assert_eq!(running.wait().code, None, "SIGINT ends what does not handle it");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_goes_through_interceptors_arrives_and_is_seen_and_may_be_answered_instead() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "between").await;
    let (s3, api) = (Interceptor::of_s3(&lab).await, Interceptor::of_cluster(&lab.a).await);
    let (bucket, kubeconfig) = (lab.bucket(), api.kubeconfig());
    let (through, flags) =
        (s3.through(&lab, &bucket), ["--include-namespaces", &namespace.name, "--kubeconfig"]);
    let file = kubeconfig.path().to_str().expect("text");
    let back_up = |name: &str, code: i32| {
        let arguments =
            ["backup", "run", name, "--location", &through].into_iter().chain(flags).chain([file]);
        run(&mut lab.a.ark(arguments)).expect_code(code)
    };
    back_up("seen", 0);
    run(&mut lab.a.ark(["backup", "verify", "seen", "--location", &bucket])).expect_code(0);
    let is_commit = |asked: &Asked| asked.method == "PUT" && asked.path.ends_with("/ark-backup.json");
    assert_eq!(s3.take_seen().iter().filter(|asked| is_commit(asked)).count(), 1);
    assert!(api.take_seen().iter().any(|asked| asked.path == "/api/v1/namespaces/kube-system"));
    s3.set(move |asked| if is_commit(asked) { Act::Answer(403) } else { Act::Pass });
    let refused = back_up("refused", 6);
    assert!(refused.stderr.contains("ark-backup.json"), "{}", refused.stderr);
    s3.set(|asked| if asked.method == "GET" && asked.path.ends_with(".zst") { Act::Cut } else { Act::Pass });
    let cut = run(&mut lab.a.ark(["backup", "logs", "seen", "--location", &through]));
    assert_ne!(cut.code, Some(0), "half a log is none: {}", cut.transcript());
}
