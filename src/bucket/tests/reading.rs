//! Reading a backup back, whole and in part, sound and damaged.

use super::*;
use crate::archive::IndexFrame;
use crate::bucket::VerifyReport;

const TARBALL: &str = "/nightly.tar.zst";
const INDEX: &str = "/index.ndjson.zst";

#[tokio::test]
async fn one_namespace_of_fifty_is_read_with_under_a_tenth_of_the_tarball() {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let (items, frames) = sample::index(&backup).await;
    assert_eq!(items.len(), sample::NAMESPACES * sample::ITEMS_EACH);
    let wanted: Vec<_> = items.iter().filter(|item| item.path.contains("/ns-17/")).collect();
    let lines: Vec<IndexFrame> =
        frames.iter().filter(|line| wanted.iter().any(|item| item.frame == line.frame)).cloned().collect();
    let mut reader = backup.frames(lines).unwrap();
    let mut found = 0;
    while let Some((number, frame)) = reader.next().await.unwrap() {
        let frame = frame.unwrap();
        for item in wanted.iter().filter(|item| item.frame == number) {
            let key = item.key().unwrap();
            crate::archive::check_body(&key, &frame.item(item).unwrap()).unwrap();
            found += 1;
        }
    }
    assert_eq!(found, sample::ITEMS_EACH);
    let tarball = store.body(&store.key(TARBALL)).len() as u64;
    assert!(reader.fetched() * 10 < tarball, "{} of {tarball}", reader.fetched());
}

#[tokio::test]
async fn all_frames_come_in_order_and_a_damaged_one_does_not_hide_the_next() {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let (_, frames) = sample::index(&backup).await;
    let mut bytes = store.body(&store.key(TARBALL)).to_vec();
    let damaged = &frames[3];
    bytes[usize::try_from(damaged.at + damaged.len / 2).unwrap()] ^= 1;
    store.insert(&store.key(TARBALL), bytes);
    let mut reader = backup.frames(frames.clone()).unwrap();
    let mut numbers = Vec::new();
    while let Some((number, frame)) = reader.next().await.unwrap() {
        numbers.push(number);
        assert_eq!(frame.is_err(), number == damaged.frame);
        if let Err(error) = frame {
            let text = crate::model::causes(&error);
            let place = format!("{} in memory is damaged at byte {}", store.key(TARBALL), damaged.at);
            assert!(text.starts_with(&place), "{text}");
        }
    }
    assert_eq!(numbers, frames.iter().map(|line| line.frame).collect::<Vec<_>>());
    assert_eq!(reader.fetched(), store.body(&store.key(TARBALL)).len() as u64);
}

