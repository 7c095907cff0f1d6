//! A tarball without its other parts becomes a backup again, or nothing changes.

use std::path::Path;

use super::memory::Death;
use super::*;
use crate::bucket::{ADOPTED, Adoption, RunState};

fn adoption(path: &Path) -> Adoption {
    Adoption { path: path.to_owned(), name: None, holder: "host/1".into(), describe: sample::describe }
}

/// The tarball of a backup as a file on a disk.
async fn lone(version: Option<&str>) -> (tempfile::TempDir, std::path::PathBuf, Bytes, Vec<String>) {
    let (store, bucket) = bucket();
    let backup = sample::write(&bucket, "nightly", version).await;
    let paths = sample::index(&backup).await.0.into_iter().map(|item| item.path).collect();
    let bytes = store.body(&store.key("/nightly.tar.zst"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lone.tar.zst");
    std::fs::write(&path, &bytes).unwrap();
    (folder, path, bytes, paths)
}

#[tokio::test]
async fn an_adopted_tarball_is_a_backup_like_any_other() {
    let (_folder, path, bytes, paths) = lone(Some("2.0.0\n")).await;
    let (store, bucket) = bucket();
    let adopted = bucket.adopt(&adoption(&path)).await.unwrap();
    assert!(adopted.metadata.annotations.unwrap().contains_key(ADOPTED));
    assert_eq!(store.body(&store.key("/nightly.tar.zst")), bytes);
    assert_eq!(list(&bucket).await[0].state, RunState::Complete);
    let backup = bucket.open_backup(&name()).await.unwrap();
    let (items, frames) = sample::index(&backup).await;
    assert_eq!(items.iter().map(|item| item.path.clone()).collect::<Vec<_>>(), paths);
    assert_eq!(frames.last().map(|line| line.at + line.len), Some(bytes.len() as u64));
    assert_eq!(backup.results().await.unwrap().warnings, 1);
    let report = bucket.verify(&name(), sample::describe, &|_| {}).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.items as usize, paths.len());

    let error = bucket.adopt(&adoption(&path)).await.unwrap_err();
    assert!(error.is_name_taken(), "{error}");
    let renamed = Adoption { name: Some("other".parse().unwrap()), ..adoption(&path) };
    assert_eq!(bucket.adopt(&renamed).await.unwrap().metadata.name.as_deref(), Some("other"));
    assert_eq!(list(&bucket).await.len(), 2);
}

#[tokio::test]
async fn a_tarball_that_is_damaged_or_none_of_ours_changes_nothing() {
    let (store, bucket) = bucket();
    let (_folder, path, bytes, _) = lone(Some("2.0.0\n")).await;
    let mut flipped = bytes.to_vec();
    flipped[bytes.len() / 2] ^= 1;
    for wrong in [Vec::new(), b"PK".to_vec(), bytes[..bytes.len() / 2].to_vec(), flipped] {
        std::fs::write(&path, wrong).unwrap();
        let error = bucket.adopt(&adoption(&path)).await.unwrap_err();
        let text = crate::model::causes(&error);
        assert!(text.starts_with(&format!("cannot adopt {}: it is damaged", path.display())), "{text}");
    }
    for (version, told) in [(None, "says no format"), (Some("1.1.0\n"), "says format `1.1.0`")] {
        let (_folder, path, ..) = lone(version).await;
        let error = bucket.adopt(&adoption(&path)).await.unwrap_err();
        let text = crate::model::causes(&error);
        assert!(text.contains(told), "{text}");
    }
    let missing = bucket.adopt(&adoption(Path::new("missing.tar.zst"))).await.unwrap_err();
    assert!(matches!(missing, BucketError::File { .. }), "{missing}");
    assert!(store.keys().is_empty());
}

#[tokio::test]
async fn an_adoption_that_fails_on_the_way_leaves_nothing() {
    let (_folder, path, ..) = lone(Some("2.0.0\n")).await;
    for act in 1..=5 {
        let (store, bucket) = bucket();
        // The write is done and its answer is lost; later calls work, so that the clean-up can be
        // observed.
        store.die_at(act, Death::LostAnswer);
        match bucket.adopt(&adoption(&path)).await {
            Ok(_) => assert_eq!(act, 5, "only the commit is sent again"),
            Err(_) => assert_eq!(store.keys(), Vec::<String>::new(), "act {act}"),
        }
    }
}
