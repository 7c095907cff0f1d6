//! The bucket and the API server fail for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::intercepted::InterceptedServer;
use super::super::{BACKUP, Installation, LOCATION, ServerOptions};
use crate::process::run;
use crate::support::{Act, Lab, Proxy, eventually, fact};

/// Long enough for several attempts of a client, much shorter than any deadline.
const SLOW: Duration = Duration::from_secs(3);

/// Requests for one body that always breaks off: the first, and three that go on from where it
/// broke.
const REQUESTS_OF_A_READ: usize = 4;

/// Why a location cannot be used.
async fn unavailable(installation: &Installation<'_>) -> String {
    let location = eventually("the location is Unavailable", async || {
        let location = installation.read(LOCATION, "default").await?;
        (location["status"]["phase"] == "Unavailable").then_some(location)
    });
    location.await["status"]["message"].as_str().expect("a reason").to_owned()
}

/// A location that is validated every second.
fn watchful() -> Value {
    json!({"validationPeriod": "1s"})
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn rotated_credentials_are_taken_up_and_never_shown() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "rotated").await;
    installation.location("default", &lab.bucket(), watchful()).await;
    let server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;
    let wrong = "no-such-secret-key-0123456789";
    installation.set_credentials(&fact("AWS_ACCESS_KEY_ID"), wrong).await;
    let why = unavailable(&installation).await;
    assert!(!why.contains(wrong), "{why}");
    installation.set_credentials(&fact("AWS_ACCESS_KEY_ID"), &fact("AWS_SECRET_ACCESS_KEY")).await;
    installation.reach(LOCATION, "default", "Available").await;
    installation.create(BACKUP, "after", json!({"includedNamespaces": [installation.name()]})).await;
    installation.reach(BACKUP, "after", "Completed").await;
    let log = server.log();
    for secret in [wrong, &fact("AWS_SECRET_ACCESS_KEY")] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

