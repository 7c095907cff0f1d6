//! A real cluster from `hack/lab`, taken down when it is dropped.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::NamedTempFile;

use crate::Outcome;
use crate::report::say;

/// A cluster that runs, and the bucket's server when it was asked for.
#[derive(Debug)]
pub struct Lab {
    name: String,
    facts: HashMap<String, String>,
    keep: bool,
}

impl Lab {
    /// Starts a cluster; one of this name that runs already is taken as it is.
    pub fn up(name: &str, s3: bool) -> Outcome<Self> {
        say(&format!("bringing up the cluster {name}"));
        let mut command = script("up");
        command.args(["--name", name]).stderr(Stdio::inherit());
        if s3 {
            command.arg("--s3");
        }
        let output = command.output().map_err(|error| format!("starting hack/lab/up: {error}"))?;
        if !output.status.success() {
            return Err(format!("hack/lab/up --name {name} failed; see above"));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let facts = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { name: name.to_owned(), facts, keep: std::env::var_os("ARK_BENCH_KEEP").is_some() })
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> Outcome<PathBuf> {
        Ok(self.fact("KUBECONFIG")?.into())
    }

    /// The bucket on its server that backups go to.
    pub fn location(&self) -> Outcome<Place> {
        self.bucket("ark-bench")
    }

    /// A bucket on its server.
    pub fn bucket(&self, name: &str) -> Outcome<Place> {
        let wrong = |error: std::io::Error| format!("writing the credentials: {error}");
        let mut credentials = NamedTempFile::new().map_err(wrong)?;
        writeln!(
            credentials,
            "[default]\naws_access_key_id={}\naws_secret_access_key={}",
            self.fact("AWS_ACCESS_KEY_ID")?,
            self.fact("AWS_SECRET_ACCESS_KEY")?,
        )
        .map_err(wrong)?;
        let start = format!("s3://{name}?");
        let end = start.len();
        let url = url::form_urlencoded::Serializer::for_suffix(start, end)
            .append_pair("endpoint", self.fact("S3_ENDPOINT")?)
            .append_pair("region", self.fact("AWS_REGION")?)
            .append_pair("forcePathStyle", "true")
            .append_pair("createBucket", "true")
            .append_pair("credentialsFile", &credentials.path().to_string_lossy())
            .finish();
        Ok(Place { url, credentials: Arc::new(credentials) })
    }

    /// What `hack/lab/up` said of it.
    pub fn fact(&self, name: &str) -> Outcome<&str> {
        self.facts.get(name).map(String::as_str).ok_or_else(|| format!("hack/lab/up did not say {name}"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.keep {
            // `benches/bench/run` takes down what this leaves.
            let _ = script("down").args(["--name", &self.name]).stderr(Stdio::null()).status();
        }
    }
}

/// A location, and what opens it.
#[derive(Clone, Debug)]
pub struct Place {
    /// As `--location` takes it.
    pub url: String,
    /// The file that the URL names; it goes with the last place.
    credentials: Arc<NamedTempFile>,
}

impl Place {
    /// The file with what opens it, in the format of AWS.
    pub fn credentials(&self) -> &Path {
        self.credentials.path()
    }
}

fn script(name: &str) -> Command {
    Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("hack/lab").join(name))
}
