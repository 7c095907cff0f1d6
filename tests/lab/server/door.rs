//! The command line in front of a server: what people type, on a real cluster with a real bucket.

use serde_json::{Value, json};

use super::{BACKUP, Home, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::process::{Run, run};
use crate::support::{Lab, TestNamespace, eventually};

/// `ark ARGUMENTS…` in the home's namespace, with no bucket named and no credentials of one.
fn ark(home: &Home<'_>, arguments: &[&str]) -> Run {
    let mut command = home.cluster.ark(arguments.iter().copied().chain(["-n", home.name()]));
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        command.env_remove(name);
    }
    run(&mut command)
}

/// A namespace with one setting in it.
async fn shop(lab: &Lab) -> TestNamespace {
    let shop = TestNamespace::create(&lab.a, "shop").await;
    let path = format!("/api/v1/namespaces/{}/configmaps", shop.name);
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}});
    lab.a.create(&path, &settings).await;
    shop
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_is_created_described_logged_downloaded_and_deleted_from_the_command_line() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "door-backup").await;
    let shop = shop(&lab).await;
    let url = lab.bucket();
    ark(
        &home,
        &[
            "location",
            "create",
            "default",
            "--url",
            &url,
            "--credential",
            "bucket-credentials:cloud",
            "--default",
        ],
    )
    .expect_code(0);
    let _server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;

    let made = ark(&home, &["backup", "create", "monday", "--include-namespaces", &shop.name, "--wait"])
        .expect_code(0);
    assert!(made.stdout.starts_with("backup monday: Completed, "), "{}", made.transcript());
    assert_eq!(ark(&home, &["get", "backups", "-o", "name"]).expect_code(0).stdout, "monday\n");
    let described = ark(&home, &["backup", "describe", "monday"]).expect_code(0);
    assert!(
        described.stdout.contains("Phase:        Completed") && described.stdout.contains("Errors:       0"),
        "{}",
        described.transcript()
    );
    assert!(ark(&home, &["backup", "logs", "monday"]).expect_code(0).stdout.contains("listing configmaps"));
    let contents = ark(&home, &["backup", "contents", "monday", "-o", "name"]).expect_code(0).stdout;
    assert!(contents.contains(&format!("configmaps {}/settings", shop.name)), "{contents}");
    ark(&home, &["backup", "verify", "monday"]).expect_code(0);
    let diff = ark(&home, &["backup", "diff", "monday", "--live"]).expect_code(0);
    assert_eq!(diff.stdout, "", "{}", diff.transcript());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("monday.tar.zst").display().to_string();
    ark(&home, &["backup", "download", "monday", "--to", &file]).expect_code(0);
    assert!(std::fs::metadata(&file).expect("it is saved").len() > 0);

    let copy = TestNamespace::reserve(&lab.a, "copy");
    let mapping = format!("{}:{}", shop.name, copy.name);
    let back = ark(
        &home,
        &["restore", "create", "back", "--from-backup", "monday", "--namespace-mappings", &mapping, "--wait"],
    )
    .expect_code(0);
    assert!(back.stdout.starts_with("restore back: Completed, "), "{}", back.transcript());
    let settings = lab.a.read(&format!("/api/v1/namespaces/{}/configmaps/settings", copy.name)).await;
    assert_eq!(settings.map(|object| object["data"].clone()), Some(json!({"a": "1"})));
    let described = ark(&home, &["restore", "describe", "back"]).expect_code(0);
    assert!(described.stdout.contains("Errors:"), "{}", described.transcript());
    ark(&home, &["restore", "logs", "back"]).expect_code(0);
    let again = ["restore", "create", "again", "--from-backup", "monday", "--namespace-mappings", &mapping];
    ark(&home, &[&again[..], &["--wait"]].concat()).expect_code(0);
    let gone = ark(&home, &["restore", "delete", "again", "--confirm", "--wait"]).expect_code(0);
    assert_eq!(gone.stdout, "restore again is deleted; what it restored stays\n");
    assert!(home.read(RESTORE, "again").await.is_none());
    let left = ark(&home, &["restore", "get", "-o", "name"]).expect_code(0);
    assert!(left.stdout.contains("back") && !left.stdout.contains("again"), "{}", left.transcript());

    ark(&home, &["backup", "delete", "monday"]).expect_code(2);
    let gone = ark(&home, &["backup", "delete", "monday", "--confirm", "--wait"]).expect_code(0);
    assert_eq!(gone.stdout, "backup monday is deleted\n");
    ark(&home, &["backup", "describe", "monday"]).expect_code(4);
    home.gone(RESTORE, "back").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_the_server_refuses_is_told_line_by_line() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "door-refused").await;
    let _server = home.start(ServerOptions::default()).await;
    let refused =
        ark(&home, &["backup", "create", "a", "--storage-location", "nowhere", "--wait"]).expect_code(1);
    assert!(
        refused.stderr.contains("error: ") && refused.stderr.contains("nowhere"),
        "{}",
        refused.transcript()
    );
    let phase = home.phase(BACKUP, "a").await;
    assert_eq!(phase.as_deref(), Some("FailedValidation"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_schedule_is_paused_and_unpaused_from_the_command_line() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "door-schedule").await;
    home.location("default", &lab.bucket(), json!({"default": true})).await;
    let server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
    ark(
        &home,
        &["schedule", "create", "often", "--schedule", "@every 1s", "--include-namespaces", home.name()],
    )
    .expect_code(0);
    eventually("the schedule makes a backup", async || home.all(BACKUP).await.pop()).await;
    ark(&home, &["schedule", "pause", "often"]).expect_code(0);
    let paused = home.read(SCHEDULE, "often").await.expect("it is there");
    assert_eq!(paused["spec"]["paused"], true);
    let described = ark(&home, &["schedule", "describe", "often"]).expect_code(0);
    assert!(described.stdout.contains("Paused:        true"), "{}", described.transcript());
    ark(&home, &["schedule", "unpause", "often"]).expect_code(0);
    let before = home.all(BACKUP).await.len();
    eventually("it makes backups again", async || (home.all(BACKUP).await.len() > before).then_some(()))
        .await;
    ark(&home, &["schedule", "delete", "often", "--confirm"]).expect_code(0);
    assert!(home.read(SCHEDULE, "often").await.is_none());
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn without_kinds_namespace_or_server_the_command_line_says_what_is_missing() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.b, "door-alone").await;
    let waited = ark(&home, &["backup", "create", "a", "--wait"]).expect_code(1);
    assert!(waited.stderr.contains("no server is running"), "{}", waited.transcript());
    let nowhere = run(&mut lab.b.ark(["backup", "get", "-n", "no-such-namespace"])).expect_code(4);
    assert!(nowhere.stderr.contains("there is no namespace `no-such-namespace`"), "{}", nowhere.transcript());
    let list: Value =
        serde_json::from_str(&ark(&home, &["backup", "get", "-o", "json"]).expect_code(0).stdout)
            .expect("JSON");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}
