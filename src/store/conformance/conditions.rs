//! Checks of writes and deletes on the condition that nobody else has written meanwhile.

use bytes::Bytes;
use futures::future::join_all;

use super::{Conformance, Trial, Violation, broken, done, hold};
use crate::store::{ETag, ObjectKey, PutMode, StoreError};

impl Trial {
    async fn etag(&self, key: &ObjectKey) -> Result<ETag, Violation> {
        let info = done("a head succeeds", self.store.head(key).await)?;
        info.etag.map_or_else(|| broken("a head tells a tag", "none"), Ok)
    }

    async fn replace(&self, key: &ObjectKey, body: impl Into<Bytes>, etag: &ETag) -> Result<(), StoreError> {
        self.store.put(key, body.into(), PutMode::Replace(etag.clone())).await
    }

    pub(super) async fn replaces_only_what_nobody_else_wrote(&self) -> Conformance {
        let key = self.put("replaced", "first").await?;
        let first = self.etag(&key).await?;
        done("a replacement succeeds", self.replace(&key, "second", &first).await)?;
        let second = self.etag(&key).await?;
        hold("a tag changes with the object", first != second, (&first, &second))?;
        let lost = self.replace(&key, "third", &first).await;
        hold("a replacement by an old tag is Changed", lost.is_err_and(|error| error.is_changed()), ())?;
        self.holds(&key, b"second").await?;
        done("an object can be deleted", self.store.delete(std::slice::from_ref(&key)).await)?;
        let lost = self.replace(&key, "third", &second).await;
        hold("a replacement of what is gone is Changed", lost.is_err_and(|error| error.is_changed()), ())?;
        self.is_absent(&key).await
    }

    pub(super) async fn lets_one_of_many_replacements_win(&self) -> Conformance {
        let atomic = done("atomic replacements are known", self.store.compare_and_swap().await)?;
        hold("atomic replacements work", atomic, atomic)?;
        let key = self.put("raced-again", "before").await?;
        let etag = self.etag(&key).await?;
        let bodies: Vec<Bytes> = (0..8).map(|racer| Bytes::from(format!("racer {racer}"))).collect();
        let outcomes = join_all(bodies.iter().map(|body| self.replace(&key, body.clone(), &etag))).await;
        let winners: Vec<usize> = (0..outcomes.len()).filter(|racer| outcomes[*racer].is_ok()).collect();
        let mut lost = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let clear = lost.all(StoreError::is_changed);
        hold("of replacements at once one wins and the others know", winners.len() == 1 && clear, &outcomes)?;
        self.holds(&key, &bodies[winners[0]]).await
    }

    pub(super) async fn deletes_only_what_nobody_else_wrote(&self) -> Conformance {
        let key = self.put("deleted-once", "first").await?;
        let first = self.etag(&key).await?;
        self.put("deleted-once", "second").await?;
        let lost = self.store.delete_unchanged(&key, &first).await;
        hold("a deletion by an old tag is Changed", lost.is_err_and(|error| error.is_changed()), ())?;
        self.holds(&key, b"second").await?;
        let second = self.etag(&key).await?;
        for _ in 0..2 {
            let deleted = self.store.delete_unchanged(&key, &second).await;
            done("a deletion by tag works, also of what is gone", deleted)?;
        }
        self.is_absent(&key).await
    }
}
