//! Killed again and again at random moments (kill -9), each topology is found unlocked once another
//! process has undone what is recorded. Some rounds in the suite; `ARK_MONGO_KILL_ROUNDS=100` for
//! many. What is left is read from the fronts, not from records.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ark::mongo::{LedgerError, MongoLedger, MongoLogin, MongoUndo, undo};
use async_trait::async_trait;

use crate::request;
use crate::stand::{Peculiarities, Role, Stand};

/// Rounds in the suite; the environment may ask for more.
const ROUNDS: u32 = 3;
const MORE: &str = "ARK_MONGO_KILL_ROUNDS";
/// How the process that is killed is told what to lock, and where its records go.
const URI: &str = "ARK_MONGO_KILLED_URI";
const FOLDER: &str = "ARK_MONGO_KILLED_FOLDER";
/// A process lives so long at most, in milliseconds; it begins within 50, and locks and releases a
/// sharded cluster in 100.
const LONGEST_LIFE: u64 = 400;

/// Records in a folder, a file each, which outlive the process.
struct Folder {
    path: PathBuf,
    written: AtomicU64,
}

impl Folder {
    fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), written: AtomicU64::new(0) }
    }

    /// Returns files and records, the newest first.
    fn open(&self) -> Vec<(PathBuf, MongoUndo)> {
        let files = fs::read_dir(&self.path).expect("the folder is there");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let read = |file: &Path| serde_json::from_slice(&fs::read(file).expect("a record")).expect("a record");
        files.into_iter().rev().map(|file| (file.clone(), read(&file))).collect()
    }
}

#[async_trait]
impl MongoLedger for Folder {
    async fn announce(&self, undo: &MongoUndo) -> Result<(), LedgerError> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let draft = self.path.join("draft");
        fs::write(&draft, serde_json::to_vec(undo)?)?;
        Ok(fs::rename(draft, self.path.join(format!("{number:09}.json")))?)
    }

    async fn settle(&self, undo: &MongoUndo) -> Result<(), LedgerError> {
        for (file, _) in self.open().into_iter().filter(|(_, open)| open == undo) {
            fs::remove_file(file)?;
        }
        Ok(())
    }
}

/// The life of the process that is killed; without its environment there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is started, and killed, by the other tests here"]
async fn locks_and_releases_until_it_is_killed() {
    let (Ok(uri), Ok(folder)) = (std::env::var(URI), std::env::var(FOLDER)) else { return };
    let login = MongoLogin::from_uri(&uri).await.expect("a URI");
    let ledger: Arc<dyn MongoLedger> = Arc::new(Folder::at(folder));
    loop {
        let held = ark::mongo::lock(&login, &request(), Arc::clone(&ledger)).await.expect("it is locked");
        assert!(held.finish().await.iter().all(Result::is_ok));
    }
}

/// Returns a number below `most`.
fn random(most: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::from(now.subsec_nanos()).wrapping_mul(0x9e37_79b9_7f4a_7c15) % most
}

/// One life, and what is found after it. Returns how many records were left.
async fn round(stand: &Stand) -> usize {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut process = Command::new(std::env::current_exe().expect("this program"))
        .args(["kill_rounds::locks_and_releases_until_it_is_killed", "--exact", "--include-ignored"])
        .env(URI, stand.uri())
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("it can be started again");
    tokio::time::sleep(Duration::from_millis(random(LONGEST_LIFE))).await;
    process.kill().expect("it has not ended by itself");
    process.wait().expect("it is dead");
    stand.deployment().deserted().await;
    let login = crate::login(stand).await;
    let records = Folder::at(folder.path()).open();
    for (_, record) in &records {
        undo(&login, record).await.expect("it is undone");
    }
    records.len()
}

async fn rounds(stand: Stand) {
    let rounds = std::env::var(MORE).map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let mut left = 0;
    for number in 0..rounds {
        left += usize::from(round(&stand).await > 0);
        let mode = stand.deployment().balancer(|_| {}).mode;
        assert_eq!((stand.locks(), mode), (0, "full"), "round {number}: {:?}", stand.deployment().events());
    }
    println!("{rounds} rounds, of which {left} left something to undo, and none a lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_stays_unlocked_whenever_the_process_is_killed() {
    rounds(Stand::standalone(Peculiarities::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_stays_unlocked_whenever_the_process_is_killed() {
    rounds(Stand::replica_set(&[Role::Data; 3], Peculiarities::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sharded_cluster_stays_unlocked_and_its_balancer_on_whenever_the_process_is_killed() {
    rounds(Stand::sharded(Peculiarities::default()).await).await;
}
