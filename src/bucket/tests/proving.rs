//! Parts that readers would refuse are not committed, and a broken connection is not taken for
//! damage.

use std::time::Duration;

use super::*;
use crate::archive::{IndexEncoder, IndexFrame, IndexLine};
use crate::bucket::StoredBackup;
use crate::model::{Category, causes};

/// The lines of a sound index.
async fn lines(backup: &StoredBackup) -> Vec<IndexLine> {
    backup.index().await.unwrap().try_collect().await.unwrap()
}

fn encode(lines: &[IndexLine]) -> Bytes {
    let mut encoder = IndexEncoder::new(&sample::header()).unwrap();
    for line in &lines[1..] {
        encoder.line(line).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_index_that_names_a_path_twice_is_not_committed() {
    let (store, bucket) = bucket();
    let mut lines = lines(&sample::write(&bucket, "sound", Some("2.0.0\n")).await).await;
    let (first, end) = (lines[2].clone(), lines.len() - 2);
    lines.insert(end, first.clone());
    let IndexLine::Item(item) = first else { panic!("{first:?}") };
    let (bad, attempt) = (encode(&lines), bucket.claim_backup(&name(), &claim("run")).await.unwrap());
    let put = attempt.put(Part::Index, bad.clone()).await.unwrap_err();
    let mut upload = attempt.upload(Part::Index).await.unwrap();
    let uploaded = async {
        for piece in bad.chunks(100) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        upload.finish().await
    };
    for error in [put, uploaded.await.unwrap_err()] {
        assert!(matches!(&error, BucketError::Unproven { .. }), "{error}");
        let text = causes(&error);
        let index = attempt.parts().index().as_str();
        assert!(text.contains(index) && text.contains(&item.path) && text.contains("fault of Ark"), "{text}");
        assert!(!error.is_retryable());
    }
    assert!(!store.keys().contains(&attempt.parts().index().to_string()), "nothing of it is there");
}

#[tokio::test]
async fn every_part_is_read_before_it_is_written() {
    let (store, bucket) = bucket();
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let results = documents::encode_compressed(&Results::default()).unwrap();
    let whole = sample::empty_index();
    for (part, body) in [
        (Part::Index, whole.slice(..whole.len() - 1)),
        (Part::Results, results.slice(..results.len() - 1)),
        (Part::Results, documents::encode_compressed(&vec![1]).unwrap()),
        (Part::Log, Bytes::from_static(b"no zstd")),
    ] {
        let error = attempt.put(part, body).await.unwrap_err();
        assert!(matches!(error, BucketError::Unproven { .. }), "{part:?}: {error}");
    }
    let mut upload = attempt.upload(Part::Index).await.unwrap();
    upload.write(whole.slice(..whole.len() - 1)).await.unwrap();
    let error = upload.finish().await.unwrap_err();
    let text = causes(&error);
    assert!(text.contains("is cut off"), "{text}");
    assert_eq!(store.keys(), ["backups/nightly/claim.json"]);
    assert_eq!(store.unfinished(), Vec::<String>::new());
}

#[tokio::test]
async fn an_index_that_says_of_a_body_what_it_is_not_is_found() {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let mut lines = lines(&backup).await;
    let lied = lines.iter_mut().filter_map(|line| match line {
        IndexLine::Item(item) => Some(item),
        _ => None,
    });
    let mut paths = Vec::new();
    for (item, change) in lied.zip(0..7) {
        match change {
            0 => item.uid.push('x'),
            1 => item.resource_version.push('1'),
            2 => item.hash ^= 1,
            3 => drop(item.labels.insert("app".to_owned(), "web".to_owned())),
            4 => item.owner = Some("x".to_owned()),
            5 => item.rollout = Some(1),
            _ => continue,
        }
        paths.push(item.path.clone());
    }
    let index = encode(&lines);
    store.insert(backup.parts().index().as_str(), index.clone());
    let mut document = backup.document().clone();
    let object = &mut document.status.as_mut().unwrap().objects[1];
    (object.size, object.sha256) =
        (index.len() as u64, documents::hex(&<sha2::Sha256 as sha2::Digest>::digest(&index)));
    store.insert("backups/nightly/ark-backup.json", serde_json::to_vec(&document).unwrap());
    let report = bucket.verify(&name(), sample::describe, &|_| {}).await.unwrap();
    assert_eq!(report.problems.len(), paths.len(), "{:?}", report.problems);
    for ((problem, path), key) in report.problems.iter().zip(paths).zip(["u", "v", "h", "l", "w", "r"]) {
        let text = problem.to_string();
        assert!(text.contains(&path) && text.contains(&format!("(keys {key})")), "{text}");
    }
}

/// A backup behind a store whose connections break by script.
async fn behind_faults() -> (Faults, Bucket, StoredBackup, Vec<IndexFrame>) {
    let (store, bucket) = bucket();
    sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let faults = Faults::new(store);
    let bucket = Bucket::new(Arc::new(faults.clone()));
    let backup = bucket.open_backup(&name()).await.unwrap();
    let frames = sample::index(&backup).await.1;
    // Every third frame, so that there are several requests.
    let apart = frames.into_iter().filter(|line| line.frame % 3 == 0).collect();
    (faults, bucket, backup, apart)
}

/// Reads all frames, pausing after each, and counts the requests.
async fn read_frames(
    faults: &Faults,
    backup: &StoredBackup,
    frames: &[IndexFrame],
    pause: Duration,
) -> usize {
    let before = faults.count(Operation::Get);
    let mut reader = backup.frames(frames.to_vec()).unwrap();
    let mut numbers = Vec::new();
    while let Some((number, frame)) = reader.next().await.unwrap() {
        frame.unwrap();
        numbers.push(number);
        tokio::time::sleep(pause).await;
    }
    assert_eq!(numbers, frames.iter().map(|line| line.frame).collect::<Vec<_>>());
    faults.count(Operation::Get) - before
}

#[tokio::test(start_paused = true)]
async fn frames_come_although_connections_break() {
    let (faults, _, backup, frames) = behind_faults().await;
    let requests = read_frames(&faults, &backup, &frames, Duration::ZERO).await;
    assert!(requests > 2, "{requests}");
    for (nth, fault) in
        [(1, Fault::Cut(50)), (3, Fault::Unreachable), (4, Fault::Cut(0)), (6, Fault::Unavailable)]
    {
        faults.script(Operation::Get, nth, fault);
    }
    assert_eq!(read_frames(&faults, &backup, &frames, Duration::ZERO).await, requests + 4);
}

#[tokio::test(start_paused = true)]
async fn a_slow_restore_does_not_let_its_connections_lie() {
    let (faults, _, backup, frames) = behind_faults().await;
    let requests = read_frames(&faults, &backup, &frames, Duration::ZERO).await;
    faults.script_always(Operation::Get, Fault::Idle(Duration::from_secs(1)));
    let slow = read_frames(&faults, &backup, &frames, Duration::from_secs(30)).await;
    assert_eq!(slow, requests, "no connection was closed under it");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_no_damage() {
    let (faults, bucket, ..) = behind_faults().await;
    let verify = async || bucket.verify(&name(), sample::describe, &|_| {}).await;
    let before = faults.count(Operation::Get);
    let sound = verify().await.unwrap();
    let gets = faults.count(Operation::Get) - before;
    for nth in 1..=gets {
        faults.script(Operation::Get, nth, Fault::Cut(50));
        assert_eq!(verify().await.unwrap(), sound, "the break of body {nth} is not seen");
        faults.heal();
    }
    faults.script_always(Operation::Get, Fault::Cut(2000));
    let error = verify().await.unwrap_err();
    assert_eq!(error.category(), Category::Unavailable);
    assert!(error.is_unreachable() && error.is_retryable(), "{error}");
    faults.heal();
    assert!(verify().await.unwrap().is_sound());
}
