//! Tests of the limit against simulated servers of several sorts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// A server: creates go through it one after the other, each takes `busy` in it and `far` on its
/// way.
#[derive(Clone, Copy)]
struct Server {
    far: Duration,
    busy: Duration,
    /// More creates than that at once are refused with 429.
    most: usize,
}

const NEAR: Server =
    Server { far: Duration::from_millis(2), busy: Duration::from_micros(1250), most: usize::MAX };

/// The outcome of many creates.
struct Outcome {
    took: Duration,
    refused: usize,
    /// The limit in the second half.
    least: usize,
    most: usize,
}

impl Server {
    /// Sends so many creates, as many at once as the limit lets, or as a fixed number for
    /// comparison.
    fn run(self, creates: usize, fixed: Option<usize>) -> Outcome {
        let mut tempo = Tempo::default();
        tempo.allow(256);
        // The time of the answer, that of the request, and whether it was refused.
        let mut under_way: BinaryHeap<Reverse<(Duration, Duration, bool)>> = BinaryHeap::new();
        let (mut now, mut free) = (Duration::ZERO, Duration::ZERO);
        // The successful ones, and those in the server.
        let (mut made, mut inside) = (0, 0);
        let mut outcome = Outcome { took: Duration::ZERO, refused: 0, least: usize::MAX, most: 0 };
        while made < creates {
            while under_way.len() < fixed.unwrap_or(tempo.limit()) {
                let refused = inside >= self.most;
                if !refused {
                    inside += 1;
                    free = free.max(now + self.far / 2) + self.busy;
                }
                let answered = if refused { now + self.far } else { free + self.far / 2 };
                under_way.push(Reverse((answered, now, refused)));
            }
            let busy = under_way.len();
            let Some(Reverse((answered, sent, refused))) = under_way.pop() else { break };
            now = answered;
            if refused {
                outcome.refused += 1;
                tempo.refused();
            } else {
                (made, inside) = (made + 1, inside - 1);
                tempo.made(now - sent, busy);
            }
            if made > creates / 2 {
                outcome.least = outcome.least.min(tempo.limit());
                outcome.most = outcome.most.max(tempo.limit());
            }
        }
        outcome.took = now;
        outcome
    }
}

#[test]
fn a_server_that_is_far_away_and_idle_gets_as_many_as_are_allowed_within_a_second() {
    let far = Server { far: Duration::from_millis(20), busy: Duration::ZERO, ..NEAR };
    let (own, fixed) = (far.run(4000, None), far.run(4000, Some(32)));
    assert_eq!(own.least, 256);
    assert!(
        own.took * 3 < fixed.took && own.took < Duration::from_secs(1),
        "{:?} {:?}",
        own.took,
        fixed.took
    );
}

#[test]
fn a_server_on_two_cores_is_kept_busy_and_not_flooded() {
    let (own, fixed) = (NEAR.run(4000, None), NEAR.run(4000, Some(32)));
    assert!(own.least >= 24 && own.most <= 64, "{} {}", own.least, own.most);
    assert!(own.took < fixed.took.mul_f64(1.02), "{:?} {:?}", own.took, fixed.took);
}

#[test]
fn a_server_that_is_far_away_and_has_its_limits_is_made_use_of() {
    let far = Server { far: Duration::from_millis(20), busy: Duration::from_micros(300), ..NEAR };
    let own = far.run(8000, None);
    let least = Duration::from_micros(300) * 8000;
    assert!(own.took < least.mul_f64(1.1), "{:?}", own.took);
    assert!(own.most <= 220, "{}", own.most);
}

#[test]
fn a_server_that_refuses_is_asked_for_less() {
    let strict = Server { far: Duration::from_millis(20), busy: Duration::ZERO, most: 40 };
    let own = strict.run(8000, None);
    assert!(own.most <= 80 && own.least >= LEAST, "{} {}", own.least, own.most);
    assert!(own.refused < 8000 / 10, "{}", own.refused);
}

#[test]
fn a_few_that_take_very_long_say_nothing_of_the_server() {
    let mut tempo = Tempo::default();
    tempo.allow(256);
    for number in 0..2000 {
        let slow = number % 5 == 0;
        tempo.made(Duration::from_millis(if slow { 30_000 } else { 20 }), tempo.limit());
    }
    assert_eq!(tempo.limit(), 256);
}

#[test]
fn what_is_allowed_is_kept_and_what_is_not_made_use_of_does_not_grow() {
    let mut tempo = Tempo::default();
    tempo.allow(4);
    assert_eq!(tempo.limit(), 4);
    tempo.refused();
    assert_eq!(tempo.limit(), 4);
    tempo.allow(256);
    for _ in 0..1000 {
        tempo.made(Duration::from_millis(20), 1);
    }
    assert_eq!(tempo.limit(), 4, "one at a time");
}
