//! FerretDB over SQLite in a folder of its own, for one test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A server that ends with its test.
pub struct FerretDb {
    process: Child,
    /// Where it listens, `host:port`.
    pub address: String,
    _folder: TempDir,
}

impl FerretDb {
    /// Builds the server, if it is not there yet, and starts it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/hack/ferretdb"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("hack/ferretdb can be started");
        let mut uri = String::new();
        let output = process.stdout.take().expect("standard output is piped");
        BufReader::new(output).read_line(&mut uri).expect("it says where it listens");
        let address = uri.trim().trim_start_matches("mongodb://").trim_end_matches('/').to_owned();
        assert!(!address.is_empty(), "hack/ferretdb did not start; run it by hand to see why");
        Self { process, address, _folder: folder }
    }
}

impl Drop for FerretDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
