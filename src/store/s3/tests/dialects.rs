//! Tests against services that support less than Amazon's, or are no S3 service.

use super::*;

fn refusal() -> Scripted {
    let message = "Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call.";
    fault("400 Bad Request", "InvalidArgument", message)
}

fn ok() -> Scripted {
    ("200 OK", String::new())
}

#[tokio::test]
async fn a_service_that_refuses_checksum_headers_gets_none_from_the_first_write_on() {
    let exists = fault("412 Precondition Failed", "PreconditionFailed", "no");
    let absent = ("404 Not Found", String::new());
    let service = serve(vec![absent, refusal(), ok(), exists, ok()]);
    let (_folder, store) = open(&service.endpoint).await;
    assert_eq!(store.checksums(), None);
    store.put(&key(), Bytes::from_static(b"x"), PutMode::Create).await.unwrap();
    assert_eq!(store.checksums(), Some(false));
    store.put(&key(), Bytes::from_static(b"x"), PutMode::Overwrite).await.unwrap();
    let requests = service.requests.lock().unwrap();
    let bears: Vec<bool> = requests.iter().map(|request| request.contains("checksum")).collect();
    assert_eq!(bears, [false, true, false, false, false], "{requests:?}");
    assert!(requests[2].contains("if-none-match: *"), "the condition stays");
}

#[tokio::test]
async fn parts_follow_the_upload_that_was_begun_without_checksums() {
    let started = || {
        let body = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
        ("200 OK", body.to_owned())
    };
    let completed = (
        "200 OK",
        "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>".to_owned(),
    );
    let service = serve(vec![refusal(), started(), ("200 OK\r\netag: \"part\"", String::new()), completed]);
    let (_folder, store) = open(&service.endpoint).await;
    let mut upload = store.upload(&key()).await.unwrap();
    upload.write(Bytes::from(vec![0; super::super::upload::PART])).await.unwrap();
    upload.finish().await.unwrap();
    let requests = service.requests.lock().unwrap();
    let bears: Vec<bool> = requests.iter().map(|request| request.contains("checksum")).collect();
    assert_eq!(bears, [true, false, false, false], "{requests:?}");
}

#[tokio::test]
async fn another_refusal_leaves_the_checksums_where_they_are() {
    let wrong = || fault("400 Bad Request", "InvalidArgument", "no");
    let service = serve(vec![wrong(), wrong(), ok()]);
    let (_folder, store) = open(&service.endpoint).await;
    let put = async || store.put(&key(), Bytes::from_static(b"x"), PutMode::Overwrite).await;
    put().await.unwrap_err();
    assert_eq!(store.checksums(), None);
    put().await.unwrap();
    assert_eq!(store.checksums(), Some(true));
    assert!(service.requests.lock().unwrap()[2].contains("checksum"));
}

#[tokio::test]
async fn a_location_says_beforehand_whether_there_are_checksums() {
    let service = serve(vec![ok()]);
    let (_folder, store) = open_with(&service.endpoint, "checksums=WhenRequired").await;
    store.put(&key(), Bytes::from_static(b"x"), PutMode::Overwrite).await.unwrap();
    assert!(!service.requests.lock().unwrap()[0].contains("checksum"));
    let service = serve(vec![refusal()]);
    let (_folder, store) = open_with(&service.endpoint, "checksums=WhenSupported").await;
    let error = store.put(&key(), Bytes::from_static(b"x"), PutMode::Overwrite).await.unwrap_err();
    assert!(error.to_string().contains("set checksums=WhenRequired"), "{error}");
}

