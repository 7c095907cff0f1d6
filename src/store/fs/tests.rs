//! Tests of what the folder store promises beyond the conformance suite.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::super::read_all;
use super::*;

async fn open(path: &std::path::Path, create_bucket: bool) -> Result<FileStore, StoreError> {
    FileStore::open(&DirectoryLocation { path: path.to_owned(), create_bucket }).await
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).unwrap()
}

#[tokio::test]
async fn a_missing_folder_is_named_and_only_made_when_asked_for() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("not/there");
    let error = open(&path, false).await.unwrap_err();
    assert!(matches!(error, StoreError::BucketMissing { .. }), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(error.to_string().contains("createBucket=true"), "{error}");
    assert!(!path.exists());
    open(&path, true).await.unwrap();
    assert!(path.is_dir());
}

#[tokio::test]
async fn a_file_in_place_of_the_folder_is_an_error() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("file");
    fs::write(&path, "x").unwrap();
    for create in [false, true] {
        let error = open(&path, create).await.unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_vanishes_is_told_from_an_absent_object() {
    let outer = tempfile::tempdir().unwrap();
    let store = open(&outer.path().join("bucket"), true).await.unwrap();
    fs::remove_dir(outer.path().join("bucket")).unwrap();
    let put = store.put(&key("a/b"), Bytes::new(), PutMode::Create).await.unwrap_err();
    let get = store.get(&key("a/b"), None).await.map(|_| ()).unwrap_err();
    let list = store.list("", false, None).await.unwrap_err();
    for error in [put, get, list] {
        assert!(matches!(error, StoreError::BucketMissing { .. }), "{error}");
    }
    assert!(!outer.path().join("bucket").exists(), "a vanished bucket is not made anew");
}

#[tokio::test]
async fn symbolic_links_lead_nowhere() {
    let outer = tempfile::tempdir().unwrap();
    let (inside, outside) = (outer.path().join("bucket"), outer.path().join("outside"));
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let store = open(&inside, true).await.unwrap();
    symlink(&outside, inside.join("link")).unwrap();
    symlink(outside.join("secret"), inside.join("leaf")).unwrap();
    for name in ["link/secret", "leaf"] {
        let error = read_all(&store, &key(name), 9).await.unwrap_err();
        assert!(matches!(error, StoreError::Obstructed { .. }), "{error}");
        assert!(store.delete(&[key(name)]).await.is_err());
    }
    let error = store.put(&key("link/new"), Bytes::new(), PutMode::Overwrite).await.unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert!(store.upload(&key("link/new")).await.is_err());
    // The link itself is replaced, not followed.
    store.put(&key("leaf"), Bytes::from_static(b"ours"), PutMode::Overwrite).await.unwrap();
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    let listing = store.list("", false, None).await.unwrap();
    assert_eq!(listing.objects.len(), 1);
    assert!(store.list("link/", false, None).await.unwrap().objects.is_empty());
}

#[tokio::test]
async fn unfinished_files_are_not_listed_and_go_with_their_upload() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap();
    let mut upload = store.upload(&key("a/b")).await.unwrap();
    upload.write(Bytes::from_static(b"x")).await.unwrap();
    let files = || fs::read_dir(folder.path().join("a")).unwrap().count();
    assert_eq!(files(), 1);
    let listing = store.list("", true, None).await.unwrap();
    assert!(listing.objects.is_empty() && listing.prefixes.is_empty(), "{listing:?}");
    drop(upload);
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn an_object_that_is_a_folder_here_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap();
    store.put(&key("a/b"), Bytes::new(), PutMode::Create).await.unwrap();
    for (name, mode) in [("a", PutMode::Create), ("a", PutMode::Overwrite), ("a/b/c", PutMode::Create)] {
        let error = store.put(&key(name), Bytes::new(), mode).await.unwrap_err();
        assert!(matches!(error, StoreError::Obstructed { .. }), "{error}");
    }
    assert_eq!(store.list("", false, None).await.unwrap().objects.len(), 1);
}

