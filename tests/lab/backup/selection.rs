//! Which items a backup takes: by namespace, kind and label, with what they need, without what is
//! left out.

use serde_json::json;

use super::{back_up, config_map, contents, document};
use crate::process::run;
use crate::support::{Lab, TestNamespace, eventually, unique};

/// Of a namespace: the classes, the volume, the role and the binding that its items name, and no
/// others; with `--include-cluster-resources=false` none.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn cluster_items_come_along_when_the_taken_ones_need_them() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "related").await;
    let (home, tag) = (namespace.name.as_str(), unique("related"));
    let core = format!("/api/v1/namespaces/{home}");
    let mut cleanup = Vec::new();
    for (path, object) in [
        (
            "/apis/storage.k8s.io/v1/storageclasses",
            json!({"metadata": {"name": tag}, "provisioner": "example.com/none"}),
        ),
        ("/apis/scheduling.k8s.io/v1/priorityclasses", json!({"metadata": {"name": tag}, "value": 7})),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            json!({"metadata": {"name": format!("{tag}-unused")}, "value": 8}),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({"metadata": {"name": format!("system:controller:{tag}")}, "rules": []}),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({"metadata": {"name": format!("{tag}-unused")}, "rules": []}),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({"metadata": {"name": tag},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("system:controller:{tag}")},
            "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": home}]}),
        ),
        (
            "/api/v1/persistentvolumes",
            json!({"metadata": {"name": tag}, "spec": {"capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp/none"}, "storageClassName": tag}}),
        ),
    ] {
        lab.a.create(path, &object).await;
        cleanup.push(format!("{path}/{}", object["metadata"]["name"].as_str().expect("named")));
    }
    lab.a.create(&format!("{core}/serviceaccounts"), &json!({"metadata": {"name": "worker"}})).await;
    lab.a
        .create(
            &format!("{core}/persistentvolumeclaims"),
            &json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "storageClassName": tag, "volumeName": tag, "resources": {"requests": {"storage": "1Mi"}}}}),
        )
        .await;
    // The API server learns of the class a moment later.
    let containers = json!([{"name": "c", "image": "none"}]);
    let pod =
        json!({"metadata": {"name": "pod"}, "spec": {"priorityClassName": tag, "containers": containers}});
    let pods = format!("{core}/pods");
    eventually("the pod may name its class", async || lab.a.try_create(&pods, &pod).await.ok()).await;

    back_up(&lab.a, &bucket, "related", &["--include-namespaces", home], 0);
    back_up(
        &lab.a,
        &bucket,
        "alone",
        &["--include-namespaces", home, "--include-cluster-resources=false"],
        0,
    );
    for path in cleanup {
        lab.a.delete(&path).await;
    }
    let items = contents(&lab.a, &bucket, "related");
    for wanted in [
        format!("storageclasses.storage.k8s.io {tag}"),
        format!("priorityclasses.scheduling.k8s.io {tag}"),
        format!("clusterroles.rbac.authorization.k8s.io system:controller:{tag}"),
        format!("clusterrolebindings.rbac.authorization.k8s.io {tag}"),
        format!("persistentvolumes {tag}"),
        format!("namespaces {home}"),
    ] {
        assert!(items.contains(&wanted), "{wanted} is missing in {items:?}");
    }
    assert!(items.iter().all(|item| !item.contains("-unused")), "{items:?}");
    let items = contents(&lab.a, &bucket, "alone");
    assert!(items.contains(&format!("persistentvolumeclaims {home}/data")), "{items:?}");
    assert!(items.contains(&format!("namespaces {home}")), "{items:?}");
    assert!(items.iter().all(|item| item.contains(home)), "{items:?}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn labels_kinds_and_globs_select_and_a_namespace_comes_with_what_is_in_it() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (one, other) =
        (TestNamespace::create(&lab.a, "globone").await, TestNamespace::create(&lab.a, "globtwo").await);
    for namespace in [&one.name, &other.name] {
        for (name, labels) in
            [("web", json!({"app": "web"})), ("db", json!({"app": "db"})), ("plain", json!({}))]
        {
            let object = json!({"metadata": {"name": name, "labels": labels}, "data": {"x": "y"}});
            lab.a.create(&format!("/api/v1/namespaces/{namespace}/configmaps"), &object).await;
        }
    }
    let glob = format!("{}*", &one.name[..one.name.len() - 1]);
    back_up(&lab.a, &bucket, "glob", &["--include-namespaces", &glob, "--include-resources", "cm"], 0);
    let names = |namespace: &str, maps: &[&str]| {
        let maps = maps.iter().map(|map| format!("configmaps {namespace}/{map}"));
        std::iter::once(format!("namespaces {namespace}")).chain(maps).collect::<Vec<_>>()
    };
    assert_eq!(contents(&lab.a, &bucket, "glob"), names(&one.name, &["db", "plain", "web"]));

    let both = format!("{},{}", one.name, other.name);
    let all_but_one = format!("{}?", &other.name[..other.name.len() - 1]);
    let flags = ["--include-namespaces", &both, "--exclude-namespaces", &all_but_one, "-l", "app=web"];
    back_up(&lab.a, &bucket, "label", &flags, 0);
    assert_eq!(contents(&lab.a, &bucket, "label"), names(&one.name, &["web"]));

    let flags = ["--include-namespaces", &one.name, "--or-selector", "app=web or app in (db,cache)"];
    back_up(&lab.a, &bucket, "or", &flags, 0);
    assert_eq!(contents(&lab.a, &bucket, "or"), names(&one.name, &["db", "web"]));
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_that_is_named_twice_is_backed_up_once_and_verifies() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "twice").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"a": "b"})).await;
    let flags = ["--include-namespaces", &namespace.name, "--include-namespaces", &namespace.name];
    let made = back_up(&lab.a, &bucket, "twice", &flags, 0);
    assert!(made.stdout.contains("0 warnings, 0 errors"), "{}", made.stdout);
    let items = contents(&lab.a, &bucket, "twice");
    let settings = format!("configmaps {}/settings", namespace.name);
    assert_eq!(items.iter().filter(|item| **item == settings).count(), 1, "{items:?}");
    let verified = run(&mut lab.a.ark(["backup", "verify", "twice", "--location", &bucket])).expect_code(0);
    assert!(verified.stdout.contains(&format!("is sound: {} items", items.len())), "{}", verified.stdout);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_is_labelled_or_made_again_by_others_is_left_out_and_counted() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "left-out").await;
    let home = format!("/api/v1/namespaces/{}", namespace.name);
    let label = json!({"velero.io/exclude-from-backup": "true"});
    lab.a
        .create(&format!("{home}/secrets"), &json!({"metadata": {"name": "private", "labels": label}}))
        .await;
    config_map(&lab.a, &namespace.name, "kept", &json!({})).await;
    back_up(&lab.a, &bucket, "left-out", &["--include-namespaces", &namespace.name], 0);
    let items = contents(&lab.a, &bucket, "left-out");
    assert!(items.contains(&format!("configmaps {}/kept", namespace.name)), "{items:?}");
    assert!(items.iter().all(|item| !item.contains("private")), "{items:?}");
    let described =
        run(&mut lab.a.ark(["backup", "describe", "left-out", "--location", &bucket])).expect_code(0);
    assert!(described.stdout.contains("1  secrets: labelled to be left out"), "{}", described.stdout);
    assert!(described.stdout.contains("1  configmaps: the control plane makes it"), "{}", described.stdout);
}

