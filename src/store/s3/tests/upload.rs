//! Tests of uploads that fail half-way.

use super::super::upload;
use super::*;

const STARTED: &str =
    "<InitiateMultipartUploadResult><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>";
const COMPLETED: &str = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";

fn started() -> Scripted {
    ("200 OK", STARTED.into())
}

fn taken() -> Scripted {
    ("200 OK\r\netag: \"part\"", String::new())
}

fn refused() -> Scripted {
    fault("507 Insufficient Storage", "XMinioStorageFull", "no")
}

/// Returns method and query of each request.
fn asked(service: &FakeService) -> Vec<String> {
    let requests = service.requests.lock().unwrap();
    let line = |request: &String| {
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        format!("{method} {}", path.split_once('?').map_or("", |(_, query)| query))
    };
    requests.iter().map(line).collect()
}

fn parts(number: usize) -> Bytes {
    Bytes::from(vec![0; number * upload::PART])
}

#[tokio::test]
async fn a_small_object_is_one_put_of_all_its_chunks() {
    let service = serve(vec![("200 OK", String::new())]);
    let (_folder, store) = open(&service.endpoint).await;
    let mut upload = store.upload(&key()).await.unwrap();
    for chunk in ["12345", "", "6789"] {
        upload.write(Bytes::from(chunk)).await.unwrap();
    }
    assert!(asked(&service).is_empty(), "nothing is sent before the end");
    upload.finish().await.unwrap();
    let request = service.requests.lock().unwrap()[0].clone();
    assert!(request.contains("content-length: 9") && request.contains("4waSgw=="), "{request}");
}

#[tokio::test]
async fn an_upload_that_fails_half_way_says_why_and_is_removed_by_abort() {
    let mut answers = vec![started(), taken(), refused()];
    answers.push(("204 No Content", String::new()));
    let service = serve(answers);
    let (_folder, store) = open(&service.endpoint).await;
    let mut upload = store.upload(&key()).await.unwrap();
    let error = match upload.write(parts(3)).await {
        Err(error) => error,
        Ok(()) => panic!("the third part waits for the refused second one"),
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.to_string().starts_with("writing s3://bucket/prefix/key: the store is full"), "{error}");
    upload.abort().await;
    let asked = asked(&service);
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked[3].starts_with("DELETE") && asked[3].contains("uploadId=upload-1"), "{asked:?}");
}

#[tokio::test]
async fn a_refused_last_part_fails_the_finish_and_completes_nothing() {
    let service = serve(vec![started(), taken(), refused(), ("204 No Content", String::new())]);
    let (_folder, store) = open(&service.endpoint).await;
    let mut upload = store.upload(&key()).await.unwrap();
    upload.write(parts(1)).await.unwrap();
    upload.write(Bytes::from_static(b"rest")).await.unwrap();
    let error = upload.finish().await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    // The upload was dropped in finish, which removes the parts in the background: wait for that
    // request.
    let removed = async {
        while asked(&service).len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), removed).await.unwrap();
    let asked = asked(&service);
    assert!(asked[3].starts_with("DELETE"), "{asked:?}");
    assert!(!asked.iter().any(|request| request.starts_with("POST uploadId")), "{asked:?}");
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_recognised_by_the_object() {
    let gone = || fault("404 Not Found", "NoSuchUpload", "no");
    let busy = || fault("500 Internal Server Error", "InternalError", "no");
    let found = |size: &'static str| (size, String::new());
    for (head, whole) in [("200 OK\r\ncontent-length: 5242880", true), ("200 OK\r\ncontent-length: 5", false)]
    {
        let service = serve(vec![started(), taken(), busy(), gone(), found(head)]);
        let (_folder, store) = open(&service.endpoint).await;
        let mut upload = store.upload(&key()).await.unwrap();
        upload.write(parts(1)).await.unwrap();
        let finished = upload.finish().await;
        assert_eq!(finished.is_ok(), whole, "{finished:?}");
    }
}

#[tokio::test]
async fn encryption_is_asked_for_with_every_object() {
    for (setting, header) in [
        ("serverSideEncryption=AES256", "x-amz-server-side-encryption: AES256"),
        ("kmsKeyId=alias/ark", "x-amz-server-side-encryption-aws-kms-key-id: alias/ark"),
    ] {
        let (found, ok) = (("404 Not Found", String::new()), || ("200 OK", String::new()));
        let completed = ("200 OK", COMPLETED.to_owned());
        let service = serve(vec![ok(), found, ok(), ok(), started(), taken(), completed]);
        let (folder, store) = open_with(&service.endpoint, setting).await;
        store.put(&key(), Bytes::new(), PutMode::Overwrite).await.unwrap();
        store.put(&key(), Bytes::new(), PutMode::Create).await.unwrap();
        let mut upload = store.upload(&key()).await.unwrap();
        upload.write(parts(1)).await.unwrap();
        upload.finish().await.unwrap();
        drop(folder);
        let requests = service.requests.lock().unwrap();
        // Overwrite, the two writes of the create, the start of the upload; parts inherit it.
        let encrypted: Vec<_> = (0..requests.len()).filter(|at| requests[*at].contains(header)).collect();
        assert_eq!(encrypted, [0, 2, 3, 4], "{requests:?}");
    }
}
