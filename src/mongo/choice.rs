//! The choice of the member of a replica set that is locked. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::MongoError;
use super::replies::{MemberConfig, MemberStatus};
use super::topology::SetView;

/// A secondary that follows its primary is a few seconds behind at most, since an idle set writes a
/// no-op every ten; Percona Backup for MongoDB draws the line at the same lag.
const MAX_LAG: Duration = Duration::from_secs(21);

const PRIMARY: f64 = 1.0;
const SECONDARY: f64 = 2.0;

/// What is asked of the member to lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSelector {
    /// Whether a hidden member is taken.
    pub hidden: HiddenMembers,
    /// How far the member may lag behind the primary; default: 21 s.
    pub max_lag: Duration,
    /// Tags that the member must have in the set's configuration; default: none.
    pub tags: BTreeMap<String, String>,
}

impl Default for MemberSelector {
    fn default() -> Self {
        Self { hidden: HiddenMembers::default(), max_lag: MAX_LAG, tags: BTreeMap::new() }
    }
}

/// Says whether a hidden member is locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HiddenMembers {
    /// Before all others: hidden members are there for backups.
    #[default]
    Prefer,
    /// As all others.
    Allow,
    /// Never.
    Exclude,
}

/// A member of a set, as configuration and status describe it.
struct SetMember<'a> {
    config: &'a MemberConfig,
    status: Option<&'a MemberStatus>,
}

/// Returns the address of the member to lock: a healthy secondary whose lag is within bounds, or
/// the primary where there is none and `allow_primary` is set.
///
/// # Errors
/// Fails with an objection to each member, or if the set would lose its majority.
pub(super) fn choose(
    view: &SetView,
    selector: &MemberSelector,
    allow_primary: bool,
) -> Result<String, MongoError> {
    let members: Vec<SetMember<'_>> = view.config.members.iter().map(|config| view.of(config)).collect();
    let primary = members.iter().find(|member| member.is(PRIMARY));
    let written = primary.and_then(SetMember::written);
    let mut objections = Vec::new();
    let mut eligible = Vec::new();
    for member in &members {
        match member.objection(selector, written) {
            Some(objection) => objections.push(format!("{} {objection}", member.config.host)),
            None => eligible.push(member),
        }
    }
    eligible.sort_by_key(|member| {
        let hidden = selector.hidden == HiddenMembers::Prefer && member.config.hidden;
        (!hidden, member.lag(written), member.ping())
    });
    match (&*eligible, primary) {
        ([], Some(primary)) if allow_primary => Ok(primary.config.host.clone()),
        ([], primary) => Err(MongoError::NoMember {
            set: view.config.name.clone(),
            objections: objections.join(", "),
            advice: if primary.is_some() { "; allowPrimaryLock takes the primary then" } else { "" },
        }),
        ([best, ..], _) => {
            let (left, majority) = (view.writers(&members), view.majority(&members));
            let without = |member: &SetMember<'_>| left - usize::from(member.votes());
            match eligible.iter().find(|member| without(member) >= majority) {
                Some(chosen) => Ok(chosen.config.host.clone()),
                None => Err(MongoError::MajorityLost {
                    set: view.config.name.clone(),
                    host: best.config.host.clone(),
                    left: without(best),
                    majority,
                }),
            }
        }
    }
}

impl SetView {
    fn of<'a>(&'a self, config: &'a MemberConfig) -> SetMember<'a> {
        let status = self.status.members.iter().find(|status| status.name == config.host);
        SetMember { config, status }
    }

