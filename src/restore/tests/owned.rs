//! Owner references of items that were in the cluster before.

use super::*;
use crate::api::{BACKUP_NAME_LABEL, RESTORE_NAME_LABEL};
use crate::model::SkipReason;

const OWNER: &str = "00000000-0000-4000-8000-00000000000a";

/// A ConfigMap of the cluster, and its path.
fn there(name: &str, uid: &str, labels: Value) -> (String, Value) {
    let mut object = map("shop", name, &[]).1;
    object["metadata"]["uid"] = uid.into();
    object["metadata"]["resourceVersion"] = "1".into();
    object["metadata"]["labels"] = labels;
    (format!("/api/v1/namespaces/shop/configmaps/{name}"), object)
}

#[tokio::test(start_paused = true)]
async fn the_owner_that_a_killed_restore_did_not_come_to_is_given_by_the_next_one() {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "old shop/a"});
    let half = json!({BACKUP_NAME_LABEL: "nightly", RESTORE_NAME_LABEL: "killed"});
    for (labels, ours) in [(half, true), (json!({BACKUP_NAME_LABEL: "weekly"}), false), (json!({}), false)] {
        let uid = "00000000-0000-4000-8000-00000000000b";
        let objects = Objects::from([there("a", OWNER, json!({})), there("b", uid, labels.clone())]);
        let patches = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&patches);
        let cluster = keep(objects, move |asked, _| {
            if asked.method == "PATCH" {
                seen.lock().unwrap().push(format!("{} {}", asked.uri, asked.body));
            }
            None
        });
        let items =
            vec![namespace("shop"), map("shop", "a", &[]), map("shop", "b", std::slice::from_ref(&owner))];
        let came = restore_into(&cluster, items).await;
        let warnings = came.warnings(&item("configmaps", "shop", "b"));
        assert_eq!(came.findings.len(), usize::from(!ours), "{labels}: {:?}", came.findings);
        assert!(warnings.iter().all(|text| text.contains("already without the owner")), "{warnings:?}");
        let patches = patches.lock().unwrap().clone();
        assert_eq!(patches.len(), usize::from(ours), "{labels}: {patches:?}");
        assert!(
            patches.iter().all(|one| one.contains("/configmaps/b?") && one.contains(OWNER)),
            "{patches:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_of_owners_what_the_run_does() {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "old shop/a"});
    let uid = "00000000-0000-4000-8000-00000000000b";
    for (policy, has, action, told) in [
        ("None", false, ItemAction::Skip(SkipReason::Unchanged), 1),
        ("Update", false, ItemAction::Update, 0),
        ("None", true, ItemAction::Skip(SkipReason::Unchanged), 0),
        ("Update", true, ItemAction::Skip(SkipReason::Unchanged), 0),
    ] {
        let mut objects = Objects::from([there("a", OWNER, json!({})), there("b", uid, json!({}))]);
        let (path, _) = there("b", uid, json!({}));
        objects.insert("/api/v1/namespaces/shop".to_owned(), namespace("shop").1);
        if has {
            let mut owner = owner.clone();
            owner["uid"] = OWNER.into();
            objects.get_mut(&path).unwrap()["metadata"]["ownerReferences"] = json!([owner]);
        }
        let items =
            vec![namespace("shop"), map("shop", "a", &[]), map("shop", "b", std::slice::from_ref(&owner))];
        let (_, bucket) = faulty_bucket();
        write_items(&bucket, "nightly", None, items).await;
        let request = request(json!({"existingResourcePolicy": policy}));
        let (cluster, progress) = (keep(objects, |_, _| None), Progress::default());
        let preview = preview(&cluster, &bucket, &request, &progress).await.unwrap();
        let b = item("configmaps", "shop", "b");
        let act = preview.acts.iter().find(|act| act.item == b).unwrap();
        assert_eq!(act.action, action, "{policy} {has}: {act:?}");
        let about = preview.results.findings.iter().filter(|finding| finding.item.as_ref() == Some(&b));
        assert_eq!(about.count(), told, "{policy} {has}: {:?}", preview.results.findings);
    }
}
