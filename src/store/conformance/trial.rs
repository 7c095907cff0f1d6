//! The checks of one store, and the violations that they report.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::future::join_all;

use crate::model::causes;
use crate::store::{Listing, ObjectKey, ObjectStore, PutMode, StoreError, read_all};

/// A read limit above the size of any check's object.
const LIMIT: u64 = 64 << 20;

/// A promise that a store does not keep.
#[derive(Debug, thiserror::Error)]
#[error("the store breaks a promise: {promise}: {detail}")]
pub struct Violation {
    /// The promise.
    pub promise: &'static str,
    /// The observation instead.
    pub detail: String,
}

pub type Conformance = Result<(), Violation>;

pub struct Trial {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) place: String,
}

pub fn broken<T>(promise: &'static str, detail: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { promise, detail: detail.into() })
}

/// Checks the promise that an operation succeeds.
pub fn done<T>(promise: &'static str, result: Result<T, StoreError>) -> Result<T, Violation> {
    result.or_else(|error| broken(promise, causes(&error)))
}

pub fn hold(promise: &'static str, held: bool, seen: impl std::fmt::Debug) -> Conformance {
    if held { Ok(()) } else { broken(promise, format!("{seen:?}")) }
}

impl Trial {
    pub(super) async fn run(&self) -> Conformance {
        self.reads_back_what_was_put().await?;
        self.creates_only_what_is_not_there().await?;
        self.lets_one_of_many_creates_win().await?;
        self.replaces_only_what_nobody_else_wrote().await?;
        self.lets_one_of_many_replacements_win().await?;
        self.deletes_only_what_nobody_else_wrote().await?;
        self.reads_ranges_and_not_beyond().await?;
        self.tells_what_is_not_there().await?;
        self.streams_large_and_small_objects().await?;
        self.shows_nothing_of_an_unfinished_upload().await?;
        self.discards_what_a_killed_upload_left().await?;
        self.lists_in_order_and_in_pages().await?;
        self.folds_what_lies_deeper().await?;
        self.deletes_what_is_named_and_no_more().await?;
        self.signs_or_says_that_it_cannot().await
    }

    pub(super) fn key(&self, name: &str) -> Result<ObjectKey, Violation> {
        ObjectKey::new(format!("{}/{name}", self.place))
            .or_else(|error| broken("a key is valid", error.to_string()))
    }

    pub(super) async fn put(&self, name: &str, body: &'static str) -> Result<ObjectKey, Violation> {
        let key = self.key(name)?;
        let body = Bytes::from_static(body.as_bytes());
        done("a put succeeds", self.store.put(&key, body, PutMode::Overwrite).await)?;
        Ok(key)
    }

    pub(super) async fn holds(&self, key: &ObjectKey, expected: &[u8]) -> Conformance {
        let found = done("an object can be read", read_all(&*self.store, key, LIMIT).await)?;
        let summary = (found.len(), expected.len());
        hold("what is read is what was written (lengths read and written)", found == expected, summary)
    }

