//! A folder with the backup `monday` of the fake engine cluster, made by the program itself.

use std::path::PathBuf;

use tempfile::{TempDir, tempdir};

use crate::fake_engine_cluster::FakeEngineCluster;
use crate::support::{Run, run};

/// A folder with the backup `monday` of the fake engine cluster.
pub struct Fixture {
    /// The cluster.
    pub cluster: FakeEngineCluster,
    /// The folder.
    pub folder: TempDir,
    /// The folder as a location.
    pub location: String,
}

impl Fixture {
    /// Makes both.
    pub fn new() -> Self {
        let folder = tempdir().expect("a folder");
        let location = format!("file://{}", folder.path().display());
        let fixture = Self { cluster: FakeEngineCluster::start(), folder, location };
        fixture.run(&["backup", "run", "monday"]).expect_code(0);
        fixture
    }

    /// The command `ark ARGUMENTS… --location LOCATION`.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        self.cluster.ark(arguments.iter().copied().chain(["--location", &self.location]))
    }

    /// Runs it.
    pub fn run(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }

    /// A file of the backup: beside its document, or in the folder of the attempt that made it.
    pub fn file(&self, name: &str) -> PathBuf {
        let home = self.folder.path().join("backups/monday");
        let beside = home.join(name);
        let folders =
            std::fs::read_dir(&home).expect("a backup").map(|entry| entry.expect("readable").path());
        folders.map(|folder| folder.join(name)).find(|file| file.exists()).unwrap_or(beside)
    }
}
