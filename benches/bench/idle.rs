//! What a server costs that has nothing to do: its memory and its share of a processor, with a
//! thousand Backups.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::backup::store;
use crate::client::Client;
use crate::lab::Lab;
use crate::report::{Report, say};
use crate::server::Server;
use crate::sync::{fill, install, settle};

const HOME: &str = "bench-idle";
const BUCKET: &str = "ark-bench-idle";
/// Backups that the cluster and the bucket have.
const BACKUPS: usize = 1_000;
/// How long it is watched: several passes of sync.
const WATCHED: Duration = Duration::from_secs(60);
const MIB: f64 = (1 << 20) as f64;

/// Lets a server sync a bucket, starts another one, as after an update, and watches it do nothing.
pub async fn measure(lab: &Lab, report: &mut Report) -> Outcome<()> {
    let place = lab.bucket(BUCKET)?;
    say(&format!("filling a bucket with {BACKUPS} backups"));
    fill(&*store(&place).await?, BACKUPS, 0).await?;
    let client = Client::new(&lab.kubeconfig()?).await?;
    install(&client).await?;
    settle(&client, lab, &place, HOME, BUCKET).await?;
    let syncing = Server::start(lab, HOME, &[])?;
    syncing.passes(2.0, "the first passes").await?;
    let (_, after_sync) = syncing.memory()?;
    drop(syncing);
    let server = Server::start(lab, HOME, &[])?;
    server.passes(1.0, "the first pass of the next server").await?;
    let (began, before) = (Instant::now(), server.processor()?);
    tokio::time::sleep(WATCHED).await;
    let share = (server.processor()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
    let (peak, now) = server.memory()?;
    let what = format!("idle server with {BACKUPS} Backups");
    report.at_most(format!("{what}: memory"), now / MIB, 40.0, " MiB");
    report.at_most(format!("{what}: share of a processor, a pass every 5 s"), share * 100.0, 1.0, " %");
    report.note(
        format!("{what}: peak since its start; the server that synced them"),
        format!("{:.1} MiB; {:.1} MiB", peak / MIB, after_sync / MIB),
    );
    Ok(())
}
