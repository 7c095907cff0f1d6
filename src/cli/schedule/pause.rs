//! `ark schedule pause` and `ark schedule unpause`: set `spec.paused`.

use clap::Args;
use serde_json::json;

use crate::api::Schedule;
use crate::cli::client::ArkClient;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::cli::verbs::create::made;
use crate::model::ObjectName;

/// Pause or unpause schedules.
#[derive(Args, Debug)]
pub struct PauseCommand {
    /// The names of the schedules
    #[arg(value_name = "NAME", required = true)]
    names: Vec<ObjectName>,
}

/// Sets `spec.paused` of each Schedule.
pub async fn pause(
    global: &Global,
    command: &PauseCommand,
    paused: bool,
    output: &Output,
) -> Result<Done, Failure> {
    let client = ArkClient::open(global).await?;
    let (did, then) = if paused {
        ("paused", "it makes no backups until `ark schedule unpause`")
    } else {
        (
            "unpaused",
            "it makes backups again, at ticks from now on; its first one, if it has made none, at once",
        )
    };
    for name in &command.names {
        let schedule: Schedule = client.change(name.as_str(), &json!({"spec": {"paused": paused}})).await?;
        made(&schedule, did, then, output)?;
    }
    Ok(Done::Complete)
}
