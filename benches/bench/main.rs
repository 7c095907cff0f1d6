//! The bench: what Ark costs beside a bare client that does the same on the same cluster, as ratios
//! of one run.
//!
//! `benches/bench/run` starts it. `backup` compares with a paged LIST, `lock` locks databases,
//! `restore` and `sync` compare with bare creates, `latency` restores through a `proxy` that takes
//! its time, `bytes` counts what is read of a tarball, `idle` watches a server; `objects` makes the
//! load, `client` is the bare client, `program` and `server` run `ark` and watch its memory, `lab`
//! brings clusters up, `report` prints. Without `--bench` (as in `cargo test --all-targets`) the
//! bench does nothing.

mod backup;
mod bytes;
mod client;
mod idle;
mod lab;
mod latency;
mod lock;
mod objects;
mod program;
mod proxy;
mod report;
mod restore;
mod server;
mod setting;
#[path = "../../tests/mongo/stand/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    clippy::expect_used,
    reason = "it is made for tests, which need more of it"
)]
mod stand;
mod sync;

use std::process::ExitCode;

use report::{Report, say};
use setting::{Setting, Stage};

/// What could not be run, in words.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let done = Setting::read().and_then(|setting| {
        let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("starting: {error}"))?;
        runtime.block_on(run(&setting))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            say(&format!("could not go on: {problem}"));
            ExitCode::FAILURE
        }
    }
}

/// As an outcome tells it.
fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// All stages that are wanted, in one cluster as it grows: the one that fills it with Ark's own
/// objects comes last.
async fn run(setting: &Setting) -> Outcome<()> {
    let mut report = Report::default();
    let source = lab::Lab::up("bench-a", true)?;
    if [Stage::Backup, Stage::Lock, Stage::Bytes, Stage::Restore, Stage::Latency]
        .iter()
        .any(|stage| setting.does(*stage))
    {
        engine(setting, &source, &mut report).await?;
    }
    if setting.does(Stage::Sync) {
        sync::measure(setting, &source, &mut report).await?;
    }
    if setting.does(Stage::Idle) {
        idle::measure(&source, &mut report).await?;
    }
    report.print().map_err(|error| format!("printing the table: {error}"))
}

/// Backups of a cluster as it grows, then, of the smaller one, restores and the bytes of a small
/// one.
async fn engine(setting: &Setting, source: &lab::Lab, report: &mut Report) -> Outcome<()> {
    let location = source.location()?;
    let backups = backup::Backups::prepare(setting, source, &location).await?;
    if setting.does(Stage::Backup) {
        backups.empty(report).await?;
    }
    let original = backups.load_and_keep(setting.objects).await?;
    if setting.does(Stage::Bytes) {
        bytes::measure(&original, report).await?;
    }
    if setting.does(Stage::Lock) {
        lock::measure(&backups, report).await?;
    }
    if setting.does(Stage::Backup) {
        let few = backups.measure(setting.objects, backup::FEW, report).await?;
        if setting.more > setting.objects {
            backups.load(setting.more).await?;
            let many = backups.measure(setting.more, backup::MANY, report).await?;
            report.memory_growth(few, many);
        }
    }
    if setting.does(Stage::Restore) {
        restore::measure(setting, &original, report).await?;
    }
    if setting.does(Stage::Latency) {
        latency::measure(setting, &original, report).await?;
    }
    Ok(())
}
