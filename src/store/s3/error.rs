//! Translates errors of the SDK and answers of the service into what a person can act on. Pure,
//! except that it looks at the clock.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use chrono::{DateTime, TimeDelta, Utc};

use super::checksums::names_headers;
use super::client::{ATTEMPT_TIMEOUT, GateClosed, OPERATION_TIMEOUT};
use crate::model::{Cause, RequestId, RootCause, chain};
use crate::store::{Action, Operation, StoreError};

/// The facts about the location that the translation needs; no secrets.
#[derive(Clone, Debug)]
pub(super) struct S3Target {
    /// The bucket.
    pub(super) bucket: String,
    /// The address of the service, in words.
    pub(super) endpoint: String,
    /// The region for which requests are signed.
    pub(super) region: String,
    /// The places where credentials were looked for, in words.
    pub(super) credentials: String,
    /// The environment variable that names a proxy for the service.
    pub(super) proxy: Option<&'static str>,
}

/// The difference of clocks that is worth a word; S3 takes requests that are a quarter of an hour
/// off.
const CLOCKS_DISAGREE: TimeDelta = TimeDelta::minutes(10);

/// The longest text that counts as an explanation, in characters.
const LONGEST_WORDS: usize = 200;

/// An answer of the service that is a failure.
#[derive(Debug, thiserror::Error)]
#[error("the service answered {status} {code}: {message}")]
struct S3Answer {
    status: u16,
    code: String,
    message: String,
    #[source]
    request: Option<RequestId>,
    /// The lead of the service's clock over this machine's, by the date of the answer.
    ahead: Option<TimeDelta>,
}

/// Translates an error of the SDK.
pub(super) fn explain<E>(place: &S3Target, action: Action, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(source) = find_credentials_error(error) {
        return explain_credentials(place, action, source);
    }
    if chain(error).any(|cause| cause.is::<GateClosed>()) {
        return StoreError::NotSent { action };
    }
    match error {
        SdkError::ServiceError(service) => {
            let answer = S3Answer {
                status: service.raw().status().as_u16(),
                code: service.err().code().unwrap_or_default().to_owned(),
                message: service.err().message().map_or_else(|| words(service.raw()), short),
                request: service.raw().headers().get("x-amz-request-id").map(|id| RequestId(id.to_owned())),
                ahead: service.raw().headers().get("date").and_then(|date| {
                    Some(DateTime::parse_from_rfc2822(date).ok()?.signed_duration_since(Utc::now()))
                }),
            };
            if let Some(RequestId(request)) = &answer.request {
                tracing::debug!(%action, request, "{answer}");
            }
            let region = service.raw().headers().get("x-amz-bucket-region").map(str::to_owned);
            explain_answer(place, action, answer, region)
        }
        SdkError::TimeoutError(_) => StoreError::Timeout { action, limit: elapsed(error) },
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            StoreError::Other { action, source: RootCause::of(error).into() }
        }
        SdkError::ResponseError(answer) if answer.raw().status().is_success() && !is_broken(error) => {
            no_service(place, action, RootCause::of(error).into())
        }
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            let source: Cause = RootCause::of(error).into();
            // The error of TLS for an answer that is no TLS.
            if source.to_string().contains("InvalidContentType") {
                let problem = format!(
                    "the service does not speak https at {}; write http:// there, or another port",
                    place.endpoint
                );
                return StoreError::Setting { action, problem, source: Some(source) };
            }
            let source = match place.proxy {
                Some(variable) => RootCause(format!("{source} ({variable} names a proxy)")).into(),
                None => source,
            };
            StoreError::Unreachable { action, endpoint: place.endpoint.clone(), source }
        }
        _ => StoreError::Other { action, source: RootCause::of(error).into() },
    }
}

