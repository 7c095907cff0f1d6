//! A cluster whose backup locks a stand, and the program that makes it.

use std::process::Command;

use ark::cluster::{Cluster, ConnectOptions};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake_engine_cluster::FakeEngineCluster;
use crate::stand::Stand;
use crate::support::{Run, Running, run};

/// What no text that Ark writes may hold.
pub const PASSWORD: &str = "hunter2";

/// A cluster with the URI of a stand in the Secret `shop/mongo`, and a folder as a bucket.
pub struct Scene {
    pub cluster: FakeEngineCluster,
    folder: TempDir,
}

impl Scene {
    pub fn of(stand: &Stand) -> Self {
        let scene = Self {
            cluster: FakeEngineCluster::start(),
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        std::fs::create_dir(scene.folder.path().join("bucket")).expect("a folder");
        scene.put_secret("mongo", &[("uri", &stand.uri())]);
        scene.act(&json!({}));
        scene
    }

    /// Adds or replaces a Secret in the namespace `shop`.
    pub fn put_secret(&self, name: &str, texts: &[(&str, &str)]) {
        let encoded = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
        let data: Value = texts.iter().map(|(key, text)| ((*key).to_owned(), encoded(text))).collect();
        self.cluster.put("secrets", Some("shop"), name, json!({ "data": data }));
    }

    /// From now on, backups lock with these fields of the action, beside the connection.
    pub fn act(&self, fields: &Value) {
        let mut mongo = json!({"connection": {"uriSecret": {"name": "mongo", "key": "uri"}}});
        for (field, value) in fields.as_object().expect("fields") {
            mongo[field] = value.clone();
        }
        let hooks = json!({"actions": [{"name": "db", "namespace": "shop", "mongo": mongo}]});
        std::fs::write(self.folder.path().join("hooks.yaml"), hooks.to_string()).expect("a file");
    }

    /// Connects to the cluster.
    pub async fn connect(&self) -> Cluster {
        let options = ConnectOptions { kubeconfig: Some(self.cluster.kubeconfig()), ..Default::default() };
        Cluster::connect(&options).await.expect("a kubeconfig")
    }

    fn ark(&self, arguments: &[&str]) -> Command {
        let location = format!("file://{}/bucket", self.folder.path().display());
        let mut command = self.cluster.ark(arguments);
        command.args(["--location", &location]);
        command
    }

    fn backup(&self, name: &str) -> Command {
        let hooks = self.folder.path().join("hooks.yaml");
        let mut command = self.ark(&["backup", "run", name, "-o", "json"]);
        command.arg("--hooks").arg(hooks);
        command
    }

    /// Makes a backup, which ends with this exit code.
    #[track_caller]
    pub fn run(&self, name: &str, code: i32) -> Backup {
        Backup::of(run(&mut self.backup(name)).expect_code(code))
    }

    /// Begins a backup and waits until it asks for the cut, which it is not told before
    /// `cluster.go_on`.
    pub fn run_to_the_cut(&self, name: &str) -> Running {
        self.cluster.hold("/namespaces?limit=1");
        let running = self.start(name);
        self.cluster.await_asked(&["/namespaces?limit=1"]);
        running
    }

    /// Begins a backup.
    pub fn start(&self, name: &str) -> Running {
        Running::start(&mut self.backup(name))
    }

    /// Undoes what dead backups have left, and returns whether there was anything.
    #[track_caller]
    pub fn undo_all(&self) -> bool {
        let undone = run(&mut self.ark(&["obligation", "undo", "--all", "--force"])).expect_code(0);
        undone.stdout.contains("done: ")
    }

    /// Returns what a command prints about a backup.
    #[track_caller]
    pub fn told(&self, verb: &str, name: &str) -> String {
        run(&mut self.ark(&["backup", verb, name])).expect_code(0).stdout
    }

    /// Checks that no file of the bucket holds the password.
    #[track_caller]
    pub fn holds_no_password(&self, name: &str) {
        let log = self.told("logs", name);
        let document = run(&mut self.ark(&["backup", "describe", name, "-o", "json"])).stdout;
        assert!(!log.contains("hunter") && !document.contains("hunter"), "{log}\n{document}");
    }
}

/// A backup that was made.
pub struct Backup {
    /// Its status.
    pub status: Value,
    /// What was said beside the document.
    pub said: String,
}

impl Backup {
    pub fn of(run: Run) -> Self {
        let document: Value = serde_json::from_str(&run.stdout).expect("one JSON document");
        assert!(!run.stderr.contains("hunter") && !run.stdout.contains("hunter"), "{}", run.transcript());
        Self { status: document["status"].clone(), said: run.stderr }
    }

    /// Returns status and reason of the condition about hooks.
    pub fn hooks(&self) -> (&str, &str) {
        let conditions = self.status["conditions"].as_array().expect("conditions");
        let of_hooks = conditions.iter().find(|condition| condition["type"] == "HooksSucceeded");
        let condition = of_hooks.expect("a condition about hooks");
        (condition["status"].as_str().expect("a status"), condition["reason"].as_str().expect("a reason"))
    }
}
