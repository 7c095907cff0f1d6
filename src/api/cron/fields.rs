//! Faults in the fields of a cron pattern, in a person's words. Pure.
//!
//! The parser's own errors name neither the field nor the values that it takes. Faults that are
//! not understood here are left to the parser.

/// A field: its name, the numbers that it takes, and the names of these, from the least number on.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const fn field(name: &'static str, least: u32, most: u32, words: &'static [&'static str]) -> Field {
    Field { name, least, most, words }
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The fields in order.
const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of month", 1, 31, &[]),
    field("month", 1, 12, &MONTHS),
    field("day of week", 0, 7, &DAYS),
];

/// Returns what is wrong with a pattern of five fields, or `None` if nothing is found here.
pub fn objection(pattern: &str) -> Option<String> {
    let texts: Vec<&str> = pattern.split(' ').filter(|text| !text.is_empty()).collect();
    if texts.len() != FIELDS.len() {
        let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        return Some(format!(
            "it has {} fields and not {} ({})",
            texts.len(),
            FIELDS.len(),
            names.join(", ")
        ));
    }
    FIELDS.iter().zip(texts).find_map(|(field, text)| text.split(',').find_map(|part| field.objection(part)))
}

impl Field {
    fn objection(&self, part: &str) -> Option<String> {
        let (values, step) = part.split_once('/').map_or((part, None), |(values, step)| (values, Some(step)));
        let of_step = step.and_then(|step| match step.parse::<u32>() {
            Ok(step) if (1..=self.most).contains(&step) => None,
            _ => Some(format!("the step `{step}` of the {} is not a number of 1–{}", self.name, self.most)),
        });
        if values == "*" || values == "?" {
            return of_step;
        }
        values.split('-').find_map(|value| self.objection_to_value(value)).or(of_step)
    }

    fn objection_to_value(&self, value: &str) -> Option<String> {
        let Self { name, least, most, words } = self;
        if value.is_empty() {
            return Some(format!("a part of the {name} is empty"));
        }
        if value.bytes().all(|byte| byte.is_ascii_digit()) {
            let fits = value.parse().is_ok_and(|number: u32| (*least..=*most).contains(&number));
            return (!fits).then(|| format!("the {name} {value} is out of {least}–{most}"));
        }
        let lower = value.to_ascii_lowercase();
        let is_word =
            words.contains(&&*lower) || lower.strip_suffix('l').is_some_and(|day| words.contains(&day));
        let is_letters = value.bytes().all(|byte| byte.is_ascii_alphabetic()) && value.len() > 1;
        if is_word || !is_letters || matches!(&*value.to_ascii_uppercase(), "LW" | "WL") {
            return None; // such as `L`, `15W` or `5#2`, which the parser knows
        }
        let words = match (words.first(), words.last()) {
            (Some(first), Some(last)) => {
                format!(", or a name of {}–{}", first.to_uppercase(), last.to_uppercase())
            }
            _ => String::new(),
        };
        Some(format!("the {name} `{value}` is not a number of {least}–{most}{words}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_names_its_field_and_what_it_takes() {
        for (pattern, why) in [
            ("0 24 * * *", "the hour 24 is out of 0–23"),
            ("61 * * * *", "the minute 61 is out of 0–59"),
            ("0 0 0 * *", "the day of month 0 is out of 1–31"),
            ("0 0 * 13 *", "the month 13 is out of 1–12"),
            ("0 0 * * 1-8", "the day of week 8 is out of 0–7"),
            ("0 0 * * 99999999999", "the day of week 99999999999 is out of 0–7"),
            ("*/0 * * * *", "the step `0` of the minute is not a number of 1–59"),
            ("0 0 * JAM *", "the month `JAM` is not a number of 1–12, or a name of JAN–DEC"),
            ("0 three * * *", "the hour `three` is not a number of 0–23"),
            ("0,,5 * * * *", "a part of the minute is empty"),
            ("0 3 * *", "it has 4 fields and not 5 (minute, hour, day of month, month, day of week)"),
        ] {
            assert_eq!(objection(pattern).as_deref(), Some(why), "{pattern}");
        }
        for pattern in ["*/15 * ? JAN-mar MON,5-6", "5/15 0-23/2 L * 5#2", "0 0 15W,LW * 7"] {
            assert_eq!(objection(pattern), None, "{pattern}");
        }
    }
}
