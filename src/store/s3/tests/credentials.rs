//! Tests of credentials and certificates that are given as text.

use super::super::super::Content;
use super::*;

fn text(origin: &str, text: &str) -> Content {
    Content::Text { origin: origin.to_owned(), text: text.to_owned() }
}

#[tokio::test]
async fn credentials_in_memory_sign_the_requests_whatever_the_environment_says() {
    for (profile, key_id) in [(None, "AKIDONE"), (Some("second"), "AKIDTWO")] {
        let service = serve(vec![("200 OK", "body".to_owned())]);
        let credentials = text(
            "a Secret",
            "[default]\naws_access_key_id = AKIDONE\naws_secret_access_key = one\n\
             [second]\naws_access_key_id = AKIDTWO\naws_secret_access_key = two\n",
        );
        let location = S3Location {
            credentials: Some(credentials),
            profile: profile.map(str::to_owned),
            ..parse(&format!("s3://bucket?endpoint={}&region=eu-north-1", service.endpoint))
        };
        let store = S3Store::open(&location).await.unwrap();
        assert_eq!(read_all(&store, &key(), 100).await.unwrap(), "body");
        let requests = service.requests.lock().unwrap();
        assert!(requests[0].contains(&format!("Credential={key_id}/")), "{requests:?}");
    }
}

#[tokio::test]
async fn text_that_holds_no_credentials_or_certificates_names_its_origin_and_not_itself() {
    let base = || parse("s3://bucket?endpoint=http://127.0.0.1:1&region=eu-north-1");
    let location = S3Location { credentials: Some(text("key `cloud` of Secret `ark`", "hunter2")), ..base() };
    let error = S3Store::open(&location).await.unwrap_err();
    assert!(matches!(error, StoreError::Setting { .. }), "{error:?}");
    assert!(
        error.to_string().contains("the credentials in key `cloud` of Secret `ark` cannot be used"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let location = S3Location { ca_cert: Some(text("the text", "hunter2")), ..base() };
    let error = S3Store::open(&location).await.unwrap_err();
    assert!(error.to_string().contains("the text, of caCert, does not hold PEM"), "{error}");
}

#[tokio::test]
async fn credentials_as_windows_writes_them_are_used() {
    let service = serve(vec![("200 OK", "body".to_owned())]);
    let windows = "\u{feff}[default]\r\naws_access_key_id = AKIDONE\r\naws_secret_access_key = one\r\n";
    let location = S3Location {
        credentials: Some(text("a Secret", windows)),
        ..parse(&format!("s3://bucket?endpoint={}&region=eu-north-1", service.endpoint))
    };
    let store = S3Store::open(&location).await.unwrap();
    assert_eq!(read_all(&store, &key(), 100).await.unwrap(), "body");
    assert!(service.requests.lock().unwrap()[0].contains("Credential=AKIDONE/"));
}

#[tokio::test]
async fn of_what_a_host_answers_no_more_is_told_than_explains_something() {
    let text = "hunter2 ".repeat(1000);
    let body = format!("<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>");
    let told = crate::model::causes(&read(("403 Forbidden", body)).await);
    assert!(told.contains("AccessDenied: hunter2") && told.contains('…'), "{told}");
    assert!(told.len() < 1000, "{told}");
}
