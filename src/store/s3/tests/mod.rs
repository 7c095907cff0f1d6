//! Tests of the translation of answers, against a service of this process that answers by script;
//! no lab.

mod certificates;
mod credentials;
mod dialects;
mod lab;
mod replacing;
mod upload;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;

use aws_sdk_s3::error::SdkError;

use super::super::{Location, read_all};
use super::*;

/// Answers one request after the other with these texts and records the requests.
struct FakeService {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Status line and headers, then the body.
type Scripted = (&'static str, String);

fn serve(answers: Vec<Scripted>) -> FakeService {
    let (listener, address) = listen();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((stream, _)) = listener.accept() else { return };
            answer_one(stream, answer, &seen);
        }
    });
    FakeService { endpoint: format!("http://{address}"), requests }
}

fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn answer_one(stream: impl Read + Write, (head, body): Scripted, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
    let length = request.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut sent = vec![0; length.unwrap_or(0)];
    let _ = reader.read_exact(&mut sent);
    seen.lock().unwrap().push(request);
    let length = match head.contains("content-length") {
        true => String::new(),
        false => format!("content-length: {}\r\n", body.len()),
    };
    let answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\n{length}\r\n{body}");
    let _ = reader.get_mut().write_all(answer.as_bytes()).and_then(|()| reader.get_mut().flush());
}

fn fault(status: &'static str, code: &str, message: &str) -> Scripted {
    (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

/// Opens a store of that service. Its credentials come from a file, so that no test depends on the
/// environment.
async fn open(endpoint: &str) -> (tempfile::TempDir, S3Store) {
    open_with(endpoint, "createBucket=false").await
}

/// Opens a store with a further parameter.
async fn open_with(endpoint: &str, setting: &str) -> (tempfile::TempDir, S3Store) {
    let (folder, location) = location_with(endpoint, setting);
    let store = S3Store::open(&location).await.unwrap();
    (folder, store)
}

/// Returns the location of the service.
fn location(endpoint: &str) -> (tempfile::TempDir, S3Location) {
    location_with(endpoint, "createBucket=false")
}

fn location_with(endpoint: &str, setting: &str) -> (tempfile::TempDir, S3Location) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, "[default]\naws_access_key_id = AKID\naws_secret_access_key = hunter2\n").unwrap();
    let file = file.display();
    let location = parse(&format!(
        "s3://bucket/prefix?endpoint={endpoint}&region=eu-north-1&credentialsFile={file}&{setting}"
    ));
    (folder, location)
}

fn parse(url: &str) -> S3Location {
    let Location::S3(location) = Location::from_url(url).unwrap() else { panic!("{url}") };
    location
}

fn key() -> ObjectKey {
    ObjectKey::new("key").unwrap()
}

