//! `ark obligation`: what a bucket says is to be undone, and undoing it without a server.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::fake_engine_cluster::FakeEngineCluster;
use crate::support::{Run, run};

/// The uid of the fake cluster.
const HERE: &str = "00000000-0000-0000-0000-000000000011";

struct Stand {
    cluster: FakeEngineCluster,
    folder: TempDir,
}

impl Stand {
    fn new() -> Self {
        let folder = tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("obligations")).expect("a folder can be made");
        Self { cluster: FakeEngineCluster::start(), folder }
    }

    fn path(&self, id: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("obligations/{id}.json"))
    }

    /// Puts a document; one that is dead was written long ago by both clocks.
    fn put(&self, id: &str, cluster: &str, is_dead: bool) {
        let now = chrono::Utc::now();
        let heartbeat = if is_dead { now - chrono::TimeDelta::hours(1) } else { now };
        std::fs::write(self.path(id), document(cluster, heartbeat.to_rfc3339()).to_string())
            .expect("a file can be written");
        if is_dead {
            age(&self.path(id));
        }
    }

    fn ark(&self, arguments: &[&str]) -> Run {
        let location = format!("file://{}", self.folder.path().display());
        let all = ["obligation"].into_iter().chain(arguments.iter().copied());
        run(&mut self.cluster.ark(all.chain(["--location", &location])))
    }
}

fn document(cluster: &str, heartbeat: String) -> Value {
    json!({
        "format": 1, "run": {"kind": "Backup", "name": "nightly", "uid": "u"}, "clusterUid": cluster,
        "holder": "laptop/7", "process": "p", "heartbeat": heartbeat,
        "open": [{
            "what": "lies", "since": "2026-11-28T03:00:00Z", "deadline": "2026-11-28T04:00:00Z",
            "undo": {"type": "scale", "action": "stop", "resource": "deployments.apps",
                "namespace": "shop", "name": "gone", "uid": "w", "replicas": 3},
        }],
    })
}

fn age(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    file.set_modified(before).expect("its time can be set");
}

#[test]
fn what_is_to_be_undone_is_listed_with_what_undoes_it_and_not_with_what_it_says_of_itself() {
    let stand = Stand::new();
    let nothing = stand.ark(&["list"]).expect_code(0);
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.trim()), ("", "nothing is to be undone"));
    stand.put("backup-u-1", HERE, true);
    std::fs::write(stand.path("nonsense"), "{\"format\": 1").expect("a file can be written");
    let listed = stand.ark(&["list", "-o", "wide"]).expect_code(0).stdout;
    for said in
        ["backup-u-1", "Backup nightly", "scales deployments.apps shop/gone back to 3", "laptop/7", HERE]
    {
        assert!(listed.contains(said), "{said} in {listed}");
    }
    assert!(listed.contains("nonsense") && listed.contains("cannot be read"), "{listed}");
    assert!(!listed.contains("lies"), "{listed}");
    let rows: Value = serde_json::from_str(&stand.ark(&["list", "-o", "json"]).stdout).expect("JSON");
    assert_eq!((&rows[0]["id"], &rows[0]["cluster"]), (&json!("backup-u-1"), &json!(HERE)));
}

#[test]
fn what_another_cluster_left_and_what_lives_is_refused_and_the_rest_undone() {
    let stand = Stand::new();
    stand.put("backup-u-1", HERE, true);
    stand.put("backup-v-1", "another-cluster", true);
    stand.put("backup-w-1", HERE, false);
    for (id, why) in [("backup-v-1", "another-cluster"), ("backup-w-1", "laptop/7")] {
        let refused = stand.ark(&["undo", "backup-u-1", id]).expect_code(1);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
        assert!(stand.path("backup-u-1").exists(), "nothing is done before all is looked at");
    }
    stand.ark(&["undo", "backup-x-1"]).expect_code(4);
    stand.ark(&["undo"]).expect_code(2);
    let undone = stand.ark(&["undo", "--all"]).expect_code(0);
    assert_eq!(undone.stdout.trim(), "done: scales deployments.apps shop/gone back to 3");
    let is_there = |id: &str| stand.path(id).exists();
    assert!(!is_there("backup-u-1") && is_there("backup-v-1") && is_there("backup-w-1"));
    stand.ark(&["undo", "backup-w-1", "--force"]).expect_code(0);
    assert!(!is_there("backup-w-1"));
    let forced = stand.ark(&["undo", "backup-v-1", "--force"]).expect_code(1);
    assert!(forced.stderr.contains("another-cluster") && is_there("backup-v-1"), "{}", forced.stderr);
}
