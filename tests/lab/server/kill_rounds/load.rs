//! What a busy cluster asks of the server: schedules every few seconds, backups, restores and
//! deletions.

use serde_json::{Value, json};

use super::super::{BACKUP, DELETION, Installation, RESTORE, SCHEDULE};
use crate::backup::config_map;
use crate::support::{Lab, TestNamespace};

/// Objects that are backed up; enough for a backup to be met in all its stages.
const OBJECTS: usize = 60;
/// Backups beside those of the schedules, at most; more would only make the rounds slow.
const MOST: usize = 12;
/// Runs that wait or are under way, at most: people who see that nothing moves stop asking, and
/// servers that live for seconds would never get through a longer queue.
const CROWD: usize = 8;
/// The ttl of backups that expire within the test.
pub const SHORT_TTL: &str = "15s";
/// Namespaces that restores go to.
const TARGETS: usize = 3;

/// Chance that can be repeated: the seed is told, and xorshift does the rest.
pub struct Chance(u64);

impl Chance {
    pub fn new() -> Self {
        let now = chrono::Utc::now().timestamp_micros().unsigned_abs();
        let seed = std::env::var("ARK_LAB_SEED").map_or(now, |seed| seed.parse().expect("a seed"));
        println!("ARK_LAB_SEED={seed}");
        Self(seed | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(from.len()).expect("short");
        if from.is_empty() { None } else { from.get(usize::try_from(self.below(length)).expect("short")) }
    }
}

/// What is asked for, and what it is asked of.
pub struct Load {
    source: TestNamespace,
    targets: Vec<TestNamespace>,
    count: u32,
}

impl Load {
    /// A namespace with objects, and schedules that back it up.
    pub async fn begin(lab: &Lab, installation: &Installation<'_>) -> Self {
        let source = TestNamespace::create(&lab.a, "busy").await;
        for number in 0..OBJECTS {
            let text = format!("{number:05}").repeat(400);
            config_map(&lab.a, &source.name, &format!("object-{number}"), &json!({"text": text})).await;
        }
        let template = json!({"includedNamespaces": [&source.name]});
        for (name, every, retention) in [
            ("frequent", "@every 3s", json!({"maxCount": 4})),
            ("steady", "@every 5s", json!({"maxAge": "20s", "minCount": 2})),
        ] {
            let policy = if name == "steady" { "Allow" } else { "Forbid" };
            let spec = json!({"schedule": every, "template": template, "retention": retention, "concurrencyPolicy": policy});
            installation.create(SCHEDULE, name, spec).await;
        }
        let targets = (0..TARGETS).map(|_| TestNamespace::reserve(&lab.a, "busy-copy")).collect();
        Self { source, targets, count: 0 }
    }

    /// One deed.
    pub async fn act(&mut self, installation: &Installation<'_>, chance: &mut Chance) {
        self.count += 1;
        let name = |object: &Value| object["metadata"]["name"].as_str().expect("a name").to_owned();
        let backups = installation.all(BACKUP).await;
        let own: Vec<String> = backups.iter().map(name).filter(|name| name.starts_with("asked-")).collect();
        let finished: Vec<String> =
            backups.iter().filter(|backup| backup["status"]["phase"] == "Completed").map(name).collect();
        let waits = |object: &&Value| {
            ["New", "InProgress"].contains(&object["status"]["phase"].as_str().unwrap_or("New"))
        };
        let restores = installation.all(RESTORE).await;
        let crowded = backups.iter().chain(&restores).filter(waits).count() >= CROWD;
        match chance.below(8) {
            0..=4 if crowded => {}
            // These stay to the end: each is there then, whole, or was never finished.
            0 => {
                let spec = json!({"includedNamespaces": [&self.source.name]});
                installation.create(BACKUP, &format!("kept-{}", self.count), spec).await;
            }
            1 | 2 if own.len() < MOST => {
                let ttl = if chance.below(3) == 0 { SHORT_TTL } else { "1h" };
                let spec = json!({"includedNamespaces": [&self.source.name], "ttl": ttl});
                installation.create(BACKUP, &format!("asked-{}", self.count), spec).await;
            }
            3 | 4 => {
                let Some(backup) = chance.pick(&finished).cloned() else { return };
                let target = &chance.pick(&self.targets).expect("there are some").name;
                let spec = json!({"backupName": backup, "namespaceMapping": {&self.source.name: target}});
                installation.create(RESTORE, &format!("back-{}", self.count), spec).await;
            }
            5 => {
                let may_go: Vec<_> = finished.iter().filter(|name| !name.starts_with("kept-")).collect();
                let Some(backup) = chance.pick(&may_go) else { return };
                installation
                    .create(DELETION, &format!("away-{}", self.count), json!({"backupName": backup}))
                    .await;
            }
            _ => {}
        }
    }
}
