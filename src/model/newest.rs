//! Decides which of a Schedule's backups a restore means. Pure.
//!
//! Several clusters may have a Schedule of one name and a bucket in common. A restore means the
//! backups of its own cluster; it takes one of another cluster only if no third has any, and says
//! so. Several Schedules of one name in a cluster (in namespaces of their own, or one after the
//! other) are told apart likewise: the backups of the existing one are meant, or else those of
//! the last one, if they all began after those of the others.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

/// Clocks do not disagree by more than this: a backup that began later than that from now has not
/// begun, whatever it says.
const CLOCKS_DISAGREE: TimeDelta = TimeDelta::hours(1);

/// A backup of the Schedule that can be restored.
#[derive(Clone, Debug)]
pub struct Candidate<T> {
    /// The name of the backup.
    pub name: String,
    /// When the backup began.
    pub began: DateTime<Utc>,
    /// The uid of the cluster in which the backup was made.
    pub cluster: String,
    /// The reason why that cluster is believed only if the restore names it (`as … says`); `None`
    /// if it is sure.
    pub doubt: Option<String>,
    /// The uid of the Schedule that made the backup.
    pub schedule: String,
    /// Whether the backup lacks something: it only PartiallyFailed.
    pub is_partial: bool,
    /// The caller's handle on the backup.
    pub of: T,
}

/// The terms by which a restore means a backup.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The uid of the cluster that is restored into.
    pub here: &'a str,
    /// The uid of the Schedule of the name in that cluster; `None` if there is none.
    pub schedule: Option<&'a str>,
    /// The uid of the cluster whose backups are meant; `None` if the restore does not say it.
    pub from: Option<&'a str>,
    /// Only backups that began before this are meant; `None` for all.
    pub before: Option<DateTime<Utc>>,
    /// Whether a backup that PartiallyFailed is as good as any.
    pub partial: bool,
    /// The present time.
    pub now: DateTime<Utc>,
}

impl Wish<'_> {
    /// Returns whether no older backup can be meant once this one is known.
    pub fn is_good<T>(&self, candidate: &Candidate<T>) -> bool {
        self.fits(candidate.began)
            && self.meant() == candidate.maker(self)
            && (self.partial || !candidate.is_partial)
    }

    /// Returns the cluster whose backups are meant.
    fn meant(&self) -> Maker {
        Maker { cluster: self.from.unwrap_or(self.here).to_owned(), doubt: None }
    }

    fn fits(&self, began: DateTime<Utc>) -> bool {
        began <= self.now + CLOCKS_DISAGREE && self.before.is_none_or(|before| began < before)
    }
}

/// The cluster that made a backup, as far as that is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Maker {
    cluster: String,
    doubt: Option<String>,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cluster.escape_debug())?;
        self.doubt.iter().try_for_each(|doubt| write!(f, " ({doubt})"))
    }
}

impl<T> Candidate<T> {
    /// Returns the backup's maker. A restore that names a cluster also means backups that only say
    /// that they are of it.
    fn maker(&self, wish: &Wish<'_>) -> Maker {
        let doubt = self.doubt.clone().filter(|_| wish.from != Some(self.cluster.as_str()));
        Maker { cluster: self.cluster.clone(), doubt }
    }
}

/// The backup that is meant.
#[derive(Clone, Debug)]
pub struct Pick<T> {
    /// The candidate.
    pub picked: Candidate<T>,
    /// Facts about it that somebody might not expect, in words.
    pub notes: Vec<String>,
}

/// Finds the backup that is meant.
///
/// # Errors
/// With the reason why there is none, to follow the name of what was asked for.
pub fn pick<T>(candidates: Vec<Candidate<T>>, wish: &Wish<'_>) -> Result<Pick<T>, String> {
    let mut clusters: BTreeMap<Maker, Vec<Candidate<T>>> = BTreeMap::new();
    for candidate in candidates.into_iter().filter(|candidate| wish.fits(candidate.began)) {
        clusters.entry(candidate.maker(wish)).or_default().push(candidate);
    }
    let known = named(&clusters);
    let meant = wish.meant();
    let mut notes = Vec::new();
    let own = match clusters.remove(&meant) {
        Some(own) => of_the_surest(own),
        None if clusters.is_empty() => return Err(String::new()),
        None if wish.from.is_some() => return Err(format!(" of cluster {meant}; there are {known}")),
        None if clusters.len() > 1 => {
            return Err(format!(
                " of this cluster, and several others have some: {known}; say which is meant (fromCluster, --from-cluster)"
            ));
        }
        None => {
            let (cluster, others) = clusters.pop_first().unwrap_or_default();
            notes.push(if cluster.cluster == wish.here {
                format!("it is this cluster's own, {}", cluster.doubt.unwrap_or_default())
            } else {
                format!("this cluster has no backup of the schedule; it is one of cluster {cluster}")
            });
            others
        }
    };
    let schedule = wish.schedule.filter(|_| own.iter().all(|candidate| candidate.cluster == wish.here));
    let own = of_one_schedule(own, schedule, &mut notes)?;
    let picked = newest_of(own, wish, &mut notes)?;
    Ok(Pick { picked, notes })
}

