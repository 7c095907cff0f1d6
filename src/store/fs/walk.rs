//! Listing a folder of objects page by page, without a look into what lies before or behind the page.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::TEMPORARY;
use super::folder::{Folder, modified};
use crate::store::{Action, StoreError};

/// A key, with size and time of an object; a folded prefix has neither.
pub(super) type Found = (String, Option<(u64, DateTime<Utc>)>);

/// A walk below one folder, in order of keys, that passes over what lies before the page and ends behind it.
pub(super) struct Walk<'a> {
    pub(super) folder: &'a Folder,
    pub(super) action: &'a Action,
    /// What the keys begin with.
    pub(super) prefix: &'a str,
    /// Whether what lies deeper is folded.
    pub(super) delimiter: bool,
    /// The last key before the page.
    pub(super) after: &'a str,
    /// Entries of the page.
    pub(super) limit: usize,
    /// In order.
    pub(super) found: Vec<Found>,
}

impl Walk<'_> {
    /// Adds what lies in a folder; `key` is the folder's own, empty for the root.
    pub(super) fn enter(&mut self, folder: &Path, key: &str) -> Result<(), StoreError> {
        let slash = if key.is_empty() { "" } else { "/" };
        let entries = read_folder(folder).map_err(|error| self.folder.explain(self.action, folder, error))?;
        let mut keys = Vec::with_capacity(entries.len());
        for (name, entry) in entries {
            let Ok(kind) = entry.file_type() else { continue };
            // With its slash a folder stands where the keys below it do.
            let end = if kind.is_dir() { "/" } else { "" };
            keys.push((format!("{key}{slash}{name}{end}"), kind, entry));
        }
        keys.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        for (key, kind, entry) in keys {
            // One more than the page is kept, to know whether another page follows.
            if self.found.len() > self.limit {
                break;
            }
            if kind.is_dir() {
                self.look_into(&entry.path(), key)?;
            } else if kind.is_file() && self.wants(&key) {
                let Ok(found) = entry.metadata() else { continue };
                self.found.push((key, Some((found.len(), modified(&found)))));
            }
        }
        Ok(())
    }

    /// `inside` is the folder's key with its slash.
    fn look_into(&mut self, folder: &Path, inside: String) -> Result<(), StoreError> {
        if self.delimiter && inside.starts_with(self.prefix) {
            if self.wants(&inside) && holds_object(folder) {
                self.found.push((inside, None));
            }
            return Ok(());
        }
        if !lies_before(&inside, self.after)
            && (inside.starts_with(self.prefix) || self.prefix.starts_with(&inside))
        {
            self.enter(folder, inside.trim_end_matches('/'))?;
        }
        Ok(())
    }

    fn wants(&self, key: &str) -> bool {
        key.starts_with(self.prefix) && key > self.after
    }
}

/// Whether everything in a folder comes before the page that begins behind `after`; `inside` is its key with its slash.
fn lies_before(inside: &str, after: &str) -> bool {
    inside < after && !after.starts_with(inside)
}

/// What may be an object or a folder of some: text names, nothing unfinished. An absent folder holds nothing.
fn read_folder(folder: &Path) -> io::Result<Vec<(String, fs::DirEntry)>> {
    let entries = match fs::symlink_metadata(folder).and_then(|found| match found.is_dir() {
        true => fs::read_dir(folder).map(Some),
        false => Ok(None),
    }) {
        Ok(Some(entries)) => entries,
        Ok(None) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let named = entries.filter_map(|entry| match entry {
        Ok(entry) => {
            let name = entry.file_name().into_string().ok()?;
            (!name.starts_with(TEMPORARY)).then_some(Ok((name, entry)))
        }
        Err(error) => Some(Err(error)),
    });
    named.collect()
}

fn holds_object(folder: &Path) -> bool {
    let entries = read_folder(folder).unwrap_or_default();
    entries.iter().any(|(_, entry)| match entry.file_type() {
        Ok(found) if found.is_dir() => holds_object(&entry.path()),
        Ok(found) => found.is_file(),
        Err(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_before_the_page_are_passed_over() {
        for (inside, after, before) in [
            ("a/", "", false),
            ("a/", "a/x", false),
            ("a/", "b", true),
            ("a/", "a-b/c", false),
            ("a-b/", "a/x", true),
            ("backups/n-1/", "backups/n-2/claim.json", true),
            ("backups/", "backups/n-2/claim.json", false),
            ("backups/n-3/", "backups/n-2/claim.json", false),
        ] {
            assert_eq!(lies_before(inside, after), before, "{inside} {after}");
        }
    }
}
