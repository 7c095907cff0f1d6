//! DownloadRequests: what a person gets who asks for a log.

use serde_json::{Value, json};

use ark::model::Opener;

use super::{BACKUP, DOWNLOAD, Installation, LOCATION, ServerOptions};
use crate::support::{Lab, TestNamespace, eventually};

/// The first bytes of a zstd frame.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

async fn backed_up(installation: &Installation<'_>, lab: &Lab, bucket: &str) -> TestNamespace {
    installation.location("default", bucket, json!({})).await;
    installation.reach(LOCATION, "default", "Available").await;
    let shop = TestNamespace::create(&lab.a, "asked").await;
    installation.create(BACKUP, "nightly", json!({"includedNamespaces": [&shop.name]})).await;
    installation.reach(BACKUP, "nightly", "Completed").await;
    shop
}

/// The status, and the address where there is one.
async fn asked(installation: &Installation<'_>, name: &str, mut spec: Value) -> (Value, Option<String>) {
    let opener = Opener::new().expect("there is randomness");
    spec["publicKey"] = json!(opener.key());
    installation.create(DOWNLOAD, name, spec).await;
    let status = installation.reach(DOWNLOAD, name, "Processed").await["status"].clone();
    let url = status["sealedURL"].as_str().map(|sealed| opener.open(sealed).expect("it is sealed for us"));
    assert!(!status.to_string().contains("X-Amz") && !status.to_string().contains("/proxy/"), "{status}");
    (status, url)
}

/// What is at an address.
fn fetch(url: &str) -> Vec<u8> {
    let answer = std::process::Command::new("curl").args(["-sSf", "--max-time", "120", url]).output();
    let answer = answer.expect("curl can be started");
    assert!(answer.status.success(), "{url}: {}", String::from_utf8_lossy(&answer.stderr));
    answer.stdout
}

fn log_of(name: &str) -> Value {
    json!({"target": {"kind": "BackupLog", "name": name}})
}

/// The address is signed for ten minutes and sealed to the key of who asked.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_log_in_a_bucket_is_had_from_the_bucket_for_a_while() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "presign").await;
    let _server = installation.start(ServerOptions::default()).await;
    let _shop = backed_up(&installation, &lab, &lab.bucket()).await;
    let (_, url) = asked(&installation, "log", log_of("nightly")).await;
    let url = url.expect("an address");
    assert!(url.starts_with(&lab.s3) && url.contains("X-Amz-Expires=600"), "{url}");
    assert!(fetch(&url).starts_with(&ZSTD));
    let target = json!({"kind": "RestoreLog", "name": "nightly"});
    let (status, url) = asked(&installation, "none", json!({ "target": target })).await;
    assert!(status["message"].as_str().is_some_and(|why| why.contains("no Restore `nightly`")), "{status}");
    assert_eq!(url, None);
    installation.create(DOWNLOAD, "open", log_of("nightly")).await;
    let status = installation.reach(DOWNLOAD, "open", "Processed").await["status"].clone();
    assert!(status["message"].as_str().is_some_and(|why| why.contains("no publicKey")), "{status}");
}

/// A location in a folder has no addresses of its own: the server hands the log out, once a token.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_log_in_a_folder_is_had_once_from_the_server_and_no_log_tells_how() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "token").await;
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions { flags: vec!["-v".to_owned()], ..ServerOptions::default() };
    let server = installation.start(options).await;
    let _shop = backed_up(&installation, &lab, &format!("file://{}", folder.path().display())).await;
    let (_, url) = asked(&installation, "log", log_of("nightly")).await;
    let url = url.expect("an address");
    let proxy = format!("/api/v1/namespaces/{}/services/http:ark:8085/proxy", installation.name());
    let path = url.strip_prefix(&proxy).expect("a way through the API server");
    assert!(fetch(&format!("http://{}{path}", server.address())).starts_with(&ZSTD));
    let again = eventually("the server answers", async || server.get(path).await).await;
    assert_eq!(again.0, 404, "an address is good once: {}", again.1);
    let token = path.rsplit('/').next().expect("a token");
    assert_eq!(token.len(), 64);
    assert!(!server.log().contains(token), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_log_is_had_from_the_public_address_or_through_the_server_where_that_is_asked_for() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "public").await;
    let server = installation.start(ServerOptions::default()).await;
    // The server reaches the bucket at one name of this machine, people at another.
    let public = lab.s3.replace("127.0.0.1", "localhost");
    let _shop = backed_up(&installation, &lab, &format!("{}&publicUrl={public}", lab.bucket())).await;
    let (_, url) = asked(&installation, "log", log_of("nightly")).await;
    let url = url.expect("an address");
    assert!(url.starts_with(&format!("{public}/")), "{url}");
    assert!(fetch(&url).starts_with(&ZSTD), "the signature is for that address");
    let mut through = log_of("nightly");
    through["throughServer"] = json!(true);
    let (_, url) = asked(&installation, "through", through).await;
    let url = url.expect("an address");
    let proxy = format!("/api/v1/namespaces/{}/services/http:ark:8085/proxy", installation.name());
    let path = url.strip_prefix(&proxy).expect("a way through it");
    assert!(fetch(&format!("http://{}{path}", server.address())).starts_with(&ZSTD));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_location_says_whether_what_is_written_carries_checksums() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "checksums").await;
    let _server = installation.start(ServerOptions::default()).await;
    for (name, setting, carries) in [("found", "", true), ("without", "&checksums=WhenRequired", false)] {
        installation.location(name, &format!("{}{setting}", lab.bucket()), json!({})).await;
        let location = installation.reach(LOCATION, name, "Available").await;
        assert_eq!(location["status"]["capabilities"]["checksums"], carries, "{location}");
        let spec = json!({"storageLocation": name, "includedNamespaces": [installation.name()]});
        installation.create(BACKUP, &format!("into-{name}"), spec).await;
        installation.reach(BACKUP, &format!("into-{name}"), "Completed").await;
    }
}
