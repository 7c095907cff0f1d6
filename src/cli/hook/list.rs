//! `ark hook list`: lists the hooks that a backup would run now.

use clap::Args;
use serde_json::{Value, json};

use super::hooked_pods::HookedPodsArgs;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output, Table};
use crate::hooks::{HookPhase, PodHook, PodHooks};

/// List the hooks that a backup would run now.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark hook list --include-namespaces shop,shop-db\n  # Those of the backups that a schedule makes, with the hooks of its template\n  ark hook list --from-schedule nightly\n\nA pod whose annotations cannot be read is an error, and the exit code is 3: none of its hooks would be run."
)]
pub struct ListCommand {
    #[command(flatten)]
    hooked: HookedPodsArgs,
}

/// Prints a line for each hook, and an error for each pod whose annotations cannot be read.
pub async fn list(global: &Global, command: &ListCommand, output: &Output) -> Result<Done, Failure> {
    let pods = command.hooked.pods(global, &global.cluster().await?).await?;
    for pod in &pods {
        pod.mistake.iter().for_each(|why| output.error(format!("pod {pod}: {why}")));
    }
    let hooks = || pods.iter().filter(|pod| pod.mistake.is_none()).flat_map(hooks);
    match output.format() {
        Format::Json | Format::Yaml => output.document(&hooks().map(document).collect::<Vec<_>>())?,
        Format::Name => pods.iter().try_for_each(|pod| output.line(pod))?,
        Format::Table | Format::Wide => {
            let mut table =
                Table::new(&["namespace", "pod", "phase", "container", "command", "timeout", "from"]);
            hooks().for_each(|hook| table.row(row(hook)));
            match hooks().next() {
                Some(_) => output.line(table)?,
                None => output.note("no pod of such a backup has hooks"),
            }
        }
    }
    Ok(Done::unless(pods.iter().any(|pod| pod.mistake.is_some())))
}

type Named<'a> = (&'a PodHooks, HookPhase, &'a PodHook);

fn hooks(pod: &PodHooks) -> impl Iterator<Item = Named<'_>> {
    let phases = [HookPhase::Pre, HookPhase::Post].into_iter();
    phases.flat_map(move |phase| pod.of(phase).iter().map(move |hook| (pod, phase, hook)))
}

fn row((pod, phase, hook): Named<'_>) -> [String; 7] {
    let container = hook.exec.container.clone().unwrap_or_else(|| "the first".to_owned());
    let command = serde_json::to_string(&hook.exec.command).unwrap_or_default();
    let timeout = humantime::format_duration(hook.timeout()).to_string();
    let place = (pod.namespace.clone(), pod.name.clone());
    [place.0, place.1, phase.as_str().to_owned(), container, command, timeout, hook.source.to_string()]
}

fn document((pod, phase, hook): Named<'_>) -> Value {
    json!({
        "namespace": pod.namespace, "pod": pod.name, "phase": phase.as_str(), "from": hook.source.to_string(),
        "exec": hook.exec,
    })
}
