//! Items that are made anew, or go while a restore is at work.

use super::*;
use crate::cluster::script::failure;

const SETTINGS: &str = "/api/v1/namespaces/shop/configmaps/settings";

fn recreate() -> Value {
    json!({"existingResourcePolicy": "Recreate"})
}

/// A cluster that has `shop/settings` with another value than the backup.
fn with_other_settings() -> Objects {
    let metadata = json!({"name": "settings", "namespace": "shop", "uid": "before", "resourceVersion": "1"});
    let settings =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "other"}});
    Objects::from([(SETTINGS.to_owned(), settings)])
}

/// Makes `shop/settings` anew, whose create is refused with `message` for a while.
async fn expect_anew_despite(message: &'static str) {
    let mut refused = 0;
    let cluster = keep(with_other_settings(), move |asked, objects| {
        let creates = asked.method == "POST" && asked.uri.contains("/namespaces/shop/configmaps");
        let counted = objects.contains_key(SETTINGS) || refused == 5;
        (creates && !counted).then(|| {
            refused += 1;
            failure(403, "Forbidden", message, "")
        })
    });
    let came = restore_as(&cluster, vec![namespace("shop"), map("shop", "settings", &[])], recreate()).await;
    let settings = item("configmaps", "shop", "settings");
    assert_eq!(came.warnings(&settings), [""; 0]);
    assert_eq!(came.act(&settings).action, ItemAction::Recreate);
    assert!((2..10).contains(&came.took.as_secs()), "{:?}", came.took);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_anew_under_a_quota_comes_when_the_quota_has_counted() {
    expect_anew_despite(
        "settings is forbidden: exceeded quota: small, requested: count/configmaps=1, used: 1, limited: 1",
    )
    .await;
}

/// As the API server refuses a PriorityClass while its admission knows the deleted one.
#[tokio::test(start_paused = true)]
async fn what_is_made_anew_as_the_only_default_comes_when_the_old_one_is_forgotten() {
    expect_anew_despite(
        "settings is forbidden: PriorityClass settings is already marked as default. Only one default can exist",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_by_somebody_while_it_is_made_anew_is_told() {
    let cluster = keep(with_other_settings(), |asked, objects| {
        let mut object: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        if asked.method != "POST" || object["kind"] != "ConfigMap" || objects.contains_key(SETTINGS) {
            return None;
        }
        // A webhook changes what is created.
        object["data"]["k"] = "changed".into();
        object["metadata"]["uid"] = "after".into();
        objects.insert(SETTINGS.to_owned(), object.clone());
        Some(answer(201, object.to_string()))
    });
    let came = restore_as(&cluster, vec![namespace("shop"), map("shop", "settings", &[])], recreate()).await;
    let settings = item("configmaps", "shop", "settings");
    assert_eq!(came.act(&settings).action, ItemAction::Recreate);
    let [warning] = came.warnings(&settings)[..] else { panic!("{:?}", came.findings) };
    assert!(warning.starts_with("it was made anew and still differs from the backup in data.k"), "{warning}");
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_to_be_made_anew_and_does_not_go_is_told_as_about_to_be_lost() {
    let cluster = keep(with_other_settings(), |asked, objects| {
        (asked.method == "DELETE").then(|| {
            let metadata = &mut objects.get_mut(SETTINGS).unwrap()["metadata"];
            metadata["deletionTimestamp"] = "2026-01-02T00:00:00Z".into();
            metadata["finalizers"] = json!(["example.com/cloud"]);
            answer(200, objects[SETTINGS].to_string())
        })
    });
    let came = restore_as(&cluster, vec![namespace("shop"), map("shop", "settings", &[])], recreate()).await;
    let [error] = &*came.errors() else { panic!("{:?}", came.findings) };
    for part in ["it was deleted to be made anew", "example.com/cloud", "restore it again"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert_eq!(came.act(&item("configmaps", "shop", "settings")).action, ItemAction::Fail);
}

/// A Secret that `shop/settings` controls.
fn owned(name: &str) -> (&'static str, Value) {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "uid": "old shop/settings", "controller": true});
    let metadata =
        json!({"name": name, "namespace": "shop", "uid": format!("old {name}"), "ownerReferences": [owner]});
    ("secrets", json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}))
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_made_anew_without_what_it_owned_says_so() {
    for (kinds, told) in [(json!(["configmaps"]), true), (json!(["*"]), false)] {
        let cluster = keep(with_other_settings(), |_, _| None);
        let items = vec![namespace("shop"), map("shop", "settings", &[]), owned("password")];
        let spec = json!({"existingResourcePolicy": "Recreate", "includedResources": kinds});
        let came = restore_as(&cluster, items, spec).await;
        let settings = item("configmaps", "shop", "settings");
        assert_eq!(came.act(&settings).action, ItemAction::Recreate, "{kinds}");
        let warnings = came.warnings(&settings);
        assert_eq!(warnings.len(), usize::from(told), "{kinds}: {warnings:?}");
        assert!(
            warnings.iter().all(|text| text.contains("that this restore does not bring")),
            "{warnings:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_there_and_goes_with_its_former_owner_is_an_error() {
    let path = "/api/v1/namespaces/shop/secrets/password";
    let (_, mut there) = owned("password");
    there["metadata"]["uid"] = "there".into();
    there["metadata"]["ownerReferences"][0]["uid"] = "deleted".into();
    let mut objects = with_other_settings();
    objects.remove(SETTINGS);
    objects.insert(path.to_owned(), there);
    let cluster = keep(objects, move |asked, objects| {
        // The garbage collector is faster than the patch with the new owner.
        if asked.method == "PATCH" && asked.uri.starts_with(path) {
            objects.remove(path);
        }
        None
    });
    let items = vec![namespace("shop"), map("shop", "settings", &[]), owned("password")];
    let came = restore_into(&cluster, items).await;
    assert_eq!(came.phase, RestorePhase::PartiallyFailed, "{:?}", came.findings);
    let [error] = &*came.errors() else { panic!("{:?}", came.findings) };
    assert_eq!(error.item, Some(item("secrets", "shop", "password")));
    assert!(
        error.message.contains("was in the cluster when this restore came to it, and has gone since"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_deleted_to_be_made_anew_is_told_as_such_whatever_fails_then() {
    // The rights by which the restore runs may hang on what it has just deleted.
    let cluster = keep(with_other_settings(), |asked, objects| {
        let gone = !objects.contains_key(SETTINGS);
        (asked.uri == SETTINGS && asked.method == "GET" && gone)
            .then(|| failure(403, "Forbidden", "settings is forbidden: no right to get it", ""))
    });
    let came = restore_as(&cluster, vec![namespace("shop"), map("shop", "settings", &[])], recreate()).await;
    assert_eq!(came.phase, RestorePhase::PartiallyFailed, "{:?}", came.findings);
    let [error] = &*came.errors() else { panic!("{:?}", came.findings) };
    assert!(
        error.message.starts_with("it was deleted to be made anew, and that failed")
            && error.message.contains("no right to get it"),
        "{error}"
    );
}
