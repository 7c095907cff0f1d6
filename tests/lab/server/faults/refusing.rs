//! A bucket that lets nothing be deleted: the server asks it more and more seldom, and says so once.

use serde_json::json;

use super::super::stage::Stage;
use super::super::{BACKUP, DELETION, RESTORE};
use crate::support::{Act, Asked, Lab, TestNamespace, eventually};

/// Looks that are awaited after the first word about the refusal. The last has only begun: those before it have ended, and
/// would have been written about.
const LOOKS: usize = 3;

fn is_deletion(asked: &Asked) -> bool {
    asked.method == "DELETE" || asked.method == "POST" && asked.query.contains("delete")
}

/// How often the server has written into a status since the last call.
fn writes(stage: &Stage<'_>, status: &str) -> usize {
    let seen = stage.api.take_seen();
    seen.iter().filter(|asked| asked.method == "PUT" && asked.path.ends_with(status)).count()
}

/// Waits until the server has looked again and again at what the bucket refuses; each look asks so.
async fn looks(stage: &Stage<'_>, asks: impl Fn(&Asked) -> bool) {
    stage.s3.take_seen();
    let mut looks = 0;
    eventually("the server tries again and again", async || {
        looks += stage.s3.take_seen().iter().filter(|asked| asks(asked)).count();
        (looks >= LOOKS).then_some(())
    })
    .await;
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

    stage.s3.set(|asked| if is_deletion(asked) { Act::Answer(403) } else { Act::Pass });
    let status = "/restores/back/status";
    writes(&stage, status);
    stage
        .home
        .edit(RESTORE, "back", "", |restore| {
            restore["metadata"]["annotations"]["ark.heptio.com/deletion-requested"] = json!("now");
        })
        .await;
    let deletion = eventually("it says why", async || {
        let restore = stage.home.read(RESTORE, "back").await.expect("it is kept");
        let conditions = restore["status"]["conditions"].as_array().expect("conditions");
        conditions.iter().find(|each| each["type"] == "Deletion").cloned()
    })
    .await;
    let why = deletion["message"].as_str().expect("a message");
    assert!(why.contains("not allowed") && !why.contains("request "), "{why}");
    looks(&stage, |asked| is_deletion(asked) && asked.path.ends_with("/restores/back/claim.json")).await;
    assert_eq!(writes(&stage, status), 1, "why it is kept");

    stage.home.create(DELETION, "away", json!({"backupName": "kept"})).await;
    eventually("it says why", async || {
        let request = stage.home.read(DELETION, "away").await?;
        request["status"]["errors"].to_string().contains("not allowed").then_some(())
    })
    .await;
    looks(&stage, |asked| asked.method == "GET" && asked.path.ends_with("/backups/kept/ark-backup.json")).await;
    let written = writes(&stage, "/deletebackuprequests/away/status");
    assert_eq!(written, 2, "begun, and why it does not go on");
    stage.s3.clear();
    stage.home.gone(BACKUP, "kept").await;
    assert_eq!(stage.keys("backups/").await, Vec::<String>::new());
}
