//! Many kinds, large objects, odd names.

use serde_json::{Value, json};

use super::{back_up, contents, tarball_entry};
use crate::support::{DEFINITIONS, Lab, TestNamespace};

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn objects_over_a_mebibyte_are_kept_byte_by_byte() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "large").await;
    let home = format!("/api/v1/namespaces/{}", namespace.name);
    // Base64 makes a secret of 1,000,000 bytes an object of 1.3 MB.
    let data =
        json!({"large": k8s_openapi::ByteString((0..1_000_000_u32).map(|n| (n % 251) as u8).collect())});
    for name in ["large-1", "large-2", "large-3"] {
        lab.a.create(&format!("{home}/secrets"), &json!({"metadata": {"name": name}, "data": data})).await;
    }
    back_up(&lab.a, &bucket, "large", &["--include-namespaces", &namespace.name], 0);
    for name in ["large-1", "large-3"] {
        let path = format!("resources/secrets/namespaces/{}/{name}.json", namespace.name);
        let kept: Value =
            serde_json::from_slice(&tarball_entry(&lab.a, &bucket, "large", &path)).expect("JSON");
        assert!(kept["data"] == data, "{name}");
        assert_eq!((&kept["kind"], &kept["apiVersion"]), (&json!("Secret"), &json!("v1")));
    }
}

/// One namespace with a resource of each of a hundred definitions.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_hundred_kinds_of_custom_resources_come_with_their_definitions() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.b, "many-kinds").await;
    let group = format!("{}.example.com", namespace.name);
    let plural = |number: u32| format!("widgets{number}");
    for number in 0..100 {
        let (plural, kind) = (plural(number), format!("Widget{number}"));
        let schema =
            json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        let definition = json!({"metadata": {"name": format!("{plural}.{group}")}, "spec": {"group": group, "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind}, "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
        lab.b.create(DEFINITIONS, &definition).await;
    }
    for number in 0..100 {
        let path = format!("/apis/{group}/v1/namespaces/{}/{}", namespace.name, plural(number));
        lab.b.serves(&format!("/apis/{group}/v1/{}", plural(number))).await;
        let object = json!({"apiVersion": format!("{group}/v1"), "kind": format!("Widget{number}"), "metadata": {"name": "one"}, "spec": {"n": number}});
        lab.b.create(&path, &object).await;
    }
    back_up(&lab.b, &bucket, "many-kinds", &["--include-namespaces", &namespace.name], 0);
    let items = contents(&lab.b, &bucket, "many-kinds");
    for number in 0..100 {
        lab.b.delete(&format!("{DEFINITIONS}/{}.{group}", plural(number))).await;
    }
    for number in 0..100 {
        lab.b.remove_definition(&format!("{}.{group}", plural(number))).await;
    }
    for number in 0..100 {
        let kind = format!("{}.{group}", plural(number));
        let item = format!("{kind} {}/one", namespace.name);
        assert!(items.contains(&item), "{item} is missing");
        let definition = format!("customresourcedefinitions.apiextensions.k8s.io {kind}");
        assert!(items.contains(&definition), "{definition} is missing");
    }
}
