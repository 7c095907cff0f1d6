//! The names of scheduled Backups: `<schedule>-<YYYYMMDDhhmmss>`, in UTC. Pure.

use chrono::{DateTime, NaiveDateTime, Utc};

/// The format of the time in a name.
const STAMP: &str = "%Y%m%d%H%M%S";

/// The number of digits of that format.
const DIGITS: usize = 14;

/// Returns the name that a Schedule gives to the Backup of a second.
pub fn name_at(schedule: &str, second: DateTime<Utc>) -> String {
    format!("{schedule}-{}", second.format(STAMP))
}

/// Returns the second in a name that a Schedule gave, or `None` if the name has another form.
pub fn tick_of(name: &str, schedule: &str) -> Option<DateTime<Utc>> {
    let stamp = name.strip_prefix(schedule)?.strip_prefix('-')?;
    let digits = stamp.len() == DIGITS && stamp.bytes().all(|byte| byte.is_ascii_digit());
    NaiveDateTime::parse_from_str(stamp, STAMP).ok().filter(|_| digits).map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_second_and_no_other_name_does() {
        let second = "2026-11-21T03:00:00Z".parse().unwrap();
        assert_eq!(name_at("nightly", second), "nightly-20261121030000");
        assert_eq!(tick_of("nightly-20261121030000", "nightly"), Some(second));
        for name in [
            "nightly",
            "nightly-2026112103000",
            "nightly-202611210300000",
            "nightly-20261321030000",
            "nightly-db-20261121030000",
            "20261121030000",
            "nightly-+2026112103000",
        ] {
            assert_eq!(tick_of(name, "nightly"), None, "{name}");
        }
    }
}
