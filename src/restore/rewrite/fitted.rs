//! Notes which mappings and rules fitted an item, so that a person learns which of them changed
//! nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something has fitted an item; clones share the answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Fitted(Arc<AtomicBool>);

impl Fitted {
    /// Notes that it fitted.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether it has fitted.
    pub fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A mapping from old to new names that notes which pairs were used.
#[derive(Clone, Debug, Default)]
pub struct Mapping(BTreeMap<String, (String, Fitted)>);

impl From<BTreeMap<String, String>> for Mapping {
    fn from(pairs: BTreeMap<String, String>) -> Self {
        Self(pairs.into_iter().map(|(old, new)| (old, (new, Fitted::default()))).collect())
    }
}

impl Mapping {
    /// Returns whether it maps nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the old names.
    pub(super) fn old(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the new name for an old one, and notes the use; `None` if the old name is not
    /// mapped.
    pub(super) fn get(&self, old: &str) -> Option<&str> {
        let (new, fitted) = self.0.get(old)?;
        fitted.note();
        Some(new)
    }

    /// Returns the old names that were never used.
    pub(super) fn without_effect(&self) -> impl Iterator<Item = &str> {
        let idle = |(_, (_, fitted)): &(&String, &(String, Fitted))| !fitted.is_noted();
        self.0.iter().filter(idle).map(|(old, _)| old.as_str())
    }
}
