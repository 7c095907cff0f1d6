//! A set that items share while they are restored side by side.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Elements that were noted so far.
#[derive(Debug)]
pub struct Noted<T>(Mutex<HashSet<T>>);

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> Noted<T> {
    /// Adds an element.
    pub fn add(&self, one: T) {
        self.lock().insert(one);
    }

    /// Returns whether the element was added before.
    pub fn has<Q: Eq + Hash + ?Sized>(&self, one: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.lock().contains(one)
    }

    /// Returns all elements, in no particular order.
    pub fn all(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
