//! The command line of the bench.

use std::env::args;
use std::time::Duration;

use crate::Outcome;

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Time and memory of backups.
    Backup,
    /// Time for which a backup keeps a database locked.
    Lock,
    /// Bytes read for one namespace.
    Bytes,
    /// The rate of a restore.
    Restore,
    /// The same with an API server that is far away.
    Latency,
    /// What a server costs that has nothing to do.
    Idle,
    /// Filling a cluster from a bucket, and keeping it in step.
    Sync,
}

/// How much to do.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Objects of the cluster that is backed up and restored.
    pub objects: usize,
    /// Objects of the larger cluster that memory is compared at.
    pub more: usize,
    /// How often floor and Ark alternate.
    pub rounds: usize,
    /// How often floor and Ark restore, each into a cluster of its own.
    pub restores: usize,
    /// Backups of the bucket that is synced; a fifth as many restores come with them.
    pub backups: usize,
    /// How much later an answer comes from an API server that is far away.
    pub distance: Duration,
    stages: Vec<Stage>,
}

/// Milliseconds; below that the timers of the proxy, which count milliseconds, would blur what is
/// measured.
const NEAREST: usize = 10;

const USAGE: &str = "usage: run [--objects N] [--more N] [--rounds N] [--restores N] [--backups N] [--distance MS] [--only backup,lock,bytes,restore,latency,sync,idle]";

impl Setting {
    /// Reads the arguments.
    pub fn read() -> Outcome<Self> {
        let mut setting = Self {
            objects: 10_000,
            more: 50_000,
            rounds: 7,
            restores: 3,
            backups: 10_000,
            distance: Duration::from_millis(20),
            stages: vec![
                Stage::Backup,
                Stage::Lock,
                Stage::Bytes,
                Stage::Restore,
                Stage::Latency,
                Stage::Sync,
                Stage::Idle,
            ],
        };
        let mut arguments = args().skip(1).filter(|argument| argument != "--bench");
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            let number = || value.parse().map_err(|_| format!("`{value}` is no number; {USAGE}"));
            match &*flag {
                "--objects" => setting.objects = number()?,
                "--more" => setting.more = number()?,
                "--rounds" => setting.rounds = number()?.max(1),
                "--restores" => setting.restores = number()?.max(1),
                "--backups" => setting.backups = number()?.max(1),
                "--distance" => setting.distance = Duration::from_millis(number()?.max(NEAREST) as u64),
                "--only" => setting.stages = value.split(',').map(stage).collect::<Outcome<_>>()?,
                _ => return Err(format!("unknown argument `{flag}`; {USAGE}")),
            }
        }
        Ok(setting)
    }

    /// Whether this stage is wanted.
    pub fn does(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }
}

fn stage(name: &str) -> Outcome<Stage> {
    match name {
        "backup" => Ok(Stage::Backup),
        "lock" => Ok(Stage::Lock),
        "bytes" => Ok(Stage::Bytes),
        "restore" => Ok(Stage::Restore),
        "latency" => Ok(Stage::Latency),
        "idle" => Ok(Stage::Idle),
        "sync" => Ok(Stage::Sync),
        _ => Err(format!("unknown stage `{name}`; {USAGE}")),
    }
}
