//! What people write, and what other clusters and versions write.

use ark::bucket::Claim;
use ark::store::{ObjectKey, PutMode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::stage::{Stage, ends_like};
use super::super::sync::pass_twice;
use super::super::{BACKUP, DELETION, Home, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::backup::config_map;
use crate::process::run;
use crate::support::{Act, Lab, TestNamespace, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_time_that_makes_no_sense_is_refused_with_the_reason() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "nonsense").await;
    home.location("default", &lab.bucket(), json!({})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;

    let crons =
        ["61 * * * *", "* * 32 * *", "CRON_TZ=Mars/Olympus 0 0 * * *", "0 0 31 2 *", "@every 0s", "at noon"];
    for (number, cron) in crons.into_iter().enumerate() {
        let name = format!("cron-{number}");
        let object = json!({"metadata": {"name": &name}, "spec": {"schedule": cron, "template": {}}});
        let said = match home.try_create(SCHEDULE, object).await {
            Err(refused) => refused,
            Ok(_) => home.reach(SCHEDULE, &name, "FailedValidation").await["status"]["validationErrors"]
                .to_string(),
        };
        assert!(said.contains("schedule"), "{cron}: {said}");
    }
    for (number, ttl) in ["-5m", "999999999999h", "soon", "5 parsecs"].into_iter().enumerate() {
        let name = format!("ttl-{number}");
        let object =
            json!({"metadata": {"name": &name}, "spec": {"ttl": ttl, "includedNamespaces": [home.name()]}});
        let said = match home.try_create(BACKUP, object).await {
            Err(refused) => refused,
            Ok(_) => {
                home.reach(BACKUP, &name, "FailedValidation").await["status"]["validationErrors"].to_string()
            }
        };
        assert!(said.contains("ttl"), "{ttl}: {said}");
    }
    // The longest that is taken is no reason to fall over.
    home.create(BACKUP, "century", json!({"ttl": "36600d", "includedNamespaces": [home.name()]})).await;
    let century = home.reach(BACKUP, "century", "Completed").await;
    assert!(century["status"]["expiration"].as_str().is_some_and(|time| time.starts_with("21")), "{century}");
}

/// Holds what is asked of such a path, so that what needs it is under way until the rule is another.
fn hold(stage: &Stage<'_>, suffix: &'static str) {
    let never = CancellationToken::new();
    stage.s3.set(move |asked| {
        if ends_like(&asked.path, suffix) { Act::Held(never.clone()) } else { Act::Pass }
    });
}

async fn request_deletion(home: &Home<'_>, name: &str, backup: &str) -> Value {
    home.create(DELETION, name, json!({"backupName": backup})).await;
    home.reach(DELETION, name, "Processed").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_that_is_being_made_or_restored_is_not_deleted_and_the_request_says_why() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "busy").await;
    let spec = json!({"includedNamespaces": [stage.home.name()]});
    let errors = |request: &Value| request["status"]["errors"].to_string();

    hold(&stage, "/made/*/made.tar.zst");
    stage.home.create(BACKUP, "made", spec.clone()).await;
    stage.home.reach(BACKUP, "made", "InProgress").await;
    let refused = request_deletion(&stage.home, "too-early", "made").await;
    assert!(errors(&refused).contains("is in progress"), "{refused}");
    stage.man().await;
    stage.home.reach(BACKUP, "made", "Completed").await;

    hold(&stage, "/backups/made/*/index.ndjson.zst");
    let copy = TestNamespace::reserve(&lab.a, "busy-copy");
    let mapping = json!({stage.home.name(): &copy.name});
    stage.home.create(RESTORE, "reading", json!({"backupName": "made", "namespaceMapping": mapping})).await;
    stage.home.reach(RESTORE, "reading", "InProgress").await;
    let refused = request_deletion(&stage.home, "meanwhile", "made").await;
    assert!(errors(&refused).contains("reading"), "it names the restore: {refused}");
    stage.man().await;
    stage.home.reach(RESTORE, "reading", "Completed").await;
    stage.verify("made").await;

    let done = request_deletion(&stage.home, "at-last", "made").await;
    assert_eq!(errors(&done), "null", "{done}");
    assert_eq!(stage.keys("backups/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_object_that_is_deleted_while_it_is_made_leaves_no_parts() {
    let lab = Lab::get().await;
    let stage = Stage::open(&lab, "dropped").await;
    hold(&stage, "/dropped/*/index.ndjson.zst");
    stage.home.create(BACKUP, "dropped", json!({"includedNamespaces": [stage.home.name()]})).await;
    eventually("the tarball is there", async || {
        stage.keys("backups/dropped/").await.iter().any(|key| key.ends_with(".tar.zst")).then_some(())
    })
    .await;
    stage.home.delete(BACKUP, "dropped").await;
    eventually("nothing is left", async || stage.keys("backups/").await.is_empty().then_some(())).await;
    stage.home.gone(BACKUP, "dropped").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_bucket_keeps_everything_when_the_namespace_is_deleted_and_another_finds_it() {
    let lab = Lab::get().await;
    let stage = Stage::open(&lab, "doomed").await;
    let kept = TestNamespace::create(&lab.a, "kept").await;
    config_map(&lab.a, &kept.name, "settings", &json!({"k": "v"})).await;
    stage.home.create(BACKUP, "kept", json!({"includedNamespaces": [&kept.name]})).await;
    stage.home.reach(BACKUP, "kept", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "kept-copy");
    let mapping = json!({&kept.name: &copy.name});
    stage.home.create(RESTORE, "kept", json!({"backupName": "kept", "namespaceMapping": mapping})).await;
    stage.home.reach(RESTORE, "kept", "Completed").await;
    let before = stage.keys("").await;
    let namespace = format!("/api/v1/namespaces/{}", stage.home.name());
    lab.a.delete(&namespace).await;
    eventually("the namespace is gone, with the server in it", async || {
        lab.a.read(&namespace).await.is_none().then_some(())
    })
    .await;
    assert_eq!(stage.keys("").await, before);
    drop(stage.server);
    let another = Home::found(&lab.a, "heir").await;
    another.location("default", &stage.bucket, json!({})).await;
    let _server = another.start(ServerOptions::default()).await;
    another.reach(BACKUP, "kept", "Completed").await;
    another.reach(RESTORE, "kept", "Completed").await;
}

/// A document that another cluster has put there, changed as its clock or its version would have it.
async fn plant(stage: &Stage<'_>, name: &str, change: impl Fn(&mut Value)) {
    let arguments =
        ["backup", "run", name, "--location", &stage.bucket, "--include-namespaces", "kube-public"];
    let mut command = stage.lab.a.ark(arguments);
    tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
    let key = format!("backups/{name}/ark-backup.json");
    let mut document = stage.object(&key).await.expect("there");
    change(&mut document);
    let key = ObjectKey::new(key).expect("a key");
    stage.store.put(&key, document.to_string().into(), PutMode::Overwrite).await.expect("written");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn documents_of_the_future_are_read_and_claims_of_the_future_respected() {
    let lab = Lab::get().await;
    let mut stage = Stage::unmanned(&lab, "skewed").await;
    plant(&stage, "ahead", |document| {
        for field in ["startTimestamp", "completionTimestamp"] {
            document["status"][field] = json!("2099-01-01T00:00:00Z");
        }
        document["status"]["expiration"] = json!("2099-02-01T00:00:00Z");
    })
    .await;
    plant(&stage, "newer", |document| {
        document["spec"]["fieldOfTheFuture"] = json!({"a": [1, 2]});
        document["status"]["anotherOne"] = json!("x");
        document["metadata"]["labels"] = json!({"example.com/ours": "yes"});
    })
    .await;
    let ahead = chrono::Utc::now() + chrono::TimeDelta::hours(5);
    let claim = Claim {
        process: None,
        heartbeat: ahead,
        claimed_at: ahead,
        ..Claim::new("their-uid", "their-cluster", "them/1")
    };
    let key = ObjectKey::new("backups/theirs/claim.json").expect("a key");
    let body = serde_json::to_vec(&claim).expect("JSON");
    stage.store.put(&key, body.into(), PutMode::Create).await.expect("written");

    stage.man().await;
    stage.home.reach(BACKUP, "ahead", "Completed").await;
    stage.home.reach(BACKUP, "newer", "Completed").await;
    stage.home.create(BACKUP, "theirs", json!({"includedNamespaces": ["kube-public"]})).await;
    let refused = stage.home.reach(BACKUP, "theirs", "FailedValidation").await;
    assert!(refused["status"]["validationErrors"].to_string().contains("their-cluster"), "{refused}");
    // Passes later, all is as it was.
    pass_twice(&stage.home, stage.server.as_ref().expect("a server runs"), "default").await;
    stage.home.create(BACKUP, "later", json!({"includedNamespaces": ["kube-public"]})).await;
    stage.home.reach(BACKUP, "later", "Completed").await;
    for name in ["ahead", "newer"] {
        assert_eq!(stage.home.phase(BACKUP, name).await.as_deref(), Some("Completed"));
    }
    assert_eq!(stage.keys("backups/theirs/").await, ["backups/theirs/claim.json"]);
}

/// The kinds as a later version has them: with a field more in specification and status.
async fn grow(lab: &Lab, grown: bool) {
    for plural in ["backups", "restores"] {
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.ark.heptio.com");
        let change = |definition: &mut Value| {
            let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
            for part in ["spec", "status"] {
                let fields = schema[part]["properties"].as_object_mut().expect("fields");
                if grown {
                    fields.insert("later".to_owned(), json!({"type": "string"}));
                } else {
                    fields.remove("later");
                }
            }
        };
        lab.b.edit(&path, "", change).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn fields_of_a_later_version_survive_what_this_one_writes() {
    let lab = Lab::alone().await;
    let home = Home::found(&lab.b, "later").await;
    grow(&lab, true).await;
    let spec = json!({"includedNamespaces": [home.name()], "later": "kept"});
    eventually("the API server keeps the new field", async || {
        let probe = home.create(BACKUP, "probe", spec.clone()).await;
        home.delete(BACKUP, "probe").await;
        (probe["spec"]["later"] == "kept").then_some(())
    })
    .await;
    home.location("default", &lab.bucket(), json!({})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.create(BACKUP, "one", spec).await;
    let made = home.reach(BACKUP, "one", "Completed").await;
    assert_eq!(made["spec"]["later"], "kept", "{made}");
    grow(&lab, false).await;
}
