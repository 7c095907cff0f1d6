//! The command line in front of a server: what people type, on a real cluster with a real bucket.

use serde_json::{Value, json};

use super::{BACKUP, Installation, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::process::{Run, run};
use crate::support::{Lab, TestNamespace, eventually};

/// `ark ARGUMENTS…` in the installation's namespace, with no bucket named and no credentials of
/// one.
fn ark(installation: &Installation<'_>, arguments: &[&str]) -> Run {
    let mut command = installation.cluster.ark(arguments.iter().copied().chain(["-n", installation.name()]));
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
    let installation = Installation::prepare(&lab.a, "door-backup").await;
    let shop = shop(&lab).await;
    let url = lab.bucket();
    ark(
        &installation,
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
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;

    let made =
        ark(&installation, &["backup", "create", "monday", "--include-namespaces", &shop.name, "--wait"])
            .expect_code(0);
    assert!(made.stdout.starts_with("backup monday: Completed, "), "{}", made.transcript());
    assert_eq!(ark(&installation, &["get", "backups", "-o", "name"]).expect_code(0).stdout, "monday\n");
    let described = ark(&installation, &["backup", "describe", "monday"]).expect_code(0);
    assert!(
        described.stdout.contains("Phase:        Completed") && described.stdout.contains("Errors:       0"),
        "{}",
        described.transcript()
    );
    assert!(
        ark(&installation, &["backup", "logs", "monday"])
            .expect_code(0)
            .stdout
            .contains("listing configmaps")
    );
    let contents = ark(&installation, &["backup", "contents", "monday", "-o", "name"]).expect_code(0).stdout;
    assert!(contents.contains(&format!("configmaps {}/settings", shop.name)), "{contents}");
    ark(&installation, &["backup", "verify", "monday"]).expect_code(0);
    let diff = ark(&installation, &["backup", "diff", "monday", "--live"]).expect_code(0);
    assert_eq!(diff.stdout, "", "{}", diff.transcript());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("monday.tar.zst").display().to_string();
    ark(&installation, &["backup", "download", "monday", "--to", &file]).expect_code(0);
    assert!(std::fs::metadata(&file).expect("it is saved").len() > 0);

    let copy = TestNamespace::reserve(&lab.a, "copy");
    let mapping = format!("{}:{}", shop.name, copy.name);
    let back = ark(
        &installation,
        &["restore", "create", "back", "--from-backup", "monday", "--namespace-mappings", &mapping, "--wait"],
    )
    .expect_code(0);
    assert!(back.stdout.starts_with("restore back: Completed, "), "{}", back.transcript());
    let settings = lab.a.read(&format!("/api/v1/namespaces/{}/configmaps/settings", copy.name)).await;
    assert_eq!(settings.map(|object| object["data"].clone()), Some(json!({"a": "1"})));
    let described = ark(&installation, &["restore", "describe", "back"]).expect_code(0);
    assert!(described.stdout.contains("Errors:"), "{}", described.transcript());
    ark(&installation, &["restore", "logs", "back"]).expect_code(0);
    let again = ["restore", "create", "again", "--from-backup", "monday", "--namespace-mappings", &mapping];
    ark(&installation, &[&again[..], &["--wait"]].concat()).expect_code(0);
    let gone = ark(&installation, &["restore", "delete", "again", "--confirm", "--wait"]).expect_code(0);
    assert_eq!(gone.stdout, "restore again is deleted; what it restored stays\n");
    assert!(installation.read(RESTORE, "again").await.is_none());
    let left = ark(&installation, &["restore", "get", "-o", "name"]).expect_code(0);
    assert!(left.stdout.contains("back") && !left.stdout.contains("again"), "{}", left.transcript());

    ark(&installation, &["backup", "delete", "monday"]).expect_code(2);
    let gone = ark(&installation, &["backup", "delete", "monday", "--confirm", "--wait"]).expect_code(0);
    assert_eq!(gone.stdout, "backup monday is deleted\n");
    ark(&installation, &["backup", "describe", "monday"]).expect_code(4);
    installation.gone(RESTORE, "back").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_the_server_refuses_is_told_line_by_line() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "door-refused").await;
    let _server = installation.start(ServerOptions::default()).await;
    let refused = ark(&installation, &["backup", "create", "a", "--storage-location", "nowhere", "--wait"])
        .expect_code(1);
    assert!(
        refused.stderr.contains("error: ") && refused.stderr.contains("nowhere"),
        "{}",
        refused.transcript()
    );
    let phase = installation.phase(BACKUP, "a").await;
    assert_eq!(phase.as_deref(), Some("FailedValidation"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_schedule_is_paused_and_unpaused_from_the_command_line() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "door-schedule").await;
    installation.location("default", &lab.bucket(), json!({"default": true})).await;
    let server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;
    ark(
        &installation,
        &[
            "schedule",
            "create",
            "often",
            "--schedule",
            "@every 1s",
            "--include-namespaces",
            installation.name(),
        ],
    )
    .expect_code(0);
    eventually("the schedule makes a backup", async || installation.all(BACKUP).await.pop()).await;
    ark(&installation, &["schedule", "pause", "often"]).expect_code(0);
    let paused = installation.read(SCHEDULE, "often").await.expect("it is there");
    assert_eq!(paused["spec"]["paused"], true);
    let described = ark(&installation, &["schedule", "describe", "often"]).expect_code(0);
    assert!(described.stdout.contains("Paused:        true"), "{}", described.transcript());
    ark(&installation, &["schedule", "unpause", "often"]).expect_code(0);
    let before = installation.all(BACKUP).await.len();
    eventually("it makes backups again", async || {
        (installation.all(BACKUP).await.len() > before).then_some(())
    })
    .await;
    ark(&installation, &["schedule", "delete", "often", "--confirm"]).expect_code(0);
    assert!(installation.read(SCHEDULE, "often").await.is_none());
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn without_kinds_namespace_or_server_the_command_line_says_what_is_missing() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.b, "door-alone").await;
    let waited = ark(&installation, &["backup", "create", "a", "--wait"]).expect_code(1);
    assert!(waited.stderr.contains("no server is running"), "{}", waited.transcript());
    let nowhere = run(&mut lab.b.ark(["backup", "get", "-n", "no-such-namespace"])).expect_code(4);
    assert!(nowhere.stderr.contains("there is no namespace `no-such-namespace`"), "{}", nowhere.transcript());
    let list: Value =
        serde_json::from_str(&ark(&installation, &["backup", "get", "-o", "json"]).expect_code(0).stdout)
            .expect("JSON");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}
