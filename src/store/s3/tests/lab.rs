//! Tests that need a real service; `hack/test.sh` starts one.

use std::net::TcpStream;
use std::time::Duration;

use super::*;

fn lab(bucket: &str, settings: &str) -> S3Location {
    let endpoint = std::env::var("ARK_LAB_S3_ENDPOINT").expect("ARK_LAB_S3_ENDPOINT is set");
    parse(&format!("s3://{bucket}/prefix?endpoint={endpoint}{settings}"))
}

async fn lab_store() -> S3Store {
    S3Store::open(&lab("ark-store-tests", "&createBucket=true")).await.unwrap()
}

fn unique() -> ObjectKey {
    ObjectKey::new(uuid::Uuid::new_v4().to_string()).unwrap()
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_real_service_without_the_bucket_is_explained() {
    let store = S3Store::open(&lab("ark-no-such-bucket", "")).await.unwrap();
    let put = store.put(&key(), Bytes::new(), PutMode::Overwrite).await.unwrap_err();
    let get = store.get(&key(), None).await.map(|_| ()).unwrap_err();
    let list = store.list("", false, None).await.unwrap_err();
    let mut upload = store.upload(&key()).await.unwrap();
    let write = upload.write(Bytes::from(vec![0; 9 << 20])).await.unwrap_err();
    for error in [put, get, list, write] {
        assert!(matches!(error, StoreError::BucketMissing { .. }), "{error:?}");
        assert!(error.to_string().contains("ark-no-such-bucket"), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_real_service_refuses_other_credentials_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let user = std::env::var("AWS_ACCESS_KEY_ID").expect("AWS_ACCESS_KEY_ID is set");
    for (name, user, hint) in
        [("user", "somebody", "does not know the access key"), ("key", &user, "does not fit")]
    {
        let file = folder.path().join(name);
        std::fs::write(
            &file,
            format!("[default]\naws_access_key_id={user}\naws_secret_access_key=hunter2hunter2\n"),
        )
        .unwrap();
        let location = lab("ark-store-tests", &format!("&credentialsFile={}", file.display()));
        let error = S3Store::open(&location).await.unwrap().list("", false, None).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Forbidden { .. }) && text.contains(hint), "{text}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn uploads_given_up_leave_no_parts_that_someone_pays_for() {
    let store = lab_store().await;
    for abort in [true, false] {
        let name = unique();
        let mut upload = store.upload(&name).await.unwrap();
        upload.write(Bytes::from(vec![0; 17 << 20])).await.unwrap();
        assert_eq!(unfinished(&store, &name).await, 1);
        if abort {
            upload.abort().await;
        } else {
            drop(upload);
            let cleaned = async { while unfinished(&store, &name).await > 0 {} };
            tokio::time::timeout(Duration::from_secs(30), cleaned).await.unwrap();
        }
        assert_eq!(unfinished(&store, &name).await, 0);
    }
}

async fn unfinished(store: &S3Store, key: &ObjectKey) -> usize {
    let service = &store.service;
    let request = service.client.list_multipart_uploads().bucket(&service.place.bucket);
    request.prefix(service.full_key(key)).send().await.unwrap().uploads().len()
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_signed_url_reads_the_object_without_credentials() {
    let store = lab_store().await;
    let name = unique();
    store.put(&name, Bytes::from_static(b"for everyone"), PutMode::Create).await.unwrap();
    let url = store.presign(&name, Duration::from_secs(60)).await.unwrap().unwrap();
    let url = url::Url::parse(&url).unwrap();
    let mut stream = TcpStream::connect(url.socket_addrs(|| Some(80)).unwrap()[0]).unwrap();
    let (path, query) = (url.path(), url.query().unwrap());
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    write!(stream, "GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("for everyone"), "{answer}");
    store.delete(&[name]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_service_verifies_what_it_is_sent() {
    let store = lab_store().await;
    let service = &store.service;
    let name = unique();
    let request = service.client.put_object().bucket(&service.place.bucket).key(service.full_key(&name));
    let refused = request.checksum_crc32_c("AAAAAA==").body(body(Bytes::from_static(b"other"))).send().await;
    let error = service.explain(Operation::Put, &name, &refused.unwrap_err());
    assert!(store.head(&name).await.unwrap_err().is_not_found());
    assert!(matches!(error, StoreError::Other { .. }), "{error:?}");
}