    /// Returns how many healthy members acknowledge writes.
    fn writers(&self, members: &[SetMember<'_>]) -> usize {
        let healthy = |member: &&SetMember<'_>| member.is(PRIMARY) || member.is(SECONDARY);
        members.iter().filter(|member| member.writes()).filter(healthy).count()
    }

    /// Returns how many members must acknowledge a write of `w: majority`. Servers before 4.2.1 do
    /// not tell; they count the same.
    fn majority(&self, members: &[SetMember<'_>]) -> usize {
        let voting = members.iter().filter(|member| member.votes()).count();
        let counted = (voting / 2 + 1).min(members.iter().filter(|member| member.writes()).count());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 7 members vote")]
        self.status.write_majority_count.map_or(counted, |count| count as usize)
    }

    /// Returns the address of the primary, or `None` if the set has none.
    pub(super) fn primary(&self) -> Option<&str> {
        self.status.members.iter().find(|status| is_in(status, PRIMARY)).map(|status| &*status.name)
    }

    /// Returns how far a member lags behind the primary, or `None` if that is not known.
    pub(super) fn lag_of(&self, host: &str) -> Option<Duration> {
        let written = |status: &MemberStatus| status.optime_date.map(|date| date.timestamp_millis());
        let primary = self.status.members.iter().find(|status| is_in(status, PRIMARY));
        let member = self.status.members.iter().find(|status| status.name == host);
        lag_between(primary.and_then(written)?, member.and_then(written)?)
    }
}

impl SetMember<'_> {
    /// Returns what speaks against locking the member, or `None`.
    fn objection(&self, selector: &MemberSelector, written: Option<i64>) -> Option<String> {
        let Self { config, status } = self;
        let status = *status;
        let text = if config.arbiter_only {
            "is an arbiter"
        } else if config.secondary_delay_secs > 0.0 {
            "is delayed on purpose"
        } else if config.build_indexes == Some(false) {
            "has no indexes"
        } else if config.hidden && selector.hidden == HiddenMembers::Exclude {
            "is hidden"
        } else if !selector.tags.iter().all(|(key, value)| config.tags.get(key) == Some(value)) {
            "lacks the tags"
        } else if self.is(PRIMARY) {
            "is the primary"
        } else if !self.is(SECONDARY) {
            let state = status.and_then(|status| status.state_str.as_deref()).unwrap_or("not there");
            return Some(format!("is {state}"));
        } else {
            return match self.lag(written) {
                Some(lag) if lag <= selector.max_lag => None,
                Some(lag) => {
                    let [lag, most] = [lag, selector.max_lag].map(humantime::format_duration);
                    Some(format!("lags {lag} behind, at most {most} are allowed"))
                }
                None => Some("cannot be compared with a primary".to_owned()),
            };
        };
        Some(text.to_owned())
    }

    fn is(&self, state: f64) -> bool {
        self.status.is_some_and(|status| is_in(status, state))
    }

    fn votes(&self) -> bool {
        self.config.votes != Some(0.0)
    }

    /// Returns whether the member counts when writes are acknowledged.
    fn writes(&self) -> bool {
        self.votes() && !self.config.arbiter_only
    }

    /// Returns when the member's last write was made, in milliseconds.
    fn written(&self) -> Option<i64> {
        self.status?.optime_date.map(|date| date.timestamp_millis())
    }

    fn lag(&self, written: Option<i64>) -> Option<Duration> {
        lag_between(written?, self.written()?)
    }

    /// Returns the round trip in whole milliseconds; the member that was asked has none.
    fn ping(&self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds")]
        self.status.and_then(|status| status.ping_ms).map_or(0, |ping| ping as u64)
    }
}

fn is_in(status: &MemberStatus, state: f64) -> bool {
    status.health >= 1.0 && (status.state - state).abs() < 0.5
}

/// A member may be ahead of what was last heard of the primary.
fn lag_between(primary: i64, member: i64) -> Option<Duration> {
    Some(Duration::from_millis(u64::try_from(primary - member).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::DateTime;

    use super::*;
    use crate::mongo::replies::{ReplicaConfig, ReplicaStatus};

    /// Members by name: `p` is the primary, the last write of the others is `lag` seconds older.
    fn set(members: &[(&str, i64)]) -> SetView {
        let config =
            |(host, _): &(&str, i64)| MemberConfig { host: (*host).to_owned(), ..Default::default() };
        let status = |(name, lag): &(&str, i64)| MemberStatus {
            name: (*name).to_owned(),
            health: 1.0,
            state: if *name == "p" { PRIMARY } else { SECONDARY },
            optime_date: Some(DateTime::from_millis(1_000_000 - lag * 1000)),
            ..Default::default()
        };
        SetView {
            status: ReplicaStatus {
                write_majority_count: None,
                members: members.iter().map(status).collect(),
            },
            config: ReplicaConfig { name: "rs0".to_owned(), members: members.iter().map(config).collect() },
        }
    }

    fn chosen(view: &SetView) -> Result<String, String> {
        choose(view, &MemberSelector::default(), false).map_err(|error| error.to_string())
    }

    #[test]
    fn the_secondary_with_the_least_lag_is_chosen_and_a_hidden_one_before_it() {
        let mut view = set(&[("p", 0), ("a", 4), ("b", 2), ("h", 9)]);
        assert_eq!(chosen(&view), Ok("b".to_owned()));
        view.config.members[3].hidden = true;
        assert_eq!(chosen(&view), Ok("h".to_owned()));
        let choose_with = |hidden| {
            choose(&view, &MemberSelector { hidden, ..Default::default() }, false).expect("a member")
        };
        assert_eq!(choose_with(HiddenMembers::Allow), "b");
        assert_eq!(choose_with(HiddenMembers::Exclude), "b");
        view.status.members[3].optime_date = Some(DateTime::from_millis(0));
        assert_eq!(chosen(&view), Ok("b".to_owned()));
    }

    #[test]
    fn of_equal_members_the_nearest_is_chosen() {
        let mut view = set(&[("p", 0), ("a", 0), ("b", 0)]);
        view.status.members[1].ping_ms = Some(7.0);
        view.status.members[2].ping_ms = Some(3.0);
        assert_eq!(chosen(&view), Ok("b".to_owned()));
    }

    #[test]
    fn a_lag_of_21_seconds_is_allowed_and_one_more_is_not() {
        assert_eq!(chosen(&set(&[("p", 0), ("a", 21), ("b", 22)])), Ok("a".to_owned()));
        let error = chosen(&set(&[("p", 0), ("a", 22), ("b", 22)])).expect_err("none is left");
        assert!(error.contains("p is the primary, a lags 22s behind, at most 21s are allowed"), "{error}");
        assert!(error.ends_with("allowPrimaryLock takes the primary then"), "{error}");
    }

    #[test]
    fn arbiters_delayed_members_and_those_without_indexes_are_never_chosen() {
        type Change = fn(&mut MemberConfig);
        let cases: [(Change, &str); 4] = [
            (|member| member.arbiter_only = true, "a is an arbiter"),
            (|member| member.secondary_delay_secs = 3600.0, "a is delayed on purpose"),
            (|member| member.build_indexes = Some(false), "a has no indexes"),
            (|member| member.host = "gone".to_owned(), "gone is not there"),
        ];
        for (change, objection) in cases {
            let mut view = set(&[("p", 0), ("a", 0)]);
            change(&mut view.config.members[1]);
            let error = chosen(&view).expect_err("none is left");
            assert!(error.contains(objection), "{error}");
        }
    }

    #[test]
    fn members_that_are_down_or_recovering_are_not_chosen() {
        let mut view = set(&[("p", 0), ("a", 0), ("b", 0), ("c", 9)]);
        view.status.members[1].health = 0.0;
        view.status.members[2].state = 3.0;
        assert!(chosen(&view).expect_err("two of four are left").contains("its majority is 3"));
        view.config.members[1].votes = Some(0.0);
        view.config.members[2].votes = Some(0.0);
        view.config.members[3].votes = Some(0.0);
        assert_eq!(chosen(&view), Ok("c".to_owned()));
    }

    #[test]
    fn tags_must_all_be_there() {
        let mut view = set(&[("p", 0), ("a", 0), ("b", 5)]);
        view.config.members[2].tags = [("use".to_owned(), "backup".to_owned())].into();
        let selector = MemberSelector { tags: view.config.members[2].tags.clone(), ..Default::default() };
        assert_eq!(choose(&view, &selector, false).expect("b has them"), "b");
    }

    #[test]
    fn the_primary_is_taken_only_where_there_is_no_secondary_and_it_is_allowed() {
        let view = set(&[("p", 0)]);
        assert!(chosen(&view).is_err());
        assert_eq!(choose(&view, &MemberSelector::default(), true).expect("allowed"), "p");
        let view = set(&[("p", 0), ("a", 0), ("b", 0)]);
        assert_eq!(choose(&view, &MemberSelector::default(), true).expect("a secondary"), "a");
    }

    #[test]
    fn a_lock_that_would_cost_the_majority_is_refused() {
        // A primary, a secondary and an arbiter; and two of three members up.
        let mut with_arbiter = set(&[("p", 0), ("a", 0), ("b", 0)]);
        with_arbiter.config.members[2].arbiter_only = true;
        with_arbiter.status.members[2].state = 7.0;
        let mut one_down = set(&[("p", 0), ("a", 0), ("b", 0)]);
        one_down.status.members[2].health = 0.0;
        for view in [with_arbiter, one_down, set(&[("p", 0), ("a", 0)])] {
            let refused = choose(&view, &MemberSelector::default(), false);
            assert!(
                matches!(refused, Err(MongoError::MajorityLost { left: 1, majority: 2, .. })),
                "{refused:?}"
            );
        }
        let mut told = set(&[("p", 0), ("a", 0), ("b", 0)]);
        told.status.write_majority_count = Some(3.0);
        assert!(choose(&told, &MemberSelector::default(), false).is_err());
    }

    #[test]
    fn a_member_without_a_vote_is_chosen_where_another_would_cost_the_majority() {
        let mut view = set(&[("p", 0), ("a", 0), ("b", 9)]);
        view.config.members[2].votes = Some(0.0);
        assert_eq!(chosen(&view), Ok("b".to_owned()));
    }

    #[test]
    fn without_a_primary_nobody_is_chosen() {
        assert!(chosen(&set(&[("a", 0), ("b", 0), ("c", 0)])).expect_err("no primary").contains("compared"));
    }
}
