//! A bucket that lets nothing be deleted: the server asks it more and more seldom, and says so once.

use serde_json::json;

use super::super::stage::Stage;
use super::super::{BACKUP, DELETION, RESTORE};
use crate::support::{Act, Lab, TestNamespace, eventually};

/// Refusals that are awaited; the server waits longer and longer between them.
const REFUSALS: usize = 4;

fn is_deletion(method: &str, query: &str) -> bool {
    method == "DELETE" || method == "POST" && query.contains("delete")
}

/// Waits until the bucket has refused so often; how often the server has written about it, into statuses whose path ends so.
async fn writes(stage: &Stage<'_>, status: &str) -> usize {
    stage.s3.take_seen();
    stage.api.take_seen();
    let mut refused = 0;
    eventually("the bucket refuses again and again", async || {
        let seen = stage.s3.take_seen();
        refused += seen.iter().filter(|asked| is_deletion(&asked.method, &asked.query)).count();
        (refused >= REFUSALS).then_some(())
    })
    .await;
    let seen = stage.api.take_seen();
    seen.iter().filter(|asked| asked.method == "PUT" && asked.path.ends_with(status)).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_refuses_deletions_is_written_about_once() {
    let lab = Lab::get().await;
    let stage = Stage::open(&lab, "refuses").await;
    stage.home.create(BACKUP, "kept", json!({"includedNamespaces": [stage.home.name()]})).await;
    stage.home.reach(BACKUP, "kept", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "refuses-copy");
    let mapping = json!({stage.home.name(): &copy.name});
    stage.home.create(RESTORE, "back", json!({"backupName": "kept", "namespaceMapping": mapping})).await;
    stage.home.reach(RESTORE, "back", "Completed").await;

    stage.s3.set(|asked| if is_deletion(&asked.method, &asked.query) { Act::Answer(403) } else { Act::Pass });
    let path = format!("{}/back", stage.home.path(RESTORE));
    eventually("nobody else changes it", async || {
        let mut restore = stage.home.read(RESTORE, "back").await.expect("it is there");
        restore["metadata"]["annotations"]["ark.heptio.com/deletion-requested"] = json!("now");
        lab.a.try_replace(&path, &restore).await.then_some(())
    })
    .await;
    assert!(writes(&stage, "/restores/back/status").await <= 1);
    // One look at a restore asks for several deletions: all refusals may have come before the first word about them.
    let deletion = eventually("it says why", async || {
        let restore = stage.home.read(RESTORE, "back").await.expect("it is kept");
        let conditions = restore["status"]["conditions"].as_array().expect("conditions");
        conditions.iter().find(|each| each["type"] == "Deletion").cloned()
    })
    .await;
    let why = deletion["message"].as_str().expect("a message");
    assert!(why.contains("not allowed") && !why.contains("request "), "{why}");

    stage.home.create(DELETION, "away", json!({"backupName": "kept"})).await;
    assert!(
        writes(&stage, "/deletebackuprequests/away/status").await <= 2,
        "begun, and why it does not go on"
    );
    stage.s3.clear();
    stage.home.gone(BACKUP, "kept").await;
    assert_eq!(stage.keys("backups/").await, Vec::<String>::new());
}
