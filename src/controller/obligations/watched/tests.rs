use chrono::DateTime;

use super::*;

fn server() -> LookingServer {
    LookingServer { cluster_uid: "here".into(), namespace: "ark".into(), process: "me".into() }
}

fn stamp(size: u64) -> ObligationStamp {
    ObligationStamp { size, modified: DateTime::UNIX_EPOCH }
}

fn key() -> DocumentKey {
    ("location".to_owned(), "backup-u-1".to_owned())
}

fn held(namespace: Option<&str>, process: &str) -> Holding {
    let run = ObligedRun {
        kind: "Backup".into(),
        namespace: namespace.map(str::to_owned),
        name: "nightly".into(),
        uid: "u".into(),
    };
    Holding::Ours { run, process: process.to_owned() }
}

/// Returns after how many looks, ten seconds apart, an unchanged document is undone.
fn looks_until_due(holding: Holding) -> Option<u32> {
    let (mut watched, begin) = (WatchedObligations::default(), Instant::now());
    (0..10).find(|look| {
        let now = begin + *look * LOOK_EVERY;
        let holding = watched.must_read(&key(), stamp(1)).then(|| holding.clone());
        watched.see(key(), stamp(1), holding, now);
        watched.due(&key(), &server(), now).is_some()
    })
}

#[test]
fn what_a_server_before_this_one_left_is_undone_at_once_and_others_after_thirty_silent_seconds() {
    assert_eq!(looks_until_due(held(Some("ark"), "before")), Some(0));
    assert_eq!(looks_until_due(held(Some("ark"), "me")), Some(3), "the run could not undo it");
    assert_eq!(looks_until_due(held(None, "laptop")), Some(3));
    assert_eq!(looks_until_due(held(Some("other"), "other server")), Some(3));
    assert_eq!(looks_until_due(Holding::OfAnotherCluster), None);
    assert_eq!(looks_until_due(Holding::Unreadable), None);
}

#[test]
fn a_holder_that_writes_is_never_undone_and_an_outage_of_the_bucket_is_no_silence() {
    let (mut watched, begin) = (WatchedObligations::default(), Instant::now());
    for look in 0..20 {
        let now = begin + look * LOOK_EVERY;
        watched.see(key(), stamp(u64::from(look / 2)), Some(held(None, "laptop")), now);
        assert_eq!(watched.due(&key(), &server(), now), None, "{look}");
    }
    // Nobody could reach the bucket for ten minutes.
    let back = begin + Duration::from_secs(800);
    watched.see(key(), stamp(9), None, back);
    assert_eq!(watched.due(&key(), &server(), back), None);
    for look in 1..=3 {
        watched.see(key(), stamp(9), None, back + look * LOOK_EVERY);
    }
    assert!(watched.due(&key(), &server(), back + 3 * LOOK_EVERY).is_some());
}

#[test]
fn what_fails_is_tried_again_at_its_time_and_what_is_gone_is_forgotten() {
    let (mut watched, now) = (WatchedObligations::default(), Instant::now());
    watched.see(key(), stamp(1), Some(held(Some("ark"), "before")), now);
    watched.begin(&key());
    assert_eq!(watched.due(&key(), &server(), now), None, "it is under way");
    let again = now + Duration::from_secs(60);
    watched.end(&key(), Some(again));
    watched.see(key(), stamp(2), Some(held(Some("ark"), "me")), now + LOOK_EVERY);
    assert_eq!(watched.due(&key(), &server(), now + LOOK_EVERY), None);
    assert!(watched.due(&key(), &server(), again).is_some() && watched.is_open());
    watched.keep_only("another", |_| false);
    assert!(watched.is_open());
    watched.keep_only("location", |_| false);
    assert!(!watched.is_open());
    watched.see(key(), stamp(3), Some(Holding::OfAnotherCluster), now);
    assert!(!watched.is_open() && !watched.must_read(&key(), stamp(4)), "another cluster looks after it");
}