    pub(super) async fn is_absent(&self, key: &ObjectKey) -> Conformance {
        match self.store.head(key).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => broken("the object is not there", format!("{other:?}")),
        }
    }

    pub(super) async fn all(&self, prefix: &str, delimiter: bool) -> Result<(Listing, usize), Violation> {
        let (mut whole, mut pages) = (Listing::default(), 0);
        let mut next = None;
        loop {
            let prefix = format!("{}/{prefix}", self.place);
            let page = done("a page can be listed", self.store.list(&prefix, delimiter, next).await)?;
            pages += 1;
            whole.objects.extend(page.objects);
            whole.prefixes.extend(page.prefixes);
            match page.next {
                Some(token) if pages < 100 => next = Some(token),
                Some(_) => return broken("a listing ends", format!("{pages} pages")),
                None => return Ok((whole, pages)),
            }
        }
    }

    fn names(&self, listing: &Listing) -> Vec<String> {
        let relative = |text: &str| text.trim_start_matches(&self.place).trim_start_matches('/').to_owned();
        let objects = listing.objects.iter().map(|object| relative(object.key.as_str()));
        objects.chain(listing.prefixes.iter().map(|prefix| relative(prefix))).collect()
    }

    async fn reads_back_what_was_put(&self) -> Conformance {
        for name in ["plain", "system:node/with.dots", "ünï cødé/☸ & + %20 ?x=#"] {
            let key = self.put(name, "first").await?;
            self.holds(&key, b"first").await?;
            self.put(name, "and second").await?;
            self.holds(&key, b"and second").await?;
            let info = done("a head succeeds", self.store.head(&key).await)?;
            hold("a head tells key and size", info.key == key && info.size == 10, &info)?;
            let age = chrono::Utc::now() - info.modified;
            hold("a head tells the time", age.num_hours().abs() < 24, &info)?;
        }
        let empty = self.put("empty", "").await?;
        self.holds(&empty, b"").await?;
        match read_all(&*self.store, &self.key("plain")?, 9).await {
            Err(StoreError::TooLarge { limit: 9, .. }) => Ok(()),
            other => broken("a bounded read refuses a larger object", format!("{other:?}")),
        }
    }

    async fn creates_only_what_is_not_there(&self) -> Conformance {
        let key = self.key("created")?;
        let create =
            |body: &'static str| self.store.put(&key, Bytes::from_static(body.as_bytes()), PutMode::Create);
        done("a create succeeds", create("mine").await)?;
        for body in ["theirs", "mine"] {
            match create(body).await {
                Err(error) if error.is_already_exists() => {}
                other => return broken("a second create fails with AlreadyExists", format!("{other:?}")),
            }
        }
        self.holds(&key, b"mine").await
    }

    async fn lets_one_of_many_creates_win(&self) -> Conformance {
        let atomic = done("conditional writes are known", self.store.conditional_writes().await)?;
        hold("conditional writes work", atomic, atomic)?;
        let key = self.key("raced")?;
        let bodies: Vec<Bytes> = (0..8).map(|racer| Bytes::from(format!("racer {racer}"))).collect();
        let racers = bodies.iter().map(|body| self.store.put(&key, body.clone(), PutMode::Create));
        let outcomes = join_all(racers).await;
        let winners: Vec<usize> = (0..outcomes.len()).filter(|racer| outcomes[*racer].is_ok()).collect();
        let lost = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let clear = lost.clone().all(StoreError::is_already_exists);
        hold("of creates at once one wins and the others know", winners.len() == 1 && clear, &outcomes)?;
        self.holds(&key, &bodies[winners[0]]).await
    }

    async fn reads_ranges_and_not_beyond(&self) -> Conformance {
        let key = self.put("ranged", "0123456789").await?;
        for (range, expected) in
            [(0..10, "0123456789"), (0..1, "0"), (3..7, "3456"), (9..10, "9"), (4..4, "")]
        {
            let body = done("a range can be read", self.store.get(&key, Some(range)).await)?;
            let chunks: Vec<Bytes> = done("a range can be read", body.try_collect().await)?;
            hold("a range gives its bytes", chunks.concat() == expected.as_bytes(), (chunks, expected))?;
        }
        for range in [5..11, 10..12, 50..60] {
            let read =
                async { self.store.get(&key, Some(range.clone())).await?.try_collect::<Vec<_>>().await };
            match read.await {
                Err(StoreError::Truncated { .. }) => {}
                other => {
                    return broken("a range beyond the end is Truncated", format!("{range:?} {other:?}"));
                }
            }
        }
        Ok(())
    }

    async fn tells_what_is_not_there(&self) -> Conformance {
        self.put("folder/object", "x").await?;
        for name in ["absent", "absent/deeper/still", "folder", "plain/below-an-object"] {
            let key = self.key(name)?;
            self.is_absent(&key).await?;
            match self.store.get(&key, None).await.map(|_| ()) {
                Err(error) if error.is_not_found() => {}
                other => return broken("reading what is not there is NotFound", format!("{other:?}")),
            }
        }
        Ok(())
    }

    async fn streams_large_and_small_objects(&self) -> Conformance {
        // Sizes below one part, exactly one, and three parts with a rest, in chunks that fit no
        // part.
        for size in [0, 5, 5 << 20, (10 << 20) + 12_345] {
            let key = self.key(&format!("streamed/{size}"))?;
            let whole: Vec<u8> =
                (0..size).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let whole = Bytes::from(whole);
            let mut upload = done("an upload begins", self.store.upload(&key).await)?;
            let mut rest = whole.clone();
            while !rest.is_empty() {
                let chunk = rest.split_to(rest.len().min(777_777));
                done("an upload takes a chunk", upload.write(chunk).await)?;
            }
            self.is_absent(&key).await?;
            done("an upload finishes", upload.finish().await)?;
            self.holds(&key, &whole).await?;
        }
        Ok(())
    }

    async fn shows_nothing_of_an_unfinished_upload(&self) -> Conformance {
        let key = self.put("unfinished/before", "before").await?;
        for abort in [true, false] {
            for key in [&key, &self.key("unfinished/new")?] {
                let mut upload = done("an upload begins", self.store.upload(key).await)?;
                done("an upload takes a part", upload.write(Bytes::from(vec![7; 9 << 20])).await)?;
                if abort {
                    upload.abort().await;
                } else {
                    drop(upload);
                }
            }
            self.holds(&key, b"before").await?;
            let (listing, _) = self.all("unfinished/", false).await?;
            let names = self.names(&listing);
            hold("an upload given up leaves nothing", names == ["unfinished/before"], &names)?;
        }
        Ok(())
    }

    async fn discards_what_a_killed_upload_left(&self) -> Conformance {
        let begin = async |name: &str| {
            let key = self.key(name)?;
            let mut upload = done("an upload begins", self.store.upload(&key).await)?;
            done("an upload takes a part", upload.write(Bytes::from(vec![7; 6 << 20])).await)?;
            Ok((key, upload))
        };
        let (key, killed) = begin("killed").await?;
        // A process that is killed drops nothing.
        std::mem::forget(killed);
        let (other, living) = begin("killed-not").await?;
        for expected in [1, 0] {
            let found = done("what was left is discarded", self.store.discard_unfinished(&key).await)?;
            hold("what a killed upload left is discarded once", found == expected, (found, expected))?;
        }
        done("an upload of another key finishes", living.finish().await)?;
        self.is_absent(&key).await?;
        let found = done("a key without uploads is fine", self.store.discard_unfinished(&other).await)?;
        hold("a finished upload leaves nothing", found == 0, found)?;
        self.holds(&other, &vec![7; 6 << 20]).await
    }

    async fn lists_in_order_and_in_pages(&self) -> Conformance {
        // `-` and `.` sort before `/`: an order of folders would differ from the order of keys.
        let mut expected =
            ["l/a/x", "l/a-b/c", "l/a.b", "l/a1", "l/b/c/d", "l/b-/c", "l/b1", "l/é"].map(str::to_owned);
        for name in &expected {
            self.put(name, "12345").await?;
        }
        expected.sort();
        let (listing, pages) = self.all("l/", false).await?;
        hold("a listing is complete and in order", self.names(&listing) == expected, self.names(&listing))?;
        hold(
            "a listing tells sizes",
            listing.objects.iter().all(|object| object.size == 5),
            &listing.objects,
        )?;
        hold("pages are not empty", pages <= expected.len(), pages)?;
        let (listing, _) = self.all("l/a", false).await?;
        let expected: Vec<_> = expected.into_iter().filter(|name| name.starts_with("l/a")).collect();
        hold("a prefix is a text", self.names(&listing) == expected, self.names(&listing))?;
        let (listing, _) = self.all("nothing/at/all/", false).await?;
        hold("an empty listing is no error", self.names(&listing).is_empty(), self.names(&listing))
    }

    async fn folds_what_lies_deeper(&self) -> Conformance {
        for name in ["f/one/a", "f/one/b/c", "f/one-more/a", "f/two/deep/er", "f/object", "f/zed"] {
            self.put(name, "x").await?;
        }
        for (prefix, objects, folded) in [
            ("f/", vec!["f/object", "f/zed"], vec!["f/one-more/", "f/one/", "f/two/"]),
            ("f/one", vec![], vec!["f/one-more/", "f/one/"]),
            ("f/one/", vec!["f/one/a"], vec!["f/one/b/"]),
            ("f/two/d", vec![], vec!["f/two/deep/"]),
        ] {
            let (listing, _) = self.all(prefix, true).await?;
            let expected: Vec<_> = objects.into_iter().chain(folded).map(str::to_owned).collect();
            let seen = self.names(&listing);
            hold("what lies deeper is folded, in order and once", seen == expected, (prefix, seen))?;
        }
        Ok(())
    }

    async fn deletes_what_is_named_and_no_more(&self) -> Conformance {
        let mut keys = Vec::new();
        for name in ["d/a/1", "d/a/2", "d/a/b/3", "d/keep"] {
            keys.push(self.put(name, "x").await?);
        }
        let kept = keys.split_off(3);
        keys.push(self.key("d/absent")?);
        keys.push(self.key("d/absent/deeper")?);
        for _ in 0..2 {
            done("deleting works, also what is not there", self.store.delete(&keys).await)?;
        }
        done("deleting nothing works", self.store.delete(&[]).await)?;
        let (listing, _) = self.all("d/", true).await?;
        hold(
            "deleting leaves the others and no folders",
            self.names(&listing) == ["d/keep"],
            self.names(&listing),
        )?;
        self.holds(&kept[0], b"x").await?;
        let again = self.put("d/a/1", "again").await?;
        self.holds(&again, b"again").await
    }

    async fn signs_or_says_that_it_cannot(&self) -> Conformance {
        let key = self.put("signed", "x").await?;
        let url = done("signing does not fail", self.store.presign(&key, Duration::from_secs(60)).await)?;
        let fits = url.as_ref().is_none_or(|url| url.starts_with("http") && url.contains("signed"));
        hold("a signed URL names the object", fits, url.is_some())
    }

    pub(super) async fn clean(&self) -> Conformance {
        let (listing, _) = self.all("", false).await?;
        let keys: Vec<_> = listing.objects.into_iter().map(|object| object.key).collect();
        done("everything can be removed", self.store.delete(&keys).await)
    }
}
