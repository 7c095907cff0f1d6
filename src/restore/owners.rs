//! Maps old uids to new ones: keeps what became of each item that may own others.
//!
//! Uids are kept as numbers: a restore of a large cluster knows many of them. Next on the way:
//! `links`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// A uid of the backup, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OldUid(u128);

impl OldUid {
    /// Reads `metadata.uid`, or returns `None` if it is empty. Uids are UUIDs; any other text is
    /// told apart by its hash.
    pub fn read(uid: &str) -> Option<Self> {
        let number = || Uuid::try_parse(uid).map_or_else(|_| xxh3_128(uid.as_bytes()), |uuid| uuid.as_u128());
        (!uid.is_empty()).then(|| Self(number()))
    }
}

/// The state of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The owner is planned, and not there yet.
    Awaited,
    /// The owner is there, under this uid.
    There(String),
    /// The restore does not bring the owner; the cluster may have it all the same.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
enum Planned {
    Awaited,
    There(u128),
}

/// The known owners, updated as items are restored.
#[derive(Debug, Default)]
pub struct Owners {
    planned: Mutex<HashMap<OldUid, Planned>>,
}

impl Owners {
    /// Makes the owners, of which all that are `planned` are awaited.
    pub fn awaiting(planned: impl Iterator<Item = OldUid>) -> Self {
        Self { planned: Mutex::new(planned.map(|uid| (uid, Planned::Awaited)).collect()) }
    }

    /// Notes that the item is in the cluster, under the uid `new`.
    pub fn arrived(&self, old: Option<OldUid>, new: &str) {
        if let (Some(old), Ok(new)) = (old, Uuid::try_parse(new)) {
            self.lock().insert(old, Planned::There(new.as_u128()));
        }
    }

    /// Notes that the restore does not bring the item any more, unless it has arrived: its
    /// children then look for it in the cluster.
    pub fn forget(&self, old: Option<OldUid>) {
        let mut planned = self.lock();
        if let Some(old) = old
            && let Some(Planned::Awaited) = planned.get(&old)
        {
            planned.remove(&old);
        }
    }

    /// Returns what became of the owner with an old uid.
    pub fn fate(&self, uid: &str) -> Fate {
        match OldUid::read(uid).and_then(|old| self.lock().get(&old).copied()) {
            Some(Planned::There(new)) => Fate::There(Uuid::from_u128(new).to_string()),
            Some(Planned::Awaited) => Fate::Awaited,
            None => Fate::Unknown,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OldUid, Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_awaited_until_it_has_arrived_or_is_lost() {
        let (old, new) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let owners = Owners::awaiting([OldUid::read(&old), OldUid::read("odd")].into_iter().flatten());
        assert_eq!(owners.fate(&old), Fate::Awaited);
        owners.arrived(OldUid::read(&old), &new);
        assert_eq!(owners.fate(&old), Fate::There(new.clone()));
        owners.forget(OldUid::read("odd"));
        assert_eq!(owners.fate("odd"), Fate::Unknown);
        owners.forget(OldUid::read(&old));
        assert_eq!(owners.fate(&old), Fate::There(new));
        assert_eq!(owners.fate(""), Fate::Unknown);
    }
}