/// Requests that fail once, listings that take seconds, nothing but errors for a while, bodies that
/// break off.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_answers_badly_delays_work_and_loses_nothing() {
    let lab = Lab::get().await;
    let intercepted = InterceptedServer::start(&lab, "unwell").await;
    let spec = json!({"includedNamespaces": [intercepted.installation.name()]});

    // Each request fails when it is sent first; the client's own patience is enough.
    let mut failed = BTreeSet::new();
    intercepted.s3.set(move |asked| {
        let is_first = failed.insert((asked.method.clone(), asked.path.clone(), asked.query.clone()));
        if is_first { Act::Answer(503) } else { Act::Pass }
    });
    intercepted.installation.create(BACKUP, "stumbling", spec.clone()).await;
    intercepted.installation.reach(BACKUP, "stumbling", "Completed").await;

    // Each listing takes seconds; the rest goes on meanwhile.
    intercepted.s3.set(|asked| if asked.query.contains("list-type=2") { Act::Late(SLOW) } else { Act::Pass });
    intercepted.installation.create(BACKUP, "patient", spec.clone()).await;
    intercepted.installation.reach(BACKUP, "patient", "Completed").await;

    // Nothing but errors: the location says so, and nothing is taken away.
    intercepted.s3.set(|_| Act::Answer(503));
    let why = unavailable(&intercepted.installation).await;
    assert!(!why.is_empty());
    intercepted.installation.create(BACKUP, "waiting", spec.clone()).await;
    intercepted.s3.clear();
    intercepted.installation.reach(LOCATION, "default", "Available").await;
    let ended = eventually("what was asked for meanwhile is made, or refused with the reason", async || {
        let backup = intercepted.installation.read(BACKUP, "waiting").await?;
        ["Completed", "FailedValidation"]
            .iter()
            .any(|end| backup["status"]["phase"] == *end)
            .then_some(backup)
    })
    .await;
    let refused = ended["status"]["phase"] == "FailedValidation";
    assert!(!refused || ended["status"]["validationErrors"].to_string().contains("default"), "{ended}");

    // Bodies that are cut on their way: what another cluster made comes as soon as one arrives
    // whole.
    intercepted.s3.set(|asked| {
        if asked.method == "GET" && asked.path.ends_with("/theirs/ark-backup.json") {
            Act::Cut
        } else {
            Act::Pass
        }
    });
    let bucket = intercepted.bucket.clone();
    let mut elsewhere =
        lab.a.ark(["backup", "run", "theirs", "--location", &bucket, "--include-namespaces", "kube-public"]);
    tokio::task::spawn_blocking(move || run(&mut elsewhere).expect_code(0)).await.expect("it runs");
    intercepted.s3.take_seen();
    let mut asked_for = 0;
    eventually("a pass has given the document up, and another asks for it", async || {
        let seen = intercepted.s3.take_seen();
        asked_for += seen.iter().filter(|asked| asked.path.ends_with("/theirs/ark-backup.json")).count();
        (asked_for > REQUESTS_OF_A_READ).then_some(())
    })
    .await;
    assert!(intercepted.installation.read(BACKUP, "theirs").await.is_none());
    intercepted.s3.clear();
    intercepted.installation.reach(BACKUP, "theirs", "Completed").await;
    for name in ["stumbling", "patient"] {
        assert_eq!(intercepted.installation.phase(BACKUP, name).await.as_deref(), Some("Completed"));
        intercepted.verify(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_api_server_that_is_away_for_a_while_is_waited_for() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "away").await;
    installation.location("default", &lab.bucket(), json!({})).await;
    let config = kube::config::Kubeconfig::read_from(&lab.a.kubeconfig).expect("readable");
    let server =
        config.clusters[0].cluster.as_ref().and_then(|cluster| cluster.server.clone()).expect("a URL");
    let proxy = Proxy::to(server.trim_start_matches("https://")).await;
    let kubeconfig = tempfile::NamedTempFile::new().expect("a file");
    let text = std::fs::read_to_string(&lab.a.kubeconfig).expect("readable");
    std::fs::write(kubeconfig.path(), text.replace(&server, &format!("https://{}", proxy.address())))
        .expect("writable");
    let options =
        || ServerOptions { kubeconfig: Some(kubeconfig.path().to_owned()), ..ServerOptions::default() };
    let mut server = installation.start(options()).await;
    installation.reach(LOCATION, "default", "Available").await;
    for (round, name) in ["first", "second"].into_iter().enumerate() {
        proxy.cut();
        installation.create(BACKUP, name, json!({"includedNamespaces": ["kube-public"]})).await;
        if round == 1 {
            // Away for longer than a lease: whoever cannot renew it stops acting, and is started
            // again.
            eventually("the server without its lease ends", async || server.ended()).await;
        }
        proxy.mend();
        eventually("the backup is made once the API server is back", async || {
            if server.ended().is_some() {
                server = installation.start_again(options()).await;
            }
            (installation.phase(BACKUP, name).await.as_deref() == Some("Completed")).then_some(())
        })
        .await;
    }
}

/// The API server refuses the last status of a backup three times.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_end_that_the_api_server_does_not_take_is_recorded_later_and_made_once() {
    let lab = Lab::get().await;
    let intercepted = InterceptedServer::start(&lab, "full").await;
    let mut refused = 0;
    let (tell, told) = std::sync::mpsc::channel();
    intercepted.api.set(move |asked| {
        let records = asked.path.ends_with("/backups/kept/status");
        if records && asked.body["status"]["phase"] == "Completed" && refused < 3 {
            refused += 1;
            tell.send(refused).ok();
            return Act::Answer(500);
        }
        Act::Pass
    });
    intercepted.installation.create(BACKUP, "kept", json!({"includedNamespaces": ["kube-public"]})).await;
    let made = intercepted.installation.reach(BACKUP, "kept", "Completed").await;
    assert_eq!(told.try_iter().last(), Some(3), "the end was refused three times");
    assert_eq!(made["status"]["attempt"], 1, "what is done is recorded and not done again: {made}");
    intercepted.verify("kept").await;
}
