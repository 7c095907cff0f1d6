//! A server whose cluster is treated roughly: the API server restarts, etcd is full. `hack/test.sh`
//! brings up a cluster for these that is nobody else's.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::backup::config_map;
use crate::process::run;
use crate::server::{BACKUP, Installation, LOCATION, RESTORE, SCHEDULE, Server, ServerOptions};
use crate::support::{Act, Interceptor, Lab, RoughCluster, TestNamespace, eventually};

/// The objects of a restore that an API server's restart meets on its way.
const OBJECTS: usize = 300;

/// Waits for the end of a run; a server that ended because it lost its lease is started again.
async fn completes(home: &Installation<'_>, server: &mut Server, kind: crate::server::Kind, name: &str) {
    eventually(&format!("{} {name} is Completed", kind.0), async || {
        if server.ended().is_some() {
            assert!(server.log().contains("lost the lease"), "{}", server.log());
            *server = home.start_again(ServerOptions::default()).await;
        }
        let phase = home.phase(kind, name).await.unwrap_or_default();
        assert!(!["Failed", "PartiallyFailed", "FailedValidation"].contains(&&*phase), "{name}: {phase}");
        (phase == "Completed").then_some(())
    })
    .await;
}

async fn verify(lab: &Lab, backup: &str, bucket: &str) {
    let mut command = lab.a.ark(["backup", "verify", backup, "--location", bucket]);
    tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
}

/// The API server is stopped and started in the middle of a backup and of a restore.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_api_server_that_restarts_ends_no_run() {
    let (rough, lab) = (RoughCluster::get().await, Lab::get().await);
    let (bucket, s3) = (lab.bucket(), Interceptor::of_s3(&lab).await);
    let source = TestNamespace::create(&rough.cluster, "restarts-source").await;
    for number in 0..OBJECTS {
        config_map(&rough.cluster, &source.name, &format!("object-{number}"), &json!({"k": "v"})).await;
    }
    let home = Installation::prepare(&rough.cluster, "restarts").await;
    home.location("default", &s3.through(&lab, &bucket), json!({})).await;
    let mut server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [home.name()]});
    home.create(SCHEDULE, "often", json!({"schedule": "@every 2s", "template": template})).await;

    let stopped = CancellationToken::new();
    let until = stopped.clone();
    s3.set(move |asked| {
        let writes = asked.method == "PUT" && asked.path.ends_with("/during.tar.zst");
        if writes { Act::Held(until.clone()) } else { Act::Pass }
    });
    home.create(BACKUP, "during", json!({"includedNamespaces": [&source.name]})).await;
    home.reach(BACKUP, "during", "InProgress").await;
    tokio::join!(rough.stop_api_server(), async {
        eventually("the API server is away", async || rough.cluster.is_away().await.then_some(())).await;
        stopped.cancel();
    });
    // Its tarball arrives, and nothing can be recorded; or the server has lost its lease by then.
    let store = crate::restore::store(&bucket).await;
    eventually("the tarball is in the bucket, or the server has ended", async || {
        let listed = store.list("backups/during/", false, None).await.expect("listable");
        let mut keys = listed.objects.iter().map(|object| object.key.as_str());
        (keys.any(|key| key.ends_with("/during.tar.zst")) || server.ended().is_some()).then_some(())
    })
    .await;
    rough.start().await;
    completes(&home, &mut server, BACKUP, "during").await;
    verify(&lab, "during", &bucket).await;

    let copy = TestNamespace::reserve(&rough.cluster, "restarts-copy");
    let spec = json!({"backupName": "during", "namespaceMapping": {&source.name: &copy.name}});
    home.create(RESTORE, "back", spec).await;
    let first = format!("/api/v1/namespaces/{}/configmaps", copy.name);
    eventually("the restore has begun to create", async || {
        let list = rough.cluster.read(&first).await?;
        (list["items"].as_array()?.len() > 1).then_some(())
    })
    .await;
    rough.stop_api_server().await;
    rough.start().await;
    completes(&home, &mut server, RESTORE, "back").await;
    let there = rough.cluster.read(&first).await.expect("listable");
    let there = there["items"].as_array().expect("items").iter();
    assert_eq!(there.filter(|map| map["data"] == json!({"k": "v"})).count(), OBJECTS);

    // Its schedule goes on.
    let before = home.all(BACKUP).await.len();
    eventually("the schedule makes another", async || (home.all(BACKUP).await.len() > before).then_some(()))
        .await;
}

/// etcd reaches its quota while a backup is made: the backup is in the bucket, and is recorded once
/// there is room.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_etcd_that_is_full_loses_nothing_that_was_made() {
    let (rough, lab) = (RoughCluster::get().await, Lab::get().await);
    let (bucket, s3) = (lab.bucket(), Interceptor::of_s3(&lab).await);
    let waste = TestNamespace::create(&rough.cluster, "waste").await;
    let home = Installation::prepare(&rough.cluster, "full").await;
    home.location("default", &s3.through(&lab, &bucket), json!({})).await;
    let server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
    home.create(BACKUP, "before", json!({"includedNamespaces": [home.name()]})).await;
    home.reach(BACKUP, "before", "Completed").await;

    // Its tarball is under way when etcd becomes full, and arrives at once then: a server that is
    // answered with errors meanwhile might try again only after its lease has ended.
    let full = CancellationToken::new();
    let until = full.clone();
    s3.set(move |asked| {
        let writes = asked.method == "PUT" && asked.path.ends_with("/during.tar.zst");
        if writes { Act::Held(until.clone()) } else { Act::Pass }
    });
    home.create(BACKUP, "during", json!({"includedNamespaces": [home.name()]})).await;
    home.reach(BACKUP, "during", "InProgress").await;
    let refusal = rough.fill(&waste.name).await;
    assert!(refusal.contains("database space exceeded"), "{refusal}");
    full.cancel();
    let document = "backups/during/ark-backup.json";
    let store = crate::restore::store(&bucket).await;
    let key = ark::store::ObjectKey::new(document).expect("a key");
    eventually("the backup is in the bucket", async || store.head(&key).await.ok()).await;
    eventually("the server that cannot keep its lease ends", async || server.ended()).await;
    assert!(server.log().contains("database space exceeded"), "the log says why: {}", server.log());
    assert_eq!(home.phase(BACKUP, "during").await.as_deref(), Some("InProgress"));

    rough.make_room(&waste.name).await;
    let _server = home.start_again(ServerOptions::default()).await;
    let made = home.reach(BACKUP, "during", "Completed").await;
    assert_eq!(made["status"]["attempt"], 1, "what is done is recorded and not done again: {made}");
    assert_eq!(home.phase(BACKUP, "before").await.as_deref(), Some("Completed"));
    for backup in ["before", "during"] {
        verify(&lab, backup, &bucket).await;
    }
}
