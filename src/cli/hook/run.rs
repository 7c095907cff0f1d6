//! `ark hook run`: runs the hooks of pods now, without a backup.

use std::pin::pin;

use clap::Args;
use futures::{Stream, StreamExt as _};

use super::hooked_pods::HookedPodsArgs;
use crate::cli::exit::signal;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::hooks::{HookEnd, HookRun, PodHooks};

/// Run the hooks of pods now, those before a backup and then those after it, without a backup.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  # All hooks of one pod\n  ark hook run shop-db/db-0\n  # Those of a schedule's backups, in all pods that they take\n  ark hook run --from-schedule nightly --all\n\nThe hooks after a backup run whatever becomes of those before it, and after Ctrl-C, too. What the commands print is printed. The exit code is 3 if a hook fails."
)]
pub struct RunCommand {
    /// The pods, each as NAMESPACE/NAME
    #[arg(value_name = "POD", required_unless_present = "all")]
    pods: Vec<String>,
    /// All pods that the backup would take
    #[arg(long, conflicts_with = "pods")]
    all: bool,
    #[command(flatten)]
    hooked: HookedPodsArgs,
}

/// Runs the hooks, and prints how each ended.
pub async fn run(global: &Global, command: &RunCommand, output: &Output) -> Result<Done, Failure> {
    let cluster = global.cluster().await?;
    let pods = chosen(command, command.hooked.pods(global, &cluster).await?)?;
    let run = HookRun::new(&cluster, pods);
    let mut stop = pin!(signal::stopped(output, "running what comes after a backup"));
    let mut failed = 0;
    let is_stopped = tokio::select! {
        () = &mut stop => true,
        () = show(run.pre(), &mut failed, output) => false,
    };
    show(run.post(is_stopped), &mut failed, output).await;
    if is_stopped {
        return Err(Failure::because("stopped before all hooks were run"));
    }
    Ok(Done::unless(failed > 0))
}

/// Returns the pods that were named, or all.
fn chosen(command: &RunCommand, pods: Vec<PodHooks>) -> Result<Vec<PodHooks>, Failure> {
    if command.all {
        return Ok(pods);
    }
    let has = |name: &String| pods.iter().any(|pod| pod.to_string() == **name);
    let missing: Vec<_> = command.pods.iter().filter(|name| !has(name)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(Failure::not_found(format!(
            "no pod of such a backup has the name {} and hooks; `ark hook list` shows those that have some",
            missing.join(", ")
        )));
    }
    Ok(pods.into_iter().filter(|pod| command.pods.contains(&pod.to_string())).collect())
}

async fn show(pods: impl Stream<Item = Vec<HookEnd>>, failed: &mut u64, output: &Output) {
    let mut pods = pin!(pods);
    while let Some(ends) = pods.next().await {
        for end in ends {
            end.lines().iter().for_each(|line| output.note(line));
            if let Some(finding) = end.finding() {
                *failed += 1;
                output.error(finding);
            }
        }
    }
}
