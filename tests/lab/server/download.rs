//! DownloadRequests: what a person gets who asks for a log.

use serde_json::{Value, json};

use super::{BACKUP, DOWNLOAD, Home, LOCATION, ServerOptions};
use crate::support::{Lab, TestNamespace};

/// The first bytes of a zstd frame.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

async fn backed_up(home: &Home<'_>, lab: &Lab, bucket: &str) -> TestNamespace {
    home.location("default", bucket, json!({})).await;
    home.reach(LOCATION, "default", "Available").await;
    let shop = TestNamespace::create(&lab.a, "asked").await;
    home.create(BACKUP, "nightly", json!({"includedNamespaces": [&shop.name]})).await;
    home.reach(BACKUP, "nightly", "Completed").await;
    shop
}

async fn asked(home: &Home<'_>, name: &str, kind: &str, of: &str) -> Value {
    home.create(DOWNLOAD, name, json!({"target": {"kind": kind, "name": of}})).await;
    home.reach(DOWNLOAD, name, "Processed").await["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_log_in_a_bucket_is_had_from_the_bucket_for_a_while() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "presign").await;
    let _server = home.start(ServerOptions::default()).await;
    let _shop = backed_up(&home, &lab, &lab.bucket()).await;
    let status = asked(&home, "log", "BackupLog", "nightly").await;
    let url = status["downloadURL"].as_str().expect("an address");
    assert!(url.starts_with(&lab.s3) && url.contains("X-Amz-Expires=600"), "{url}");
    let log = std::process::Command::new("curl").args(["-sSf", "--max-time", "20", url]).output();
    assert!(log.expect("curl can be started").stdout.starts_with(&ZSTD));
    let status = asked(&home, "none", "RestoreLog", "nightly").await;
    assert!(status["message"].as_str().is_some_and(|why| why.contains("no Restore `nightly`")), "{status}");
    assert_eq!(status.get("downloadURL"), None);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_log_in_a_folder_is_had_once_from_the_server_and_no_log_tells_how() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "token").await;
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions { flags: vec!["-v".to_owned()], ..ServerOptions::default() };
    let server = home.start(options).await;
    let _shop = backed_up(&home, &lab, &format!("file://{}", folder.path().display())).await;
    let status = asked(&home, "log", "BackupLog", "nightly").await;
    let url = status["downloadURL"].as_str().expect("an address");
    let proxy = format!("/api/v1/namespaces/{}/services/http:ark:8085/proxy", home.name());
    let path = url.strip_prefix(&proxy).expect("a way through the API server");
    let command = format!("curl -sSf --max-time 20 http://{}{path}", server.address());
    let fetch =
        || std::process::Command::new("sh").args(["-c", &command]).output().expect("sh can be started");
    assert!(fetch().stdout.starts_with(&ZSTD));
    assert!(!fetch().status.success(), "an address is good once");
    let token = path.rsplit('/').next().expect("a token");
    assert_eq!(token.len(), 64);
    assert!(!server.log().contains(token), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_log_is_had_from_the_public_address_or_through_the_server_where_that_is_asked_for() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "public").await;
    let server = home.start(ServerOptions::default()).await;
    // The server reaches the bucket at one name of this machine, people at another.
    let public = lab.s3.replace("127.0.0.1", "localhost");
    let _shop = backed_up(&home, &lab, &format!("{}&publicUrl={public}", lab.bucket())).await;
    let status = asked(&home, "log", "BackupLog", "nightly").await;
    let url = status["downloadURL"].as_str().expect("an address");
    assert!(url.starts_with(&format!("{public}/")), "{url}");
    let log = std::process::Command::new("curl").args(["-sSf", "--max-time", "20", url]).output();
    assert!(log.expect("curl can be started").stdout.starts_with(&ZSTD), "the signature is for that address");
    let target = json!({"kind": "BackupLog", "name": "nightly"});
    home.create(DOWNLOAD, "through", json!({"target": target, "throughServer": true})).await;
    let status = home.reach(DOWNLOAD, "through", "Processed").await["status"].clone();
    let proxy = format!("/api/v1/namespaces/{}/services/http:ark:8085/proxy", home.name());
    let path =
        status["downloadURL"].as_str().and_then(|url| url.strip_prefix(&proxy)).expect("a way through it");
    let address = format!("http://{}{path}", server.address());
    let log = std::process::Command::new("curl").args(["-sSf", "--max-time", "20", &address]).output();
    assert!(log.expect("curl can be started").stdout.starts_with(&ZSTD));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_location_says_whether_what_is_written_carries_checksums() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "checksums").await;
    let _server = home.start(ServerOptions::default()).await;
    for (name, setting, carries) in [("found", "", true), ("without", "&checksums=WhenRequired", false)] {
        home.location(name, &format!("{}{setting}", lab.bucket()), json!({})).await;
        let location = home.reach(LOCATION, name, "Available").await;
        assert_eq!(location["status"]["capabilities"]["checksums"], carries, "{location}");
        let spec = json!({"storageLocation": name, "includedNamespaces": [home.name()]});
        home.create(BACKUP, &format!("into-{name}"), spec).await;
        home.reach(BACKUP, &format!("into-{name}"), "Completed").await;
    }
}