/// Returns the backups that are surely of the named cluster, or else those of which that is only
/// said.
fn of_the_surest<T>(own: Vec<Candidate<T>>) -> Vec<Candidate<T>> {
    let (doubted, sure): (Vec<_>, Vec<_>) = own.into_iter().partition(|candidate| candidate.doubt.is_some());
    if sure.is_empty() { doubted } else { sure }
}

/// Returns the backups of the very Schedule. If it has made none, or is not there, returns those
/// of a former one of its name, and notes that: of several the last, if its backups all began
/// after those of the others. Of several that made backups side by side, nothing tells which is
/// meant.
fn of_one_schedule<T>(
    all: Vec<Candidate<T>>,
    schedule: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<Vec<Candidate<T>>, String> {
    let mut schedules: BTreeMap<String, Vec<Candidate<T>>> = BTreeMap::new();
    for candidate in all {
        schedules.entry(candidate.schedule.clone()).or_default().push(candidate);
    }
    if let Some(schedule) = schedule {
        if let Some(own) = schedules.remove(schedule) {
            notes.extend(also_there(&schedules));
            return Ok(own);
        }
        notes.push("the Schedule itself has made none; it is one of another Schedule of its name (deleted since, or of another namespace)".to_owned());
    }
    let mut others: Vec<_> = schedules.into_values().collect();
    let ended = |made: &Vec<Candidate<T>>| made.iter().map(|candidate| candidate.began).max();
    others.sort_by_key(ended);
    let Some(last) = others.pop() else { return Ok(Vec::new()) };
    let Some(before) = others.last() else { return Ok(last) };
    let count = others.len() + 1;
    if last.iter().any(|candidate| Some(candidate.began) <= ended(before)) {
        let newest = others.iter().chain([&last]).filter_map(|made| {
            let newest = made.iter().max_by_key(|candidate| (candidate.began, &candidate.name))?;
            Some(format!("`{}`", newest.name))
        });
        return Err(format!(
            " that is known to be meant: {count} Schedules of that name made some side by side (the newest of each: {}); name \
             the one that is meant (backupName, --from-backup)",
            newest.collect::<Vec<_>>().join(", ")
        ));
    }
    notes.push(format!(
        "{count} Schedules of that name made some, one after the other; it is one of the last of them"
    ));
    Ok(last)
}

/// Returns a note about the backups of other Schedules of the name, which are passed over, or
/// `None`: after a loss, the first backup of a new Schedule holds what was left, and what somebody
/// wants back may be in those of the former one.
fn also_there<T>(others: &BTreeMap<String, Vec<Candidate<T>>>) -> Option<String> {
    let newest = others.values().flatten().max_by_key(|candidate| (candidate.began, &candidate.name))?;
    let count = others.values().flatten().count();
    Some(format!(
        "{count} of another Schedule of its name (an earlier one, or of another namespace), the newest `{}`, {} passed over: name the one \
         that is meant, if it is not this (backupName, --from-backup)",
        newest.name,
        if count == 1 { "was" } else { "were" }
    ))
}

/// Returns the newest backup of one Schedule, and notes what somebody might not expect of it.
fn newest_of<T>(
    mut own: Vec<Candidate<T>>,
    wish: &Wish<'_>,
    notes: &mut Vec<String>,
) -> Result<Candidate<T>, String> {
    own.sort_by(|one, other| (other.began, &other.name).cmp(&(one.began, &one.name)));
    let Some(at) = own.iter().position(|candidate| wish.partial || !candidate.is_partial) else {
        let newest = own.first().map(|newest| newest.name.as_str()).unwrap_or_default();
        return Err(format!(
            "; {} only PartiallyFailed, the newest of them `{newest}`: name it (backupName, --from-backup), or take such ones, too \
             (allowPartiallyFailed, --allow-partially-failed)",
            if own.len() == 1 { "one".to_owned() } else { format!("{} others", own.len()) }
        ));
    };
    let picked = own.remove(at);
    if let Some((doubt, cluster)) = picked.doubt.as_ref().zip(wish.from) {
        notes.push(format!("it is of cluster {cluster}, {doubt}"));
    }
    let passed_over = own.get(..at).unwrap_or_default();
    if let Some(newest) = passed_over.first() {
        notes.push(format!(
            "{} newer, the newest `{}`, only PartiallyFailed and {} passed over (allowPartiallyFailed takes such ones, too)",
            if passed_over.len() == 1 { "one that is".to_owned() } else { format!("{} that are", passed_over.len()) },
            newest.name,
            if passed_over.len() == 1 { "was" } else { "were" },
        ));
    }
    if picked.is_partial {
        notes.push(format!("`{}` only PartiallyFailed: it lacks what its errors name", picked.name));
    }
    Ok(picked)
}

/// Describes the clusters, each with its newest backup.
fn named<T>(clusters: &BTreeMap<Maker, Vec<Candidate<T>>>) -> String {
    let named = clusters.iter().map(|(cluster, own)| {
        let newest = own.iter().max_by_key(|candidate| (candidate.began, &candidate.name));
        let newest = newest.map(|newest| newest.name.as_str()).unwrap_or_default();
        format!("{} of cluster {cluster} (the newest `{newest}`)", own.len())
    });
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> DateTime<Utc> {
        format!("2026-11-{day:02}T03:00:00Z").parse().unwrap()
    }

    /// Candidates named by their day; `~` means that the backup PartiallyFailed.
    fn candidates(of: &[(&str, &[&str])]) -> Vec<Candidate<()>> {
        let each = of.iter().flat_map(|(cluster, days)| days.iter().map(move |day| (*cluster, *day)));
        let made = each.map(|(cluster, day)| {
            let number = day.trim_start_matches('~');
            let is_partial = day.starts_with('~');
            Candidate {
                name: format!("{cluster}{number}"),
                began: at(number.parse().unwrap()),
                cluster: cluster.to_owned(),
                doubt: None,
                schedule: format!("of-{cluster}"),
                is_partial,
                of: (),
            }
        });
        made.collect()
    }

    fn wish() -> Wish<'static> {
        Wish { here: "a", schedule: None, from: None, before: None, partial: false, now: at(28) }
    }

    fn picked(of: &[(&str, &[&str])], wish: Wish<'_>) -> (String, Vec<String>) {
        let Pick { picked, notes } = pick(candidates(of), &wish).unwrap();
        (picked.name, notes)
    }

    fn refused(of: &[(&str, &[&str])], wish: Wish<'_>) -> String {
        pick(candidates(of), &wish).unwrap_err()
    }

    #[test]
    fn this_cluster_s_newest_is_meant_however_new_another_s_is() {
        let both: &[(&str, &[&str])] = &[("a", &["1", "3", "2"]), ("b", &["9"])];
        assert_eq!(picked(both, wish()), ("a3".into(), vec![]));
        assert_eq!(picked(both, Wish { before: Some(at(3)), ..wish() }), ("a2".into(), vec![]));
        assert_eq!(picked(both, Wish { from: Some("b"), ..wish() }), ("b9".into(), vec![]));
    }

    #[test]
    fn another_cluster_s_is_taken_where_it_is_the_only_one_and_that_is_said() {
        let (name, notes) = picked(&[("b", &["1", "2"])], wish());
        assert!(name == "b2" && notes.len() == 1 && notes[0].contains("cluster b"), "{name} {notes:?}");
        let why = refused(&[("b", &["1", "2"]), ("c", &["3"])], wish());
        for part in ["several", "2 of cluster b (the newest `b2`)", "1 of cluster c", "fromCluster"] {
            assert!(why.contains(part), "{why}");
        }
        let why = refused(&[("b", &["1"])], Wish { from: Some("c"), ..wish() });
        assert!(why.contains("of cluster c") && why.contains("`b1`"), "{why}");
        assert_eq!(refused(&[], wish()), "");
    }

    #[test]
    fn what_only_says_that_it_is_this_cluster_s_is_taken_where_the_cluster_is_named() {
        let doubted = |of: &[(&str, &[&str])]| {
            let mut found = candidates(of);
            found
                .iter_mut()
                .filter(|found| found.cluster == "a")
                .for_each(|found| found.doubt = Some("as l says".into()));
            found
        };
        let both: &[(&str, &[&str])] = &[("a", &["1"]), ("b", &["2"])];
        let why = pick(doubted(both), &wish()).unwrap_err();
        assert!(
            why.contains("1 of cluster a (as l says) (the newest `a1`)") && why.contains("cluster b"),
            "{why}"
        );
        let Pick { picked, notes } = pick(doubted(both), &Wish { from: Some("a"), ..wish() }).unwrap();
        assert!(picked.name == "a1" && notes == ["it is of cluster a, as l says"], "{notes:?}");
        let Pick { picked, notes } = pick(doubted(&[("a", &["1"])]), &wish()).unwrap();
        assert!(picked.name == "a1" && notes == ["it is this cluster's own, as l says"], "{notes:?}");
    }

    /// Candidates of cluster `a`, by Schedule.
    fn by_schedule(of: &[(&str, &[&str])]) -> Vec<Candidate<()>> {
        let made = of.iter().flat_map(|(schedule, days)| {
            let made = candidates(&[("a", days)]).into_iter();
            made.map(|candidate| Candidate { schedule: (*schedule).to_owned(), ..candidate })
        });
        made.collect()
    }

    #[test]
    fn what_only_says_that_it_is_of_the_cluster_that_is_named_does_not_stand_for_what_is() {
        let mut both = candidates(&[("a", &["1", "2"])]);
        both[1].doubt = Some("as l says".into());
        let Pick { picked, notes } = pick(both, &Wish { from: Some("a"), ..wish() }).unwrap();
        assert!(picked.name == "a1" && notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn a_schedule_s_own_are_meant_before_those_of_another_of_its_name() {
        let wish = Wish { schedule: Some("s"), ..wish() };
        let Pick { picked, notes } = pick(by_schedule(&[("s", &["1"]), ("t", &["2"])]), &wish).unwrap();
        // After a loss the first backup of a Schedule that was made anew has what was left.
        assert!(picked.name == "a1" && notes.len() == 1 && notes[0].contains("the newest `a2`"), "{notes:?}");
        let Pick { picked, notes } = pick(by_schedule(&[("t", &["2"])]), &wish).unwrap();
        assert!(picked.name == "a2" && notes[0].contains("another Schedule of its name"), "{notes:?}");
        let from_another = Wish { from: Some("b"), ..wish };
        let Pick { picked, notes } =
            pick(candidates(&[("a", &["1"]), ("b", &["2"])]), &from_another).unwrap();
        assert!(
            picked.name == "b2" && notes.is_empty(),
            "the Schedule here says nothing of there: {notes:?}"
        );
    }

    #[test]
    fn of_several_schedules_that_are_not_there_the_last_is_meant_and_of_those_side_by_side_none() {
        let after: &[(&str, &[&str])] = &[("t", &["3", "4"]), ("s", &["1", "2"])];
        let Pick { picked, notes } = pick(by_schedule(after), &wish()).unwrap();
        assert!(picked.name == "a4" && notes.len() == 1 && notes[0].contains("2 Schedules"), "{notes:?}");
        let beside: &[(&str, &[&str])] = &[("s", &["1", "3"]), ("t", &["2", "4"])];
        for schedule in [None, Some("new")] {
            let why = pick(by_schedule(beside), &Wish { schedule, ..wish() }).unwrap_err();
            for part in ["2 Schedules", "`a3`", "`a4`", "--from-backup"] {
                assert!(why.contains(part), "{why}");
            }
        }
        let earlier = Wish { before: Some(at(2)), ..wish() };
        assert_eq!(pick(by_schedule(beside), &earlier).unwrap().picked.name, "a1");
    }

    #[test]
    fn what_has_not_begun_yet_is_never_meant() {
        assert_eq!(picked(&[("a", &["3", "29"])], wish()).0, "a3");
        assert_eq!(refused(&[("a", &["29"]), ("b", &["30"])], wish()), "");
    }

    #[test]
    fn one_that_partially_failed_is_passed_over_and_told_or_taken_where_that_is_allowed() {
        let mixed: &[(&str, &[&str])] = &[("a", &["1", "~2", "~3"])];
        let (name, notes) = picked(mixed, wish());
        assert!(name == "a1" && notes[0].contains("2 that are newer, the newest `a3`"), "{notes:?}");
        let (name, notes) = picked(mixed, Wish { partial: true, ..wish() });
        assert!(name == "a3" && notes[0].contains("lacks"), "{notes:?}");
        assert_eq!(picked(&[("a", &["4", "~2", "~3"])], wish()), ("a4".into(), vec![]));
        let why = refused(&[("a", &["~1", "~2"]), ("b", &["9"])], wish());
        assert!(why.contains("`a2`") && why.contains("--allow-partially-failed"), "{why}");
    }
}
