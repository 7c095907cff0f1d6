//! Pairs on the command line: `old:new`, `key=value`. Pure.

use std::collections::BTreeMap;

use crate::cli::exit::Failure;

/// `old:new`, as clap reads it.
pub fn pair(text: &str) -> Result<(String, String), String> {
    split_pair(text, ':')
}

/// `old=new`, for what holds colons.
pub fn equation(text: &str) -> Result<(String, String), String> {
    split_pair(text, '=')
}

fn split_pair(text: &str, at: char) -> Result<(String, String), String> {
    match text.split_once(at) {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err(format!("write it as old{at}new")),
    }
}

/// A mapping in which no name stands twice on the left.
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
