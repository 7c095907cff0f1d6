//! From old uids to new ones: what became of each item that may own others.
//!
//! Uids are kept as numbers: a restore of a large cluster knows many of them.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::rewrite::Owner;

/// A uid of the backup, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OldUid(u128);

impl OldUid {
    /// Reads `metadata.uid`; None when it is empty. Uids are UUIDs, and were they not, a hash tells them apart as well.
    pub fn read(uid: &str) -> Option<Self> {
        let number = || Uuid::try_parse(uid).map_or_else(|_| xxh3_128(uid.as_bytes()), |uuid| uuid.as_u128());
        (!uid.is_empty()).then(|| Self(number()))
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is planned and not there yet.
    Awaited,
    /// It is there.
    There(u128),
}

/// What is known of owners, moved on as items are restored.
#[derive(Debug, Default)]
pub struct Owners {
    fates: Mutex<HashMap<OldUid, Fate>>,
}

impl Owners {
    /// Owners of which all that are `planned` are awaited.
    pub fn awaiting(planned: impl Iterator<Item = OldUid>) -> Self {
        Self { fates: Mutex::new(planned.map(|uid| (uid, Fate::Awaited)).collect()) }
    }

    /// The item is in the cluster under a uid.
    pub fn arrived(&self, old: Option<OldUid>, new: &str) {
        if let (Some(old), Ok(new)) = (old, Uuid::try_parse(new)) {
            self.lock().insert(old, Fate::There(new.as_u128()));
        }
    }

    /// No more is to be expected of an item: unless it is there already, what it owned is nobody's.
    pub fn forget(&self, old: Option<OldUid>) {
        let mut fates = self.lock();
        if let Some(old) = old
            && let Some(Fate::Awaited) = fates.get(&old)
        {
            fates.remove(&old);
        }
    }

    /// What became of an owner; `awaited` is set when that is still open.
    pub fn find(&self, uid: &str, awaited: &Cell<bool>) -> Owner {
        match OldUid::read(uid).and_then(|old| self.lock().get(&old).copied()) {
            Some(Fate::There(new)) => Owner::New(Uuid::from_u128(new).to_string()),
            Some(Fate::Awaited) => {
                awaited.set(true);
                Owner::Gone
            }
            None => Owner::Gone,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OldUid, Fate>> {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_awaited_until_it_has_arrived_or_is_lost() {
        let (old, new) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let owners = Owners::awaiting([OldUid::read(&old), OldUid::read("odd")].into_iter().flatten());
        let find = |uid: &str| {
            let awaited = Cell::new(false);
            (owners.find(uid, &awaited), awaited.get())
        };
        assert_eq!(find(&old), (Owner::Gone, true));
        owners.arrived(OldUid::read(&old), &new);
        assert_eq!(find(&old), (Owner::New(new), false));
        owners.forget(OldUid::read("odd"));
        assert_eq!(find("odd"), (Owner::Gone, false));
        owners.forget(OldUid::read(&old));
        assert_ne!(find(&old).0, Owner::Gone);
        assert_eq!(find(""), (Owner::Gone, false));
    }
}
