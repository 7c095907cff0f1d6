//! The conformance suite, over every store and every wrapper.

use tempfile::TempDir;

use super::*;
use crate::store::location::DirectoryLocation;
use crate::store::{Fault, Faults, FileStore, Gate, Gated, Location, Meter, Operation, S3Store};

/// A page size at which the listings of the checks take several pages.
const SHORT_PAGE: u16 = 3;

/// Returns a store in a folder that is removed with the first value.
pub(in crate::store) async fn folder_store() -> (TempDir, Arc<dyn ObjectStore>) {
    let folder = tempfile::tempdir().unwrap();
    let location = DirectoryLocation { path: folder.path().to_owned(), create_bucket: false };
    let store = FileStore::open(&location).await.unwrap().with_page_size(SHORT_PAGE);
    (folder, Arc::new(store))
}

/// Returns a store in the lab's S3 service, in a bucket that is created.
async fn s3_store() -> Arc<dyn ObjectStore> {
    let endpoint = std::env::var("ARK_LAB_S3_ENDPOINT").expect("ARK_LAB_S3_ENDPOINT is set");
    let url = format!("s3://ark-conformance/some/prefix?endpoint={endpoint}&createBucket=true");
    let Location::S3(location) = Location::from_url(&url).unwrap() else { panic!("{url}") };
    Arc::new(S3Store::open(&location).await.unwrap().with_page_size(SHORT_PAGE))
}

async fn check(store: Arc<dyn ObjectStore>) {
    conformance(store).await.unwrap();
}

#[tokio::test]
async fn a_folder_keeps_the_promises() {
    let (folder, store) = folder_store().await;
    check(store).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left over");
}

#[tokio::test]
async fn the_wrappers_keep_the_promises() {
    let (_folder, store) = folder_store().await;
    check(Arc::new(Meter::new(Arc::clone(&store)))).await;
    check(Arc::new(Gated::new(Arc::clone(&store), Gate::default()))).await;
    check(Arc::new(Faults::new(store))).await;
}

#[tokio::test]
async fn a_store_that_loses_an_answer_is_found_out() {
    let (_folder, store) = folder_store().await;
    let faults = Faults::new(store);
    faults.script(Operation::UploadFinish, 2, Fault::AnswerLost);
    let violation = conformance(Arc::new(faults)).await.unwrap_err();
    assert_eq!(violation.promise, "an upload finishes");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_s3_service_keeps_the_promises() {
    check(s3_store().await).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_wrappers_keep_the_promises_over_an_s3_service() {
    let store = s3_store().await;
    check(Arc::new(Meter::new(Arc::clone(&store)))).await;
    check(Arc::new(Faults::new(store))).await;
}
