//! What is asked for or listed twice is in the backup once, and every reader opens it.

use serde_json::json;

use super::{back_up, config_map, contents};
use crate::process::run;
use crate::support::{Lab, TestNamespace};

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
