//! What people write, and what other clusters and versions write.

use ark::bucket::Claim;
use ark::store::{ObjectKey, PutMode};
use serde_json::{Value, json};

use super::super::intercepted::InterceptedServer;
use super::super::sync::pass_twice;
use super::super::{BACKUP, Installation, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::backup::config_map;
use crate::process::run;
use crate::support::{Lab, TestNamespace, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_time_that_makes_no_sense_is_refused_with_the_reason() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "nonsense").await;
    installation.location("default", &lab.bucket(), json!({})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;

    let crons =
        ["61 * * * *", "* * 32 * *", "CRON_TZ=Mars/Olympus 0 0 * * *", "0 0 31 2 *", "@every 0s", "at noon"];
    for (number, cron) in crons.into_iter().enumerate() {
        let name = format!("cron-{number}");
        let object = json!({"metadata": {"name": &name}, "spec": {"schedule": cron, "template": {}}});
        let said = match installation.try_create(SCHEDULE, object).await {
            Err(refused) => refused,
            Ok(_) => {
                installation.reach(SCHEDULE, &name, "FailedValidation").await["status"]["validationErrors"]
                    .to_string()
            }
        };
        assert!(said.contains("schedule"), "{cron}: {said}");
    }
    for (number, ttl) in ["-5m", "999999999999h", "soon", "5 parsecs"].into_iter().enumerate() {
        let name = format!("ttl-{number}");
        let object = json!({"metadata": {"name": &name}, "spec": {"ttl": ttl, "includedNamespaces": [installation.name()]}});
        let said = match installation.try_create(BACKUP, object).await {
            Err(refused) => refused,
            Ok(_) => {
                installation.reach(BACKUP, &name, "FailedValidation").await["status"]["validationErrors"]
                    .to_string()
            }
        };
        assert!(said.contains("ttl"), "{ttl}: {said}");
    }
    // The longest that is taken is no reason to fall over.
    installation
        .create(BACKUP, "century", json!({"ttl": "36600d", "includedNamespaces": [installation.name()]}))
        .await;
    let century = installation.reach(BACKUP, "century", "Completed").await;
    assert!(century["status"]["expiration"].as_str().is_some_and(|time| time.starts_with("21")), "{century}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_object_that_is_deleted_while_it_is_made_leaves_no_parts() {
    let lab = Lab::get().await;
    let intercepted = InterceptedServer::start(&lab, "dropped").await;
    intercepted.hold("/dropped/*/index.ndjson.zst");
    intercepted
        .installation
        .create(BACKUP, "dropped", json!({"includedNamespaces": [intercepted.installation.name()]}))
        .await;
    eventually("the tarball is there", async || {
        intercepted.keys("backups/dropped/").await.iter().any(|key| key.ends_with(".tar.zst")).then_some(())
    })
    .await;
    intercepted.installation.delete(BACKUP, "dropped").await;
    eventually("nothing is left", async || intercepted.keys("backups/").await.is_empty().then_some(())).await;
    intercepted.installation.gone(BACKUP, "dropped").await;
}

/// Whoever deletes the namespace of the server deletes no backup; an installation elsewhere shows
/// all of them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_bucket_keeps_everything_when_the_namespace_is_deleted_and_another_finds_it() {
    let lab = Lab::get().await;
    let intercepted = InterceptedServer::start(&lab, "doomed").await;
    let kept = TestNamespace::create(&lab.a, "kept").await;
    config_map(&lab.a, &kept.name, "settings", &json!({"k": "v"})).await;
    intercepted.installation.create(BACKUP, "kept", json!({"includedNamespaces": [&kept.name]})).await;
    intercepted.installation.reach(BACKUP, "kept", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "kept-copy");
    let mapping = json!({&kept.name: &copy.name});
    intercepted
        .installation
        .create(RESTORE, "kept", json!({"backupName": "kept", "namespaceMapping": mapping}))
        .await;
    intercepted.installation.reach(RESTORE, "kept", "Completed").await;
    let before = intercepted.keys("").await;
    let namespace = format!("/api/v1/namespaces/{}", intercepted.installation.name());
    lab.a.delete(&namespace).await;
    eventually("the namespace is gone, with the server in it", async || {
        lab.a.read(&namespace).await.is_none().then_some(())
    })
    .await;
    assert_eq!(intercepted.keys("").await, before);
    drop(intercepted.server);
    let another = Installation::prepare(&lab.a, "heir").await;
    another.location("default", &intercepted.bucket, json!({})).await;
    let _server = another.start(ServerOptions::default()).await;
    another.reach(BACKUP, "kept", "Completed").await;
    another.reach(RESTORE, "kept", "Completed").await;
}

/// A document that another cluster has put there, changed as its clock or its version would have
/// it.
async fn plant(intercepted: &InterceptedServer<'_>, name: &str, change: impl Fn(&mut Value)) {
    let arguments =
        ["backup", "run", name, "--location", &intercepted.bucket, "--include-namespaces", "kube-public"];
    let mut command = intercepted.lab.a.ark(arguments);
    tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
    let key = format!("backups/{name}/ark-backup.json");
    let mut document = intercepted.object(&key).await.expect("there");
    change(&mut document);
    let key = ObjectKey::new(key).expect("a key");
    intercepted.store.put(&key, document.to_string().into(), PutMode::Overwrite).await.expect("written");
}

/// Written by a cluster whose clock is ahead, or by a later version of Ark.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn documents_of_the_future_are_read_and_claims_of_the_future_respected() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::prepare(&lab, "skewed").await;
    plant(&intercepted, "ahead", |document| {
        for field in ["startTimestamp", "completionTimestamp"] {
            document["status"][field] = json!("2099-01-01T00:00:00Z");
        }
        document["status"]["expiration"] = json!("2099-02-01T00:00:00Z");
    })
    .await;
    plant(&intercepted, "newer", |document| {
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
    intercepted.store.put(&key, body.into(), PutMode::Create).await.expect("written");

    intercepted.start_next().await;
    intercepted.installation.reach(BACKUP, "ahead", "Completed").await;
    intercepted.installation.reach(BACKUP, "newer", "Completed").await;
    intercepted.installation.create(BACKUP, "theirs", json!({"includedNamespaces": ["kube-public"]})).await;
    let refused = intercepted.installation.reach(BACKUP, "theirs", "FailedValidation").await;
    assert!(refused["status"]["validationErrors"].to_string().contains("their-cluster"), "{refused}");
    // Passes later, all is as it was.
    pass_twice(&intercepted.installation, intercepted.server.as_ref().expect("a server runs"), "default")
        .await;
    intercepted.installation.create(BACKUP, "later", json!({"includedNamespaces": ["kube-public"]})).await;
    intercepted.installation.reach(BACKUP, "later", "Completed").await;
    for name in ["ahead", "newer"] {
        assert_eq!(intercepted.installation.phase(BACKUP, name).await.as_deref(), Some("Completed"));
    }
    assert_eq!(intercepted.keys("backups/theirs/").await, ["backups/theirs/claim.json"]);
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
    let installation = Installation::prepare(&lab.b, "later").await;
    grow(&lab, true).await;
    let spec = json!({"includedNamespaces": [installation.name()], "later": "kept"});
    eventually("the API server keeps the new field", async || {
        let probe = installation.create(BACKUP, "probe", spec.clone()).await;
        installation.delete(BACKUP, "probe").await;
        (probe["spec"]["later"] == "kept").then_some(())
    })
    .await;
    installation.location("default", &lab.bucket(), json!({})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.create(BACKUP, "one", spec).await;
    let made = installation.reach(BACKUP, "one", "Completed").await;
    assert_eq!(made["spec"]["later"], "kept", "{made}");
    grow(&lab, false).await;
}