/// A name of a namespace or kind that does not exist is an error; a pattern without a match is a
/// warning.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn names_that_nothing_answers_to_are_told_and_make_the_backup_partial() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let flags =
        ["--include-namespaces", "kube-public,no-such-namespace", "--include-resources", "cm,nosuchkinds"];
    let made = back_up(&lab.a, &bucket, "unmatched", &flags, 3);
    assert!(made.stderr.contains("no kind is called `nosuchkinds`"), "{}", made.stderr);
    assert!(made.stderr.contains("there is no namespace `no-such-namespace`"), "{}", made.stderr);
    assert_eq!(document(&lab.a, &bucket, "unmatched")["status"]["phase"], "PartiallyFailed");
    let made = back_up(&lab.a, &bucket, "pattern", &["--include-namespaces", "kube-public,none-*"], 0);
    assert!(made.stderr.contains("no namespace matches `none-*`"), "{}", made.stderr);
}

/// A finalizer holds a ConfigMap of the namespace, which was named: exit code 3, with the
/// finalizer.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_that_hangs_in_its_deletion_is_told() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "hanging").await;
    let (home, path) = (namespace.name.as_str(), format!("/api/v1/namespaces/{}", namespace.name));
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    lab.a.create(&format!("{path}/configmaps"), &held).await;
    lab.a.delete(&path).await;
    eventually("the namespace says what holds it", async || {
        let namespace = lab.a.read(&path).await?;
        namespace["status"]["conditions"].to_string().contains("example.com/hold").then_some(())
    })
    .await;
    // One that is not spelled out is told once its deletion has taken a minute; a unit test has
    // that.
    let flags = ["--include-namespaces", &format!("{home},kube-public")];
    let made = back_up(&lab.a, &bucket, "hanging", &flags, 3);
    let told = format!("namespaces {home}: nothing of it is in this backup");
    assert!(made.stderr.contains(&told) && made.stderr.contains("example.com/hold"), "{}", made.stderr);
    let free = json!({"metadata": {"finalizers": null}});
    lab.a.merge(&format!("{path}/configmaps/held"), &free).await;
}