#[tokio::test]
async fn a_truncated_tarball_or_index_is_an_error_and_never_a_short_read() {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let (_, frames) = sample::index(&backup).await;
    let (tarball, index) = (store.body(&store.key(TARBALL)), store.body(&store.key(INDEX)));
    store.insert(&store.key(TARBALL), tarball.slice(..tarball.len() / 2));
    let mut reader = backup.frames(frames).unwrap();
    let error = loop {
        match reader.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a short read"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.category(), crate::model::Category::Corrupt);
    for end in (0..index.len()).step_by(97) {
        store.insert(&store.key(INDEX), index.slice(..end));
        let lines: Result<Vec<_>, _> = backup.index().await.unwrap().try_collect().await;
        assert!(lines.is_err(), "{end} of {}", index.len());
    }
}

async fn verify(bucket: &Bucket) -> VerifyReport {
    let read = std::sync::atomic::AtomicU64::new(0);
    let on_bytes = |bytes| {
        read.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    };
    let report = bucket.verify(&name(), sample::describe, &on_bytes).await.unwrap();
    assert_eq!(read.into_inner(), report.bytes);
    report
}

#[tokio::test]
async fn a_sound_backup_verifies() {
    let (_, bucket) = bucket();
    sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let report = verify(&bucket).await;
    assert_eq!(report.problems, []);
    assert_eq!(report.items as usize, sample::NAMESPACES * sample::ITEMS_EACH);
    assert_eq!(report.objects, 4);
    assert!(report.frames > 10);
}

/// Changes an object, verifies the backup, and restores the object; returns the first problem as
/// text.
async fn verify_with(
    store: &MemoryStore,
    bucket: &Bucket,
    key: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> String {
    let whole = store.body(key);
    let mut bytes = whole.to_vec();
    change(&mut bytes);
    store.insert(key, bytes);
    let report = verify(bucket).await;
    store.insert(key, whole);
    assert!(!report.is_sound());
    let problem = &report.problems[0];
    assert_eq!(problem.key, key);
    problem.to_string()
}

#[tokio::test]
async fn every_damage_is_found_and_names_key_and_place() {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let (_, frames) = sample::index(&backup).await;
    let length = store.body(&store.key(TARBALL)).len();
    let flipped = verify_with(&store, &bucket, &store.key(TARBALL), |bytes| bytes[length / 2] ^= 1).await;
    let hit = frames.iter().find(|line| line.at + line.len > (length / 2) as u64).unwrap();
    assert!(flipped.starts_with(&format!("{} at byte {}", store.key(TARBALL), hit.at)), "{flipped}");
    let cut = verify_with(&store, &bucket, &store.key(TARBALL), |bytes| bytes.truncate(length - 10)).await;
    assert!(cut.contains("ends too early"), "{cut}");
    let longer = verify_with(&store, &bucket, &store.key(TARBALL), |bytes| bytes.push(0)).await;
    assert!(longer.contains("1 bytes belong to no frame"), "{longer}");
    let index = verify_with(&store, &bucket, &store.key(INDEX), |bytes| bytes.truncate(100)).await;
    assert!(index.contains("100 bytes"), "{index}");
    let results = &store.key("/results.json.zst");
    let changed = verify_with(&store, &bucket, results, |bytes| bytes[0] ^= 1).await;
    assert!(changed.contains("SHA-256"), "{changed}");
    let document = "backups/nightly/ark-backup.json";
    let unreadable = verify_with(&store, &bucket, document, |bytes| bytes.truncate(10)).await;
    assert!(unreadable.contains("not the document"), "{unreadable}");
    assert!(verify(&bucket).await.is_sound());
    for key in [&store.key(TARBALL), &store.key(INDEX), results] {
        let whole = store.body(key);
        store.remove(key);
        let report = verify(&bucket).await;
        store.insert(key, whole);
        assert!(
            report.problems.iter().any(|problem| problem.key == *key && problem.message == "it is not there")
        );
    }
}

#[tokio::test]
async fn results_and_log_are_compared_with_what_the_document_says() {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", None).await;
    assert_eq!(backup.results().await.unwrap(), Results::default());
    store.insert(&store.key("/results.json.zst"), documents::encode_compressed(&vec![1]).unwrap());
    assert!(matches!(backup.results().await, Err(BucketError::Corrupt { .. })));
    assert!(backup.log().await.is_err_and(|error| error.is_not_found()));
    store.insert("backups/nightly/logs.ndjson.zst", documents::encode_compressed(&"line").unwrap());
    let mut text = String::new();
    std::io::Read::read_to_string(&mut backup.log().await.unwrap(), &mut text).unwrap();
    assert_eq!(text, "\"line\"");
}

const DOCUMENT: &str = "backups/nightly/ark-backup.json";

/// Replaces the run by another one of its name, as far as documents show.
fn replace_document(store: &MemoryStore) {
    let mut document: Backup = serde_json::from_slice(&store.body(DOCUMENT)).unwrap();
    document.metadata.uid = Some("another".into());
    document.status.as_mut().unwrap().cluster.as_mut().unwrap().uid = "cluster-b".into();
    document.status.as_mut().unwrap().start_timestamp = Some(crate::api::Timestamp::now());
    store.insert(DOCUMENT, serde_json::to_vec(&document).unwrap());
}

/// Flips a bit in the middle of a part.
fn damage(store: &MemoryStore, part: &str) {
    let key = store.key(part);
    let mut bytes = store.body(&key).to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    store.insert(&key, bytes);
}

fn is_replaced(error: &BucketError) -> bool {
    let told = error.to_string();
    matches!(error, BucketError::Replaced { .. })
        && told.contains("cluster-b")
        && !told.contains("is damaged")
}

#[tokio::test]
async fn bytes_of_another_run_are_not_called_damaged() {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", None).await;
    let (_, frames) = sample::index(&backup).await;
    for part in ["/results.json.zst", INDEX, TARBALL] {
        damage(&store, part);
    }
    let index = async || backup.index().await?.try_collect::<Vec<_>>().await;
    let frame = async || backup.frames(frames.clone()).unwrap().next().await;
    // The document is still the one that was read: the bytes are damaged.
    assert_eq!(backup.results().await.unwrap_err().category(), crate::model::Category::Corrupt);
    assert_eq!(index().await.unwrap_err().category(), crate::model::Category::Corrupt);
    replace_document(&store);
    assert!(is_replaced(&backup.results().await.unwrap_err()));
    assert!(is_replaced(&index().await.unwrap_err()));
    let mut reader = backup.frames(frames.clone()).unwrap();
    let error = loop {
        match reader.next().await {
            Ok(Some((_, frame))) => assert!(frame.is_ok(), "each finding of damage looks at the document"),
            Ok(None) => panic!("the damage was not found"),
            Err(error) => break error,
        }
    };
    assert!(is_replaced(&error), "{error}");
    // The run is also replaced if it is gone by then, before its parts or with them.
    store.remove(DOCUMENT);
    let gone = backup.results().await.unwrap_err().to_string();
    assert!(gone.contains("replaced or removed while it was read"), "{gone}");
    store.remove(&store.key(TARBALL));
    let gone = frame().await.unwrap_err().to_string();
    assert!(gone.contains("replaced or removed while it was read"), "{gone}");
}

#[tokio::test]
async fn a_backup_that_is_replaced_while_it_is_verified_is_not_called_damaged() {
    let (store, bucket) = bucket();
    sample::write(&bucket, "nightly", None).await;
    damage(&store, TARBALL);
    assert!(!verify(&bucket).await.is_sound());
    let once = std::sync::Once::new();
    let on_bytes = |_| once.call_once(|| replace_document(&store));
    let error = bucket.verify(&name(), sample::describe, &on_bytes).await.unwrap_err();
    assert!(is_replaced(&error), "{error}");
}
