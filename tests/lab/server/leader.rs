//! Two servers in one namespace: one acts, the other takes its place, and never do both.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::intercepted::InterceptedServer;
use super::{BACKUP, Installation, STATUS, Server, ServerOptions};
use crate::support::{Act, Cluster, Lab, Proxy, eventually};

/// Nothing that is sent arrives any more, and nothing says so.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A way to the API server that can be cut, and the kubeconfig that goes it.
async fn way_to(cluster: &Cluster) -> (Proxy, NamedTempFile) {
    let text = std::fs::read_to_string(&cluster.kubeconfig).expect("readable");
    let config = kube::config::Kubeconfig::read_from(&cluster.kubeconfig).expect("readable");
    let server = config.clusters[0].cluster.as_ref().and_then(|cluster| cluster.server.clone());
    let server = server.expect("an address");
    let proxy = Proxy::to(server.trim_start_matches("https://")).await;
    let kubeconfig = NamedTempFile::new().expect("a file");
    let through = text.replace(&server, &format!("https://{}", proxy.address()));
    std::fs::write(kubeconfig.path(), through).expect("writable");
    (proxy, kubeconfig)
}

/// Asserts that a server says of itself whether it leads.
async fn says(server: &Server, readiness: &str, leader: &str) {
    eventually(&format!("server {} says {readiness:?}", server.id()), async || {
        let (code, words) = server.get("/readyz").await?;
        (code == 200 && words == readiness).then_some(())
    })
    .await;
    eventually(&format!("server {} says {leader:?}", server.id()), async || {
        let (_, metrics) = server.get("/metrics").await?;
        metrics.lines().any(|line| line == leader).then_some(())
    })
    .await;
}

/// Asserts that somebody acts here.
async fn is_served(installation: &Installation<'_>, name: &str) {
    installation.create(STATUS, name, json!({})).await;
    installation.reach(STATUS, name, "Processed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn of_two_servers_one_leads_and_the_other_takes_over_when_it_is_killed_or_ends() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "leader").await;
    let first = installation.start(ServerOptions::default()).await;
    let second = installation.start_beside(ServerOptions::default()).await;
    says(&first, "leading\n", "ark_leader 1").await;
    says(&second, "standing by\n", "ark_leader 0").await;
    is_served(&installation, "by-the-first").await;

    first.kill();
    installation.leads(&second).await;
    says(&second, "leading\n", "ark_leader 1").await;
    is_served(&installation, "by-the-second").await;

    let third = installation.start_beside(ServerOptions::default()).await;
    says(&third, "standing by\n", "ark_leader 0").await;
    assert_eq!(second.stop().await, Some(0), "{}", second.log());
    let holder = installation.leader().await.unwrap_or_default();
    assert!(!second.is_holder(&holder), "it gives the lease up when it ends: {holder}");
    installation.leads(&third).await;
    is_served(&installation, "by-the-third").await;
    assert_eq!(third.stop().await, Some(0), "{}", third.log());
    assert_eq!(installation.leader().await, None, "the lease is given up");
}

/// The time of a line of a server's log.
fn time_of(line: &str) -> Option<DateTime<Utc>> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["timestamp"].as_str()?.parse().ok()
}

/// Breaks the leader's way to the API server, and asserts that the leader does nothing more when
/// the other begins, and ends.
async fn is_gone_before_the_other_begins(purpose: &str, disturb: impl FnOnce(&Proxy)) {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, purpose).await;
    let (proxy, kubeconfig) = way_to(&lab.a).await;
    let options =
        ServerOptions { kubeconfig: Some(kubeconfig.path().to_owned()), ..ServerOptions::default() };
    let first = installation.start(options).await;
    let second = installation.start_beside(ServerOptions::default()).await;
    disturb(&proxy);
    let begun = eventually("the other leads", async || {
        second.log().lines().find(|line| line.contains(r#""message":"leading""#)).and_then(time_of)
    })
    .await;
    let status = eventually("the first ends", async || first.ended()).await;
    assert_eq!(status.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("lost the lease"), "{}", first.log());
    let last = first.log().lines().filter_map(time_of).max().expect("it said when it did what");
    assert!(last < begun, "the first was at it until {last}, and the other from {begun}: {}", first.log());
    is_served(&installation, "by-the-second").await;
}

/// Its connections to the API server break, and new ones are refused.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_leader_that_is_cut_off_ends_before_the_other_begins() {
    is_gone_before_the_other_begins("cut", Proxy::cut).await;
}

/// Its connections to the API server stay, and nothing arrives.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_leader_whose_requests_vanish_ends_before_the_other_begins() {
    is_gone_before_the_other_begins("vanish", |proxy| proxy.slow_down(FOR_EVER)).await;
}

/// Sends a signal to a server.
fn signal(server: &Server, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &server.id().to_string()]).status();
    assert!(sent.expect("kill can be started").success());
}

/// SIGSTOP for longer than a lease: what was under way arrives late and touches nothing, and
/// nothing else is sent.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_leader_that_was_stopped_writes_nothing_when_it_wakes() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "asleep").await;
    let first = intercepted.server.take().expect("a server runs");
    // Busy at the moment when it is stopped, so that it has something to write when it wakes.
    let late = CancellationToken::new();
    let held = late.clone();
    intercepted.s3.set(move |asked| {
        let writes = asked.method == "PUT" && asked.path.ends_with("/begun.tar.zst");
        if writes { Act::Held(held.clone()) } else { Act::Pass }
    });
    intercepted
        .installation
        .create(BACKUP, "begun", json!({"includedNamespaces": [intercepted.installation.name()]}))
        .await;
    intercepted.installation.reach(BACKUP, "begun", "InProgress").await;
    eventually("a write is on its way", async || {
        let mut seen = intercepted.s3.take_seen().into_iter();
        seen.any(|asked| asked.path.ends_with("/begun.tar.zst")).then_some(())
    })
    .await;
    signal(&first, "-STOP");
    intercepted.s3.clear();
    let second = intercepted.installation.start_beside(ServerOptions::default()).await;
    intercepted.installation.leads(&second).await;
    let made = intercepted.installation.reach(BACKUP, "begun", "Completed").await;
    assert_eq!(made["status"]["attempt"], 2, "{made}");
    // What was under way when it was stopped arrives now: after the commit, and it touches nothing
    // of it.
    late.cancel();
    eventually("the late write has arrived", async || {
        let keys = intercepted.keys("backups/begun/").await;
        (keys.iter().filter(|key| key.ends_with("/begun.tar.zst")).count() == 2).then_some(())
    })
    .await;
    intercepted.verify("begun").await;
    // From here on, only what it sends counts.
    intercepted.api.take_seen();
    intercepted.s3.take_seen();
    signal(&first, "-CONT");
    let ended = eventually("the first ends", async || first.ended()).await;
    assert_eq!(ended.code(), Some(1), "{}", first.log());
    let writes: Vec<_> =
        intercepted.api.take_seen().into_iter().filter(|asked| asked.method != "GET").collect();
    let beside: Vec<_> = writes.iter().filter(|asked| !asked.path.contains("/leases/")).collect();
    assert!(beside.is_empty(), "{beside:?}");
    let to_bucket = intercepted.s3.take_seen();
    let to_bucket: Vec<_> =
        to_bucket.iter().filter(|asked| asked.method != "GET" && asked.path.contains("/begun/")).collect();
    assert!(to_bucket.is_empty(), "neither to the API server nor to the bucket: {to_bucket:?}");
    assert_eq!(
        intercepted.installation.read(BACKUP, "begun").await.expect("there")["status"],
        made["status"]
    );
    intercepted.verify("begun").await;
}
