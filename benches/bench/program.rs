//! `ark` as a person runs it: a process of its own, its time and its memory.

use std::fs;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::lab::{Lab, Place};

/// How often the kernel is asked for the process's peak; it only grows, so that little is lost at
/// the end.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Nothing here takes as long, in a release build.
const LONGEST: Duration = Duration::from_secs(900);

/// The program, for one cluster and one location.
#[derive(Debug)]
pub struct Program {
    kubeconfig: PathBuf,
    place: Place,
}

/// One run of it.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// From start to end.
    pub time: Duration,
    /// Most bytes in memory at once.
    pub peak: u64,
}

impl Program {
    /// Will run against this cluster and location.
    pub fn new(lab: &Lab, place: &Place) -> Outcome<Self> {
        Ok(Self::at(lab.kubeconfig()?, place))
    }

    /// Will run against the cluster of a kubeconfig.
    pub fn at(kubeconfig: PathBuf, place: &Place) -> Self {
        Self { kubeconfig, place: place.clone() }
    }

    /// Runs `ark` with these arguments and the location behind them.
    pub fn run(&self, arguments: &[&str]) -> Outcome<Ran> {
        let wrong = |error: std::io::Error| format!("running ark {}: {error}", arguments.join(" "));
        let mut said = tempfile::tempfile().map_err(wrong)?;
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ark"))
            .args(arguments)
            .args(["--location", &self.place.url])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(said.try_clone().map_err(wrong)?)
            .stderr(said.try_clone().map_err(wrong)?)
            .spawn()
            .map_err(wrong)?;
        let status_file = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(wrong)? {
                break status;
            }
            peak = fs::read_to_string(&status_file)
                .ok()
                .and_then(|text| memory_field(&text, "VmHWM:"))
                .unwrap_or(peak);
            if began.elapsed() > LONGEST {
                child.kill().map_err(wrong)?;
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let time = began.elapsed();
        if status.success() {
            return Ok(Ran { time, peak });
        }
        let mut text = String::new();
        said.rewind().and_then(|()| said.read_to_string(&mut text)).map_err(wrong)?;
        Err(format!("ark {} ended with {status}:\n{}", arguments.join(" "), text.trim()))
    }
}

/// A field of `/proc/PID/status` in bytes: `VmHWM:`, `VmRSS:`.
pub fn memory_field(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
