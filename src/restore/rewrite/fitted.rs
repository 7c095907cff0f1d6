//! What fitted something, so that a person learns of what they asked for and what changed nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something fitted an item yet; clones share the answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Fitted(Arc<AtomicBool>);

impl Fitted {
    /// Notes that it fits.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it fitted.
    pub fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A mapping from old to new names, which knows the pairs that fitted something.
#[derive(Clone, Debug, Default)]
pub struct Mapping(BTreeMap<String, (String, Fitted)>);

impl From<BTreeMap<String, String>> for Mapping {
    fn from(pairs: BTreeMap<String, String>) -> Self {
        Self(pairs.into_iter().map(|(old, new)| (old, (new, Fitted::default()))).collect())
    }
}

impl Mapping {
    /// Whether it maps nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The old names.
    pub(super) fn old(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The new name for an old one, which is used then.
    pub(super) fn get(&self, old: &str) -> Option<&str> {
        let (new, fitted) = self.0.get(old)?;
        fitted.note();
        Some(new)
    }

    /// The old names that fitted nothing.
    pub(super) fn without_effect(&self) -> impl Iterator<Item = &str> {
        let idle = |(_, (_, fitted)): &(&String, &(String, Fitted))| !fitted.is_noted();
        self.0.iter().filter(idle).map(|(old, _)| old.as_str())
    }
}