/// Returns the error of a read when the service gives this answer.
async fn read(answer: Scripted) -> StoreError {
    let service = serve(vec![answer]);
    let (_folder, store) = open(&service.endpoint).await;
    read_all(&store, &key(), 100).await.unwrap_err()
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    for (status, code, expected) in [
        ("403 Forbidden", "AccessDenied", "s3:PutObject"),
        ("403 Forbidden", "InvalidAccessKeyId", "does not know the access key"),
        ("403 Forbidden", "SignatureDoesNotMatch", "secret key does not fit"),
        ("400 Bad Request", "ExpiredToken", "expired"),
        ("403 Forbidden", "RequestTimeTooSkewed", "clock"),
    ] {
        let error = read(fault(status, code, "no")).await;
        assert!(matches!(error, StoreError::Forbidden { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("s3://bucket/prefix/key"), "{text}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_refusal_without_a_word_is_laid_to_the_clocks_when_they_differ() {
    for (minutes, expected) in [(0, "credentials"), (60, "differ by"), (-60, "differ by")] {
        let date = (chrono::Utc::now() + chrono::TimeDelta::minutes(minutes)).to_rfc2822();
        let status = Box::leak(format!("403 Forbidden\r\nDate: {date}").into_boxed_str());
        let service = serve(vec![(status, String::new())]);
        let (_folder, store) = open(&service.endpoint).await;
        let text = store.head(&key()).await.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_told_from_a_missing_object() {
    let error = read(fault("404 Not Found", "NoSuchBucket", "no")).await;
    assert!(matches!(error, StoreError::BucketMissing { .. }), "{error:?}");
    assert!(
        error.to_string().contains("bucket `bucket` does not exist; create it, or add createBucket=true")
    );
    assert!(read(fault("404 Not Found", "NoSuchKey", "no")).await.is_not_found());
}

#[tokio::test]
async fn a_wrong_region_names_the_right_one() {
    let body = String::new();
    let moved = ("301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1", body);
    let malformed = fault(
        "400 Bad Request",
        "AuthorizationHeaderMalformed",
        "the region 'x' is wrong; expecting 'eu-west-1'",
    );
    for answer in [moved, malformed] {
        let error = read(answer).await;
        assert!(matches!(error, StoreError::WrongRegion { .. }), "{error:?}");
        assert!(error.to_string().contains("not in region eu-north-1; set region=eu-west-1"), "{error}");
    }
}

#[tokio::test]
async fn a_full_service_is_full() {
    for (status, code) in
        [("507 Insufficient Storage", "XMinioStorageFull"), ("403 Forbidden", "QuotaExceeded")]
    {
        let error = read(fault(status, code, "no")).await;
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_overloaded_service_is_asked_again_and_then_given_up() {
    let busy = || fault("503 Slow Down", "SlowDown", "no");
    let service = serve(vec![busy(), ("200 OK", "body".into())]);
    let (_folder, store) = open(&service.endpoint).await;
    assert_eq!(read_all(&store, &key(), 9).await.unwrap(), "body");
    let service = serve((0..client::ATTEMPTS).map(|_| busy()).collect());
    let (_folder, store) = open(&service.endpoint).await;
    let error = read_all(&store, &key(), 9).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }) && error.is_retryable(), "{error:?}");
    assert_eq!(service.requests.lock().unwrap().len(), client::ATTEMPTS as usize);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    let (listener, address) = listen();
    let endpoint = format!("http://{address}");
    drop(listener);
    let (_folder, store) = open(&endpoint).await;
    let error = store.head(&key()).await.unwrap_err();
    let StoreError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains(&format!("cannot reach {endpoint}")), "{error}");
    assert!(source.to_string().contains("refused"), "{source}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error_and_not_an_end() {
    let service = serve(vec![("200 OK\r\ncontent-length: 50", "only this".into())]);
    let (_folder, store) = open(&service.endpoint).await;
    let body = store.get(&key(), None).await.unwrap();
    let error = body.try_collect::<Vec<_>>().await.unwrap_err();
    let StoreError::Truncated { received, expected, .. } = error else { panic!("{error:?}") };
    assert_eq!((received, expected), (9, 50));
}

#[tokio::test]
async fn a_service_that_ignores_ranges_is_found_out() {
    let service = serve(vec![("200 OK", "the whole object".into())]);
    let (_folder, store) = open(&service.endpoint).await;
    let error = store.get(&key(), Some(4..9)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Other { .. }), "{error:?}");
}

#[tokio::test]
async fn checksums_travel_as_headers_and_never_as_trailers() {
    let service = serve(vec![("200 OK", String::new())]);
    let (_folder, store) = open(&service.endpoint).await;
    store.put(&key(), Bytes::from_static(b"123456789"), PutMode::Overwrite).await.unwrap();
    let request = service.requests.lock().unwrap()[0].clone();
    // The check value of CRC-32C is 0xE3069283.
    assert!(request.contains("x-amz-checksum-crc32c: 4waSgw=="), "{request}");
    assert!(!request.contains("trailer") && !request.contains("aws-chunked"), "{request}");
}

#[tokio::test]
async fn a_service_without_conditional_writes_is_looked_at_first() {
    let not_found = || ("404 Not Found", String::new());
    let unknown = fault("501 Not Implemented", "NotImplemented", "no");
    let service =
        serve(vec![not_found(), unknown, not_found(), ("200 OK", String::new()), ("200 OK", String::new())]);
    let (_folder, store) = open(&service.endpoint).await;
    store.put(&key(), Bytes::from_static(b"x"), PutMode::Create).await.unwrap();
    assert!(!store.conditional_writes().await.unwrap());
    let error = store.put(&key(), Bytes::from_static(b"x"), PutMode::Create).await.unwrap_err();
    assert!(error.is_already_exists(), "{error:?}");
    let requests = service.requests.lock().unwrap();
    let methods: Vec<&str> = requests.iter().filter_map(|request| request.split(' ').next()).collect();
    assert_eq!(methods, ["HEAD", "PUT", "HEAD", "PUT", "HEAD"]);
    assert!(requests[1].contains("if-none-match: *") && !requests[3].contains("if-none-match"));
}

#[tokio::test]
async fn a_service_that_ignores_conditional_writes_is_found_out() {
    let ok = || ("200 OK", String::new());
    let service = serve(vec![("404 Not Found", String::new()), ok(), ok()]);
    let (_folder, store) = open(&service.endpoint).await;
    store.put(&key(), Bytes::from_static(b"x"), PutMode::Create).await.unwrap();
    assert!(!store.conditional_writes().await.unwrap());
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_knows_its_own_object() {
    let exists = || fault("412 Precondition Failed", "PreconditionFailed", "no");
    let busy = || fault("500 Internal Server Error", "InternalError", "no");
    for (found, ours) in [("mine", true), ("theirs", false)] {
        let absent = ("404 Not Found", String::new());
        let service = serve(vec![absent, busy(), exists(), ("200 OK", found.into()), exists()]);
        let (_folder, store) = open(&service.endpoint).await;
        let created = store.put(&key(), Bytes::from_static(b"mine"), PutMode::Create).await;
        assert_eq!(created.is_ok(), ours, "{created:?}");
        assert!(ours || created.unwrap_err().is_already_exists());
    }
}

#[tokio::test]
async fn a_create_waits_out_a_write_whose_end_is_not_known() {
    let absent = || ("404 Not Found", String::new());
    let conflict = || fault("409 Conflict", "ConditionalRequestConflict", "no");
    let exists = || fault("412 Precondition Failed", "PreconditionFailed", "no");
    let ok = || ("200 OK", String::new());
    let service = serve(vec![
        absent(),
        conflict(),
        exists(),
        fault("404 Not Found", "NoSuchKey", "no"),
        ok(),
        exists(),
    ]);
    let (_folder, store) = open(&service.endpoint).await;
    store.put(&key(), Bytes::from_static(b"mine"), PutMode::Create).await.unwrap();
    let service = serve([vec![absent()], (0..client::ATTEMPTS).map(|_| conflict()).collect()].concat());
    let (_folder, store) = open(&service.endpoint).await;
    let error = store.put(&key(), Bytes::from_static(b"mine"), PutMode::Create).await.unwrap_err();
    assert!(error.is_retryable() && !error.is_already_exists(), "{error:?}");
}

#[tokio::test]
async fn a_listing_reads_keys_that_xml_cannot_hold() {
    let listed = "<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>\
        <Contents><Key>prefix/a%01b</Key><Size>1</Size></Contents>\
        <Contents><Key>prefix/sp%C3%A4t+%2B</Key><Size>2</Size></Contents>\
        <CommonPrefixes><Prefix>prefix/f%20older/</Prefix></CommonPrefixes></ListBucketResult>";
    let plain = listed.replace("<EncodingType>url</EncodingType>", "");
    let service = serve(vec![("200 OK", listed.to_owned()), ("200 OK", plain)]);
    let (_folder, store) = open(&service.endpoint).await;
    let page = store.list("", true, None).await.unwrap();
    assert!(service.requests.lock().unwrap()[0].contains("encoding-type=url"));
    let keys: Vec<&str> = page.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(
        (keys, page.prefixes),
        (vec!["spät +"], vec!["f older/".to_owned()]),
        "a control character names nothing of ours"
    );
    let unasked = store.list("", true, None).await.unwrap();
    assert_eq!(
        unasked.objects[1].key.as_str(),
        "sp%C3%A4t+%2B",
        "a service that does not encode is taken at its word"
    );
}

#[tokio::test]
async fn missing_credentials_say_where_they_were_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, "[other]\naws_access_key_id = AKID\naws_secret_access_key = hunter2\n").unwrap();
    let url =
        format!("s3://bucket?endpoint=http://127.0.0.1:9&profile=absent&credentialsFile={}", file.display());
    let Location::S3(location) = Location::from_url(&url).unwrap() else { panic!("{url}") };
    let error = S3Store::open(&location).await.unwrap().head(&key()).await.unwrap_err();
    assert!(matches!(error, StoreError::Forbidden { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("profile `absent` of") && text.contains(&file.display().to_string()), "{text}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let odd = folder.path().join("odd.pem");
    std::fs::write(&odd, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (setting, file) in [("caCert", &absent), ("credentialsFile", &absent), ("caCert", &odd)] {
        let location =
            parse(&format!("s3://bucket?endpoint=https://127.0.0.1:9&{setting}={}", file.display()));
        let error = S3Store::open(&location).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(setting) && text.contains(&file.display().to_string()), "{text}");
    }
}

#[test]
fn a_deadline_that_passed_is_told_with_its_length() {
    let place = S3Target {
        bucket: "bucket".into(),
        endpoint: "http://host".into(),
        region: "region".into(),
        credentials: "nowhere".into(),
        proxy: None,
    };
    let action = Action { operation: Operation::Get, target: "s3://bucket/key".into() };
    let explain = |text: &str| {
        let error = SdkError::<aws_sdk_s3::operation::get_object::GetObjectError, _>::timeout_error(text);
        error::explain(&place, action.clone(), &error).to_string()
    };
    assert_eq!(
        explain("operation timeout"),
        "reading s3://bucket/key: no answer within 2m 30s; check the service and the network"
    );
    assert_eq!(
        explain("operation attempt timeout"),
        "reading s3://bucket/key: no answer within 1m; check the service and the network"
    );
}

#[tokio::test]
async fn a_bucket_is_created_once_and_where_it_was_asked_for() {
    let absent = ("404 Not Found", String::new());
    let owned = fault("409 Conflict", "BucketAlreadyOwnedByYou", "no");
    let service = serve(vec![absent, owned]);
    open_with(&service.endpoint, "createBucket=true").await;
    let requests = service.requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].starts_with("PUT /bucket"), "{requests:?}");
}
