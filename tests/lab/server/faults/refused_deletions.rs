//! A bucket that lets nothing be deleted: the server asks it more and more seldom, and says so
//! once.

use serde_json::{Value, json};

use super::super::intercepted::InterceptedServer;
use super::super::{BACKUP, DELETION, Kind, RESTORE};
use crate::support::{Act, Asked, Lab, TestNamespace, eventually};

fn is_deletion(asked: &Asked) -> bool {
    asked.method == "DELETE" || asked.method == "POST" && asked.query.contains("delete")
}

/// Waits until the server has looked again and again at what the bucket refuses, each time asking
/// so, and asserts that the object has not changed meanwhile. The first look and the second may
/// name different keys. The last look has only begun when it is seen: those before it have ended.
async fn looks_and_changes_nothing(
    intercepted: &InterceptedServer<'_>,
    asks: impl Fn(&Asked) -> bool,
    kind: Kind,
    name: &str,
) {
    let looks = async |number: usize| {
        let mut seen = 0;
        eventually("the server tries again and again", async || {
            seen += intercepted.s3.take_seen().iter().filter(|asked| asks(asked)).count();
            (seen >= number).then_some(())
        })
        .await;
    };
    let object = async || intercepted.installation.read(kind, name).await.expect("it is kept");
    intercepted.s3.take_seen();
    looks(2).await;
    let settled = object().await;
    looks(3).await;
    assert_eq!(object().await, settled);
}

/// However often the server tries again: the status of a Restore and that of a request do not
/// change.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_refuses_deletions_is_written_about_once() {
    let lab = Lab::get().await;
    let intercepted = InterceptedServer::start(&lab, "refuses").await;
    let installation = &intercepted.installation;
    installation.create(BACKUP, "kept", json!({"includedNamespaces": [installation.name()]})).await;
    installation.reach(BACKUP, "kept", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "refuses-copy");
    let mapping = json!({installation.name(): &copy.name});
    installation.create(RESTORE, "back", json!({"backupName": "kept", "namespaceMapping": mapping})).await;
    installation.reach(RESTORE, "back", "Completed").await;

    intercepted.s3.set(|asked| if is_deletion(asked) { Act::Answer(403) } else { Act::Pass });
    let request = |restore: &mut Value| {
        restore["metadata"]["annotations"]["ark.heptio.com/deletion-requested"] = json!("now");
    };
    installation.edit(RESTORE, "back", "", request).await;
    let deletion = eventually("it says why", async || {
        let restore = installation.read(RESTORE, "back").await.expect("it is kept");
        let conditions = restore["status"]["conditions"].as_array().expect("conditions");
        conditions.iter().find(|each| each["type"] == "Deletion").cloned()
    })
    .await;
    let why = deletion["message"].as_str().expect("a message");
    assert!(why.contains("not allowed") && !why.contains("request "), "{why}");
    let asks = |asked: &Asked| is_deletion(asked) && asked.path.ends_with("/restores/back/claim.json");
    looks_and_changes_nothing(&intercepted, asks, RESTORE, "back").await;

    installation.create(DELETION, "away", json!({"backupName": "kept"})).await;
    eventually("it says why", async || {
        let request = installation.read(DELETION, "away").await?;
        request["status"]["errors"].to_string().contains("not allowed").then_some(())
    })
    .await;
    let asks = |asked: &Asked| asked.method == "GET" && asked.path.ends_with("/backups/kept/ark-backup.json");
    looks_and_changes_nothing(&intercepted, asks, DELETION, "away").await;
    intercepted.s3.clear();
    installation.gone(BACKUP, "kept").await;
    assert_eq!(intercepted.keys("backups/").await, Vec::<String>::new());
}
