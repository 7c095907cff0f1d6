//! The process that holds a claim, so that the next process on the same machine can tell that it
//! has ended.
//!
//! The answer is known on Linux alone, and only among processes of one PID namespace; everywhere
//! else a claim dies with its heartbeat. An error is possible on one side only: what may be alive
//! counts as alive.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Position of the start time among the fields behind the process name in `/proc/<id>/stat`
/// (proc(5): start time is field 22, the first one behind the name is field 3).
const STARTED: usize = 19;

/// A process of one boot of one machine; no other process is ever equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The boot of the machine.
    boot: String,
    /// The PID namespace: containers number their processes by themselves.
    namespace: String,
    /// The process id in that namespace.
    id: u32,
    /// When the process started, in clock ticks since boot: process ids are used again.
    started: u64,
}

/// The kernel's answer about a process id.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// A process that started at this time.
    Started(u64),
    /// No process, or a zombie whose parent has not noticed yet.
    Ended,
    /// Not known for certain.
    Unknown,
}

impl Process {
    /// Returns the calling process, or `None` where the kernel does not identify it.
    pub fn current() -> Option<Self> {
        let id = std::process::id();
        let Sight::Started(started) = read_stat(id) else { return None };
        Some(Self { boot: boot()?, namespace: namespace()?, id, started })
    }

    /// Returns whether the process ran on this machine, in this PID namespace, and has ended.
    pub fn has_ended(&self) -> bool {
        let Self { boot: its_boot, namespace: its_namespace, id, started } = self;
        let is_ours = boot().as_ref() == Some(its_boot) && namespace().as_ref() == Some(its_namespace);
        is_ours
            && match read_stat(*id) {
                Sight::Started(other) => other != *started,
                Sight::Ended => true,
                Sight::Unknown => false,
            }
    }
}

fn boot() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

fn namespace() -> Option<String> {
    Some(fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

/// Returns what the kernel tells of a process.
fn read_stat(id: u32) -> Sight {
    let stat = |id: u32| PathBuf::from(format!("/proc/{id}/stat"));
    match fs::read_to_string(stat(id)) {
        Ok(text) => parse(&text),
        // With `hidepid` the processes of others are not visible either; then process 1 is not.
        Err(error) if error.kind() == ErrorKind::NotFound && stat(1).exists() => Sight::Ended,
        Err(_) => Sight::Unknown,
    }
}

/// Reads the text of `/proc/<id>/stat`. A process name may hold spaces and parentheses, so that the
/// last `)` ends it.
fn parse(stat: &str) -> Sight {
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let mut fields = fields.split_whitespace();
    match (fields.next(), fields.nth(STARTED - 1).and_then(|started| started.parse().ok())) {
        (Some("Z" | "X"), _) => Sight::Ended,
        (Some(_), Some(started)) => Sight::Started(started),
        _ => Sight::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_one_that_has_ended_and_from_one_that_cannot_be_seen() {
        let this = Process::current().expect("the kernel says who this is");
        assert!(!this.has_ended());
        assert!(Process { started: this.started + 1, ..this.clone() }.has_ended(), "its id is used again");
        // No kernel numbers processes as high.
        let gone = Process { id: u32::MAX, ..this };
        assert!(gone.has_ended());
        assert!(!Process { boot: "another".into(), ..gone.clone() }.has_ended());
        assert!(!Process { namespace: "another".into(), ..gone }.has_ended());
    }

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_start() {
        let rest = (4..22).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(parse(&format!("7 (a) b) S {rest} 4711 23 24")), Sight::Started(4711));
        assert_eq!(parse(&format!("7 (ark) Z {rest} 4711 23 24")), Sight::Ended);
        assert_eq!(parse("7 (ark) S 1"), Sight::Unknown);
        assert_eq!(parse(""), Sight::Unknown);
    }
}
