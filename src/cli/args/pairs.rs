//! Pairs on the command line: `old:new`, `key=value`. Pure.

use std::collections::BTreeMap;

use crate::cli::exit::Failure;

/// Parses `old:new`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    split_pair(text, ':')
}

/// Parses `old=new`, for values with colons.
pub fn equation(text: &str) -> Result<(String, String), String> {
    split_pair(text, '=')
}

fn split_pair(text: &str, at: char) -> Result<(String, String), String> {
    match text.split_once(at) {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err(format!("write it as old{at}new")),
    }
}

/// Returns the pairs as a map; fails if a name on the left has two values. `flag` is for the
/// message.
pub fn mapping(flag: &str, pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (old, new) in pairs {
        if let Some(other) = map.insert(old.clone(), new.clone()).filter(|other| other != new) {
            return Err(Failure::usage(format!(
                "--{flag} maps `{old}` to both `{other}` and `{new}`; keep one of them"
            )));
        }
    }
    Ok(map)
}