#[tokio::test]
async fn a_signed_url_is_for_the_address_at_which_people_reach_the_service() {
    let (_folder, store) = open_with("http://minio.internal:9000", "publicUrl=https://s3.example").await;
    let url = store.presign(&key(), Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(url.starts_with("https://s3.example/bucket/prefix/key?"), "{url}");
    let (_folder, store) = open("http://minio.internal:9000").await;
    let url = store.presign(&key(), Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(url.starts_with("http://minio.internal:9000/bucket/prefix/key?"), "{url}");
}

#[tokio::test]
async fn what_is_no_s3_service_is_told_as_such() {
    let page = || ("404 Not Found", "<html>nothing here</html>".to_owned());
    let service = serve(vec![page()]);
    let (_folder, store) = open(&service.endpoint).await;
    let error = store.put(&key(), Bytes::new(), PutMode::Overwrite).await.unwrap_err();
    assert!(error.to_string().contains("is no S3 service"), "{error}");
    let service = serve(vec![("200 OK", "<!doctype html><p>welcome".to_owned())]);
    let (_folder, store) = open(&service.endpoint).await;
    let error = store.list("", false, None).await.unwrap_err();
    assert!(error.to_string().contains("is no S3 service"), "{error:?}");
}

#[tokio::test]
async fn http_and_https_that_were_mixed_up_are_told_apart() {
    let service =
        serve(vec![("400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n".to_owned())]);
    let (_folder, store) = open(&service.endpoint).await;
    let error = store.list("", false, None).await.unwrap_err();
    assert!(error.to_string().contains("speaks https"), "{error:?}");
    let plain = (0..client::ATTEMPTS).map(|_| ok()).collect();
    let service = serve(plain);
    let (_folder, store) = open(&service.endpoint.replace("http://", "https://")).await;
    let error = store.list("", false, None).await.unwrap_err();
    assert!(error.to_string().contains("does not speak https"), "{error:?}");
}

/// Returns a page that lists these keys.
fn page(keys: &[&str]) -> Scripted {
    let objects: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    ("200 OK", format!("<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"))
}

#[tokio::test]
async fn who_may_list_only_below_the_prefix_learns_from_a_listing_what_is_not_there() {
    let denied = || fault("403 Forbidden", "AccessDenied", "Access Denied");
    let silent = || ("403 Forbidden", String::new());
    let service = serve(vec![denied(), page(&[]), silent(), page(&["prefix/key-of-another"])]);
    let (_folder, store) = open(&service.endpoint).await;
    let absent = read_all(&store, &key(), 100).await.unwrap_err();
    assert!(absent.is_not_found(), "{absent:?}");
    let absent = store.head(&key()).await.unwrap_err();
    assert!(absent.is_not_found(), "{absent:?}");
    assert!(service.requests.lock().unwrap()[1].contains("prefix=prefix%2Fkey"));
}

#[tokio::test]
async fn what_is_there_and_may_not_be_read_is_forbidden() {
    let denied = || fault("403 Forbidden", "AccessDenied", "Access Denied");
    for listing in [page(&["prefix/key"]), denied()] {
        let service = serve(vec![denied(), listing]);
        let (_folder, store) = open(&service.endpoint).await;
        let refused = read_all(&store, &key(), 100).await.unwrap_err();
        assert!(matches!(refused, StoreError::Forbidden { .. }), "{refused:?}");
    }
    // A failure of the credentials themselves is not looked up in a listing.
    let service = serve(vec![fault("403 Forbidden", "InvalidAccessKeyId", "no"), page(&[])]);
    let (_folder, store) = open(&service.endpoint).await;
    read_all(&store, &key(), 100).await.unwrap_err();
    assert_eq!(service.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_name_of_a_request_is_told_to_people_and_kept_out_of_what_lasts() {
    let denied = |head| fault(head, "AccessDenied", "no");
    let service = serve(vec![
        denied("403 Forbidden\r\nx-amz-request-id: ONE"),
        denied("403 Forbidden\r\nx-amz-request-id: TWO"),
    ]);
    let (_folder, store) = open(&service.endpoint).await;
    let mut errors = Vec::new();
    for _ in 0..2 {
        errors.push(store.delete(&[key()]).await.unwrap_err());
    }
    assert!(crate::model::causes(&errors[0]).contains("AccessDenied: no: request ONE; what Ark needs"));
    assert_eq!(crate::model::lasting(&errors[0]), crate::model::lasting(&errors[1]));
}
