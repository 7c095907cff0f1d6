//! Conclusions of a standby from the record of the Lease. Pure: the present moment is an argument.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::time::Instant;

use super::timing::{RENEW_EVERY, VALID_FOR};

/// Longest validity that is believed. Nobody could mend a record that claims a longer one.
const LONGEST: Duration = Duration::from_secs(60);

/// Time for which a missing Lease, never seen before, is left alone: a holder under whom it was
/// deleted writes it again at its next renewal.
const MISSING_FOR: Duration = RENEW_EVERY.saturating_add(Duration::from_secs(1));

/// Whether the Lease can be taken.
#[derive(Debug, PartialEq)]
pub enum Availability {
    /// The Lease can be taken now.
    Free,
    /// The Lease cannot be taken before this moment, unless it is released.
    Until {
        /// The holder's name; empty if it is not known.
        holder: String,
        /// When the Lease ends if it is not renewed.
        end: Instant,
    },
}

/// The last record that was seen, and since when it has been unchanged.
#[derive(Debug, Default)]
pub struct LeaseObserver {
    last: Option<(LeaseSpec, Instant)>,
    missing: Option<Instant>,
    new_holder: bool,
}

/// Returns the holder that the record names, or `None` if it was released.
pub fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

impl LeaseObserver {
    /// Notes the record as it was read before `now`, and returns whether it can be taken. A record
    /// that names `me` is free: the answer to an earlier request was lost.
    pub fn observe(&mut self, record: Option<&Lease>, me: &str, now: Instant) -> Availability {
        let spec = record.and_then(|record| record.spec.as_ref());
        let Some((spec, holder)) = spec.zip(record.and_then(holder)) else {
            return match record {
                Some(_) => Availability::Free,
                None => self.vanished(now),
            };
        };
        let last_holder = self.last.as_ref().and_then(|(last, _)| last.holder_identity.as_deref());
        self.new_holder = last_holder != Some(holder);
        if !matches!(&self.last, Some((last, _)) if last == spec) {
            self.last = Some((spec.clone(), now));
        }
        if holder == me {
            return Availability::Free;
        }
        self.until(now)
    }

    /// Returns true if the holder is another than at the previous look.
    pub fn is_new_holder(&self) -> bool {
        self.new_holder
    }

    /// Judges a missing record, which somebody may have deleted. A holder that was seen keeps its
    /// full time; one that may have existed before the first look gets the time to write the record
    /// again.
    fn vanished(&mut self, now: Instant) -> Availability {
        self.new_holder = false;
        if self.last.is_some() {
            return self.until(now);
        }
        let end = *self.missing.get_or_insert(now) + MISSING_FOR;
        if now >= end { Availability::Free } else { Availability::Until { holder: String::new(), end } }
    }

    fn until(&self, now: Instant) -> Availability {
        let Some((spec, since)) = &self.last else { return Availability::Free };
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let valid = Duration::from_secs(seconds.unwrap_or(0)).clamp(VALID_FOR, LONGEST);
        let end = *since + valid;
        if now >= end {
            return Availability::Free;
        }
        Availability::Until { holder: spec.holder_identity.clone().unwrap_or_default(), end }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn record(holder: &str, renewed: i64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn until(end: Instant) -> Availability {
        Availability::Until { holder: "a".to_owned(), end }
    }

    #[test]
    fn a_released_lease_is_free() {
        let now = Instant::now();
        assert_eq!(LeaseObserver::default().observe(Some(&Lease::default()), "b", now), Availability::Free);
        assert_eq!(LeaseObserver::default().observe(Some(&record("", 0)), "b", now), Availability::Free);
        let mut observer = LeaseObserver::default();
        observer.observe(Some(&record("a", 0)), "b", now);
        assert_eq!(observer.observe(Some(&record("", 0)), "b", now + S), Availability::Free);
    }

    #[test]
    fn a_lease_ends_when_it_was_not_seen_to_change_for_its_time_whatever_the_clock_of_its_holder_says() {
        for clock in [0, 4_000_000_000] {
            let (now, mut observer) = (Instant::now(), LeaseObserver::default());
            assert_eq!(observer.observe(Some(&record("a", clock)), "b", now), until(now + VALID_FOR));
            assert_eq!(
                observer.observe(Some(&record("a", clock)), "b", now + S * 14),
                until(now + VALID_FOR)
            );
            assert_eq!(observer.observe(Some(&record("a", clock)), "b", now + VALID_FOR), Availability::Free);
        }
    }

    #[test]
    fn a_renewal_counts_from_when_it_was_seen() {
        let (now, mut observer) = (Instant::now(), LeaseObserver::default());
        observer.observe(Some(&record("a", 0)), "b", now);
        let later = now + S * 14;
        assert_eq!(observer.observe(Some(&record("a", 3)), "b", later), until(later + VALID_FOR));
    }

    #[test]
    fn a_deleted_record_leaves_its_holder_the_time_it_had() {
        let (now, mut observer) = (Instant::now(), LeaseObserver::default());
        observer.observe(Some(&record("a", 0)), "b", now);
        assert_eq!(observer.observe(None, "b", now + S), until(now + VALID_FOR));
        assert_eq!(observer.observe(None, "b", now + VALID_FOR), Availability::Free);
    }

    #[test]
    fn a_record_that_is_not_there_is_left_to_a_holder_who_may_write_it_again() {
        let (now, mut observer) = (Instant::now(), LeaseObserver::default());
        let end = now + MISSING_FOR;
        let missing = Availability::Until { holder: String::new(), end };
        assert_eq!(observer.observe(None, "b", now), missing);
        assert_eq!(observer.observe(None, "b", now + S), missing);
        assert_eq!(observer.observe(None, "b", end), Availability::Free);
    }

    #[test]
    fn what_was_taken_without_an_answer_is_mine() {
        assert_eq!(
            LeaseObserver::default().observe(Some(&record("b", 0)), "b", Instant::now()),
            Availability::Free
        );
    }

    #[test]
    fn a_record_that_claims_to_be_valid_for_ever_is_not_believed() {
        let (now, mut observer) = (Instant::now(), LeaseObserver::default());
        let mut endless = record("a", 0);
        endless.spec.as_mut().unwrap().lease_duration_seconds = Some(i32::MAX);
        assert_eq!(observer.observe(Some(&endless), "b", now), until(now + LONGEST));
    }

    #[test]
    fn a_change_of_holder_is_told_once() {
        let (now, mut observer) = (Instant::now(), LeaseObserver::default());
        observer.observe(Some(&record("a", 0)), "b", now);
        assert!(observer.is_new_holder());
        observer.observe(Some(&record("a", 1)), "b", now);
        assert!(!observer.is_new_holder());
        observer.observe(Some(&record("c", 2)), "b", now);
        assert!(observer.is_new_holder());
    }
}
