//! Items that are there already: left, updated, made anew; and restores that want none.

use serde_json::json;

use super::{count, data, read, restore, restored};
use crate::backup::{back_up, config_map};
use crate::support::{Lab, TestNamespace, unique};

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_differs_is_left_updated_or_made_anew_as_the_policy_says() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "policy").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"k": "stored"})).await;
    back_up(&lab.a, &bucket, "policy", &["--include-namespaces", &namespace.name], 0);
    let path = format!("/api/v1/namespaces/{}/configmaps/settings", namespace.name);
    let changed = json!({"metadata": {"name": "settings"}, "data": {"k": "changed", "more": "m"}});
    lab.a.replace(&path, &changed).await;
    let uid = async || {
        read(&lab.a, &namespace.name, "configmaps", "settings").await.expect("there")["metadata"]["uid"]
            .clone()
    };
    let before = uid().await;

    let left = restore(&lab.a, &bucket, "policy", &[], 0);
    assert!(left.stderr.contains("differs in data.k, data.more, and was left as it is"), "{}", left.stderr);
    let status = restored(&lab.a, &bucket, "policy", &[], 0);
    let counts = (count(&status, "created"), count(&status, "updated"), count(&status, "warnings"));
    assert_eq!(counts, (0, 0, 1), "{status}");
    assert_eq!(data(&lab.a, &namespace.name, "settings").await, Some(changed["data"].clone()));

    let status = restored(&lab.a, &bucket, "policy", &["--existing-resource-policy", "update"], 0);
    assert_eq!((count(&status, "updated"), count(&status, "warnings")), (1, 0), "{status}");
    assert_eq!(data(&lab.a, &namespace.name, "settings").await, Some(json!({"k": "stored"})));
    assert_eq!(uid().await, before, "it was changed in place");

    let mut again = changed.clone();
    again["data"] = json!({"k": "changed again"});
    lab.a.replace(&path, &again).await;
    let status = restored(&lab.a, &bucket, "policy", &["--existing-resource-policy", "recreate"], 0);
    assert_eq!(count(&status, "updated"), 1, "{status}");
    assert_eq!(data(&lab.a, &namespace.name, "settings").await, Some(json!({"k": "stored"})));
    assert_ne!(uid().await, before, "it was made anew");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn making_anew_never_deletes_a_claim_a_volume_or_a_namespace() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "protect").await;
    let claims = format!("/api/v1/namespaces/{}/persistentvolumeclaims", namespace.name);
    let claim = json!({"metadata": {"name": "data", "labels": {"tier": "one"}}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none-such", "resources": {"requests": {"storage": "1Gi"}}}});
    lab.a.create(&claims, &claim).await;
    back_up(&lab.a, &bucket, "protect", &["--include-namespaces", &namespace.name], 0);
    let label = json!({"metadata": {"labels": {"tier": "two"}}});
    let uid = lab.a.merge(&format!("{claims}/data"), &label).await["metadata"]["uid"].clone();
    let home = format!("/api/v1/namespaces/{}", namespace.name);
    let own_uid = lab.a.merge(&home, &label).await["metadata"]["uid"].clone();

    let run = restore(&lab.a, &bucket, "protect", &["--existing-resource-policy", "recreate"], 0);
    assert!(run.stderr.contains("deleting it may delete its data"), "{}", run.stderr);
    assert_eq!(lab.a.read(&format!("{claims}/data")).await.expect("still there")["metadata"]["uid"], uid);
    assert_eq!(lab.a.read(&home).await.expect("still there")["metadata"]["uid"], own_uid);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_that_wants_an_empty_namespace_refuses_before_it_touches_anything() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "empty").await;
    for name in ["one", "two"] {
        config_map(&lab.a, &namespace.name, name, &json!({"k": "v"})).await;
    }
    back_up(&lab.a, &bucket, "empty", &["--include-namespaces", &namespace.name], 0);
    lab.a.delete(&format!("/api/v1/namespaces/{}/configmaps/two", namespace.name)).await;

    let refused = restore(&lab.a, &bucket, "empty", &["--require-empty"], 1);
    let item = format!("configmaps {}/one", namespace.name);
    assert!(
        refused.stderr.contains("nothing was restored") && refused.stderr.contains(&item),
        "{}",
        refused.stderr
    );
    assert_eq!(data(&lab.a, &namespace.name, "two").await, None);
    let other = TestNamespace::reserve(&lab.a, "empty-copy");
    let mapping = format!("{}:{}", namespace.name, other.name);
    restore(&lab.a, &bucket, "empty", &["--require-empty", "--namespace-mappings", &mapping], 0);
    assert_eq!(data(&lab.a, &other.name, "two").await, Some(json!({"k": "v"})));
    // The default account and the cluster's certificate are in every namespace and hinder nobody.
    let furnished = TestNamespace::create(&lab.a, "furnished").await;
    let mapping = format!("{}:{}", namespace.name, furnished.name);
    restore(&lab.a, &bucket, "empty", &["--require-empty", "--namespace-mappings", &mapping], 0);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_default_account_of_a_namespace_gets_what_the_stored_one_had() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "account").await;
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/default", namespace.name);
    let wanted = json!({"role": unique("role")});
    let change = json!({"imagePullSecrets": [{"name": "registry"}], "metadata": {"annotations": wanted}});
    lab.a.merge(&path, &change).await;
    back_up(&lab.a, &bucket, "account", &["--include-namespaces", &namespace.name], 0);

    // In a namespace that is there already, the account is somebody's: it is left as it is, as any
    // other item.
    let other = TestNamespace::create(&lab.a, "account-there").await;
    let mapping = format!("{}:{}", namespace.name, other.name);
    let status = restored(&lab.a, &bucket, "account", &["--namespace-mappings", &mapping], 0);
    assert_eq!((count(&status, "updated"), count(&status, "warnings")), (0, 1), "{status}");
    let left = read(&lab.a, &other.name, "serviceaccounts", "default").await.expect("there");
    assert_eq!(left.get("imagePullSecrets"), None);

    // In one that the restore makes, the controller made the account a moment before.
    let other = TestNamespace::reserve(&lab.a, "account-copy");
    let mapping = format!("{}:{}", namespace.name, other.name);
    let status = restored(&lab.a, &bucket, "account", &["--namespace-mappings", &mapping], 0);
    assert_eq!(count(&status, "warnings"), 0, "{status}");
    let merged = read(&lab.a, &other.name, "serviceaccounts", "default").await.expect("there");
    assert_eq!(merged["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(merged["metadata"]["annotations"], wanted);
}
