//! Which process holds a claim, so that the next one on the same machine can tell that it has ended.
//!
//! It is known on Linux alone, and only among processes that see each other; everywhere else a claim dies with its
//! heartbeat. It errs on one side only: what may be alive counts as alive.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where among the fields behind the name of a process in `/proc/<id>/stat` the time of its start stands (proc(5),
/// field 22; the first behind the name is field 3).
const STARTED: usize = 19;

/// A process of one boot of one machine; no other is ever equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The boot of the machine.
    boot: String,
    /// The PID namespace: containers number their processes by themselves.
    namespace: String,
    /// The process id there.
    id: u32,
    /// When it started, in clock ticks since boot: ids are used again.
    started: u64,
}

/// What the kernel says of a process id.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// A process that started then.
    Started(u64),
    /// None, or only what is left of one until its parent notices.
    Ended,
    /// Nothing certain.
    Unknown,
}

impl Process {
    /// The process that asks; none where the kernel does not say.
    pub fn current() -> Option<Self> {
        let id = std::process::id();
        let Sight::Started(started) = look(id) else { return None };
        Some(Self { boot: boot()?, namespace: namespace()?, id, started })
    }

    /// Whether it ran on this machine, and does no more.
    pub fn has_ended(&self) -> bool {
        let Self { boot: its_boot, namespace: its_namespace, id, started } = self;
        let is_ours = boot().as_ref() == Some(its_boot) && namespace().as_ref() == Some(its_namespace);
        is_ours
            && match look(*id) {
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

fn look(id: u32) -> Sight {
    let stat = |id: u32| PathBuf::from(format!("/proc/{id}/stat"));
    match fs::read_to_string(stat(id)) {
        Ok(text) => parse(&text),
        // With `hidepid` the processes of others are not there either; then the first one is not.
        Err(error) if error.kind() == ErrorKind::NotFound && stat(1).exists() => Sight::Ended,
        Err(_) => Sight::Unknown,
    }
}

/// Reads `/proc/<id>/stat`; a name may hold spaces and parentheses, so that the last one counts.
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
