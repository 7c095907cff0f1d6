//! Killed again and again at random moments (kill -9), a backup leaves no lock and no balancer at
//! rest once `ark obligation undo` has run. Some rounds in the suite; `ARK_MONGO_KILL_ROUNDS=100`
//! for many. What is left is read from the fronts, not from records.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::scene::Scene;
use crate::stand::{Peculiarities, Role, Stand};

/// Rounds in the suite; the environment may ask for more.
const ROUNDS: u32 = 3;
const MORE: &str = "ARK_MONGO_KILL_ROUNDS";
/// A backup lives so long at most, in milliseconds; a whole one takes about that.
const LONGEST_LIFE: u64 = 400;

/// Returns a number below `most`.
fn random(most: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::from(now.subsec_nanos()).wrapping_mul(0x9e37_79b9_7f4a_7c15) % most
}

async fn rounds(stand: Stand) {
    let rounds = std::env::var(MORE).map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let scene = Scene::of(&stand);
    let mut left = 0;
    for round in 0..rounds {
        let running = scene.start(&format!("round-{round}"));
        tokio::time::sleep(Duration::from_millis(random(LONGEST_LIFE))).await;
        let killed = Command::new("sh").args(["-c", "kill -KILL \"$0\"", &running.id().to_string()]).output();
        killed.expect("sh can be started");
        running.wait();
        stand.deployment().deserted().await;
        left += u32::from(scene.undo_all());
        let mode = stand.deployment().balancer(|_| {}).mode;
        assert_eq!((stand.locks(), mode), (0, "full"), "round {round}: {:?}", stand.deployment().events());
    }
    println!("{rounds} rounds, of which {left} left something to undo, and none a lock after that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_is_unlocked_whenever_its_backup_is_killed() {
    rounds(Stand::standalone(Peculiarities::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_is_unlocked_whenever_its_backup_is_killed() {
    rounds(Stand::replica_set(&[Role::Data; 3], Peculiarities::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sharded_cluster_is_unlocked_and_balanced_whenever_its_backup_is_killed() {
    rounds(Stand::sharded(Peculiarities::default()).await).await;
}