#[tokio::test]
async fn what_is_written_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap();
    store.put(&key("a"), Bytes::new(), PutMode::Create).await.unwrap();
    let mode = fs::metadata(folder.path().join("a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    use futures::TryStreamExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap();
    store.put(&key("a"), Bytes::from(vec![1; 3 * CHUNK as usize]), PutMode::Create).await.unwrap();
    let mut body = store.get(&key("a"), None).await.unwrap();
    assert!(body.try_next().await.unwrap().is_some());
    fs::OpenOptions::new().write(true).open(folder.path().join("a")).unwrap().set_len(CHUNK + 1).unwrap();
    let rest = body.try_collect::<Vec<_>>().await;
    let (received, expected) = (CHUNK + 1, 3 * CHUNK);
    assert!(
        matches!(rest, Err(StoreError::Truncated { received: r, expected: e, .. }) if r == received && e == expected)
    );
}

#[test]
fn system_errors_say_what_to_do() {
    let action = Action { operation: Operation::Put, target: "/bucket/a".into() };
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::open(&action, folder.path(), false).unwrap();
    let explain = |number| folder.explain_key(&action, &key("a"), io::Error::from_raw_os_error(number));
    let (full, quota, read_only, forbidden) = (explain(28), explain(122), explain(30), explain(13));
    assert!(matches!(full, StoreError::Full { .. }) && full.to_string().contains("free some space"));
    assert!(matches!(quota, StoreError::Full { .. }));
    assert!(matches!(read_only, StoreError::ReadOnly { .. }));
    assert!(
        matches!(forbidden, StoreError::Forbidden { .. }) && forbidden.to_string().contains("owner and mode")
    );
}

/// Returns the keys of all pages of a listing, and how many folders were read for them.
async fn list_all(store: &FileStore, prefix: &str, delimiter: bool) -> (Vec<String>, u64) {
    let reads = || store.folder.reads.load(std::sync::atomic::Ordering::Relaxed);
    let (before, mut keys, mut page) = (reads(), Vec::new(), None);
    loop {
        let listing = store.list(prefix, delimiter, page).await.unwrap();
        keys.extend(listing.objects.iter().map(|object| object.key.to_string()));
        keys.extend(listing.prefixes);
        page = listing.next;
        if page.is_none() {
            return (keys, reads() - before);
        }
    }
}

#[tokio::test]
async fn a_listing_reads_each_folder_once_however_many_pages_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap().with_page_size(3);
    for run in 0..20 {
        for part in ["claim.json", "index", "log"] {
            let path = folder.path().join(format!("backups/run-{run:02}"));
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(part), "x").unwrap();
        }
    }
    fs::create_dir_all(folder.path().join("backups/strangers")).unwrap();
    for number in 0..200 {
        fs::write(folder.path().join(format!("backups/strangers/{number:03}")), "x").unwrap();
    }
    let (keys, reads) = list_all(&store, "backups/", false).await;
    assert_eq!((keys.len(), reads), (260, 22), "backups, its twenty runs, and the strangers");
    assert!(keys.is_sorted());
    let (prefixes, reads) = list_all(&store, "backups/", true).await;
    assert_eq!((prefixes.len(), reads), (21, 22), "each is looked into for its first object");
    let (keys, reads) = list_all(&store, "backups/run-07/", false).await;
    assert_eq!((keys.len(), reads), (3, 1));
}

#[tokio::test]
async fn a_page_whose_walk_waits_no_longer_goes_on_behind_its_last_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap().with_page_size(2);
    for name in ["a/1", "a/2", "a/3", "b/1", "c"] {
        store.put(&key(name), Bytes::new(), PutMode::Create).await.unwrap();
    }
    let page = store.list("", false, None).await.unwrap();
    assert_eq!(page.objects.len(), 2);
    let other = open(folder.path(), false).await.unwrap();
    let rest = other.list("", false, page.next).await.unwrap();
    let keys: Vec<&str> = rest.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!((keys, rest.next), (vec!["a/3", "b/1", "c"], None));
}

#[tokio::test]
async fn listings_that_were_given_up_hold_no_more_than_a_few_walks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap().with_page_size(1);
    for name in ["a", "b"] {
        store.put(&key(name), Bytes::new(), PutMode::Create).await.unwrap();
    }
    for _ in 0..50 {
        store.list("", false, None).await.unwrap();
    }
    let (keys, _) = list_all(&store, "", false).await;
    assert_eq!(keys, ["a", "b"]);
    assert!(store.walks.count() <= 8);
}

#[tokio::test]
async fn a_name_that_no_file_system_takes_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false).await.unwrap();
    let long = key(&format!("backups/{}.tar.zst", "n".repeat(253)));
    let error = store.upload(&long).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("longer than 255 bytes"), "{error}");
    assert!(store.head(&long).await.unwrap_err().is_not_found());
    store.delete(std::slice::from_ref(&long)).await.unwrap();
    let longest = key(&format!("backups/{}", "n".repeat(255)));
    store.put(&longest, Bytes::from_static(b"x"), PutMode::Create).await.unwrap();
    assert_eq!(list_all(&store, "", false).await.0, [longest.to_string()]);
}
