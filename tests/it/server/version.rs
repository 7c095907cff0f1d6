//! `ark version --server`: the server of the cluster is asked for its version.

use serde_json::{Value, json};

use super::FakeCluster;
use crate::support::{ark, run};

/// A ServerStatusRequest is created, its answer awaited, and the request deleted.
#[test]
fn the_server_says_its_version_when_it_is_asked() {
    let cluster = FakeCluster::start();
    run(&mut ark(["version"])).expect_code(0);
    cluster.script(
        "serverstatusrequests",
        &[json!({"phase": "New"}), json!({"phase": "Processed", "serverVersion": "9.8.7"})],
    );
    let asked = run(&mut cluster.ark(&["version", "--server"])).expect_code(0);
    assert!(asked.stdout.ends_with("the server of namespace heptio-ark is ark 9.8.7\n"), "{}", asked.stdout);
    assert!(cluster.all("serverstatusrequests").is_empty(), "nothing is left behind");
    let asked = run(&mut cluster.ark(&["version", "--server", "-o", "json"])).expect_code(0).stdout;
    let asked: Value = serde_json::from_str(&asked).expect("one JSON document");
    assert_eq!(asked["server"], json!({"version": "9.8.7"}));
}