/// Returns the HTTP status, if there was an answer. Answers to HEAD have nothing else.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn explain_answer(place: &S3Target, action: Action, answer: S3Answer, region: Option<String>) -> StoreError {
    let S3Target { bucket, region: used, .. } = place;
    if answer.message.contains("HTTP request to an HTTPS server") {
        let problem = format!("the service speaks https at {}; write https:// there", place.endpoint);
        return StoreError::Setting { action, problem, source: Some(answer.into()) };
    }
    match (answer.code.as_str(), answer.status) {
        // An S3 service gives a code, except where an answer has no body.
        ("", 404 | 405)
            if !matches!(action.operation, Operation::Get | Operation::Head | Operation::Delete) =>
        {
            no_service(place, action, answer.into())
        }
        ("", 200..=299 | 405) => no_service(place, action, answer.into()),
        ("NoSuchBucket", _) => StoreError::BucketMissing { action, missing: format!("bucket `{bucket}`") },
        ("NoSuchKey" | "NotFound", _) | ("", 404) => StoreError::NotFound { action },
        ("PreconditionFailed", _) | ("", 412) => StoreError::AlreadyExists { action },
        // Another write of the object, perhaps an earlier try of this process, has not ended: its
        // outcome is not known yet.
        ("ConditionalRequestConflict" | "OperationAborted", 409) => {
            StoreError::Unavailable { action, source: answer.into() }
        }
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
        | (_, 301 | 307) => {
            let expected = region.or_else(|| expected_region(&answer.message).map(str::to_owned));
            let remedy = match expected {
                Some(region) => format!("set region={region}"),
                None => "set region= and, outside AWS, endpoint= to those of the bucket".into(),
            };
            StoreError::WrongRegion { action, used: used.clone(), remedy }
        }
        (
            "XMinioStorageFull" | "QuotaExceeded" | "XMinioAdminBucketQuotaExceeded" | "InsufficientCapacity",
            _,
        )
        | (_, 507) => StoreError::Full { action, source: answer.into() },
        ("EntityTooLarge", _) => StoreError::TooLarge { action, limit: 5 << 30 },
        (code, _) if code.starts_with("KMS") || code.starts_with("XMinioKMS") => StoreError::Setting {
            action,
            problem: "the KMS key cannot be used; check kmsKeyId and what the credentials may do with it"
                .into(),
            source: Some(answer.into()),
        },
        ("InvalidAccessKeyId", _) => {
            let hint = "the service does not know the access key; check the credentials, and that the endpoint is the right one";
            forbid(place, action, hint, answer)
        }
        ("SignatureDoesNotMatch", _) => {
            forbid(place, action, "the secret key does not fit the access key; check the credentials", answer)
        }
        ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", _) => {
            forbid(place, action, "the credentials have expired or are invalid; renew them", answer)
        }
        ("RequestTimeTooSkewed", _) => clocks(action, answer),
        // The answer to a HEAD has no body that could name the code.
        ("", 403) if answer.ahead.is_some_and(|ahead| ahead.abs() > CLOCKS_DISAGREE) => {
            clocks(action, answer)
        }
        (_, 401 | 403) => {
            let hint = "the credentials are not allowed to do this; what Ark needs is s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload";
            forbid(place, action, hint, answer)
        }
        (_, 429 | 500 | 502..=504) => StoreError::Unavailable { action, source: answer.into() },
        (code, 400 | 501) if names_headers(code, &answer.message) => StoreError::Setting {
            action,
            problem:
                "the service refuses checksum headers; set checksums=WhenRequired in the location's URL, or \
                      config.checksums of the BackupStorageLocation to WhenRequired"
                    .into(),
            source: Some(answer.into()),
        },
        _ => StoreError::Other { action, source: answer.into() },
    }
}

/// Returns as much of a message as explains something. Any host of the cluster may answer, and
/// whoever reads of the failure is not meant to read what that host says.
fn short(message: &str) -> String {
    let mut text: String = message.chars().take(LONGEST_WORDS).collect();
    if text.len() < message.len() {
        text.push('…');
    }
    text
}

/// Returns the text of an answer that is not S3's, if it is one line of plain text.
fn words(answer: &HttpResponse) -> String {
    let text = answer.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().trim();
    let is_plain = !line.is_empty() && line.len() <= LONGEST_WORDS && !line.starts_with(['<', '{']);
    if is_plain { line.escape_debug().to_string() } else { "no explanation".to_owned() }
}

/// Returns the error for an endpoint that is no S3 service.
fn no_service(place: &S3Target, action: Action, source: Cause) -> StoreError {
    let endpoint = &place.endpoint;
    let problem =
        format!("what answers at {endpoint} is no S3 service, or not at this port; check the endpoint");
    StoreError::Setting { action, problem, source: Some(source) }
}

/// Returns true if the connection ended before the answer did.
fn is_broken(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| cause.is::<std::io::Error>() || cause.to_string().contains("connection"))
}

fn clocks(action: Action, answer: S3Answer) -> StoreError {
    let off = answer.ahead.map(|ahead| format!(" by {} min", ahead.num_minutes().abs())).unwrap_or_default();
    let hint =
        format!("the clocks of this machine and of the service differ{off}; set the clock of this machine");
    StoreError::Forbidden { action, hint, source: Some(answer.into()) }
}

fn forbid(place: &S3Target, action: Action, hint: &str, answer: S3Answer) -> StoreError {
    let hint = format!("{hint}; the credentials come from {}", place.credentials);
    StoreError::Forbidden { action, hint, source: Some(answer.into()) }
}

fn explain_credentials(place: &S3Target, action: Action, error: &CredentialsError) -> StoreError {
    let looked = &place.credentials;
    let hint = match error {
        CredentialsError::CredentialsNotLoaded(_) => format!("no credentials were found; looked in {looked}"),
        CredentialsError::ProviderTimedOut(_) => format!("credentials did not come in time from {looked}"),
        CredentialsError::InvalidConfiguration(_) => {
            format!("the credentials are not well configured; looked in {looked}")
        }
        _ => format!("the credentials could not be loaded; looked in {looked}"),
    };
    StoreError::Forbidden { action, hint, source: Some(RootCause::of(error).into()) }
}

fn find_credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// Returns the deadline that passed; only the text of the SDK's error tells which.
fn elapsed(error: &(dyn Error + 'static)) -> Duration {
    if chain(error).any(|cause| cause.to_string().contains("attempt timeout")) {
        ATTEMPT_TIMEOUT
    } else {
        OPERATION_TIMEOUT
    }
}

/// Returns the region in `…; the region 'us-east-1' is wrong; expecting 'eu-west-1'`.
fn expected_region(message: &str) -> Option<&str> {
    message.split_once("expecting '")?.1.split('\'').next().filter(|region| !region.is_empty())
}
