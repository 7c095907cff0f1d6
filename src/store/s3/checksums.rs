//! Decides whether writes carry a checksum in headers: most services verify it, a few refuse the
//! headers.
//!
//! Unless the location or the environment says so, the first write finds out: where a write is
//! refused because of the headers, it is repeated without them, and so are all that follow.

use std::sync::OnceLock;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ChecksumAlgorithm;

/// Codes of a service that received other bytes than the checksum promises. Such a write is not
/// repeated without a checksum.
const MISMATCHES: [&str; 5] = [
    "BadDigest",
    "InvalidDigest",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
];

/// The knowledge about the service, and the two clients to write with.
pub(super) struct Checksums {
    with: Client,
    without: Client,
    known: OnceLock<bool>,
}

/// The form of one write.
#[derive(Clone)]
pub(super) struct Writing {
    /// The client, which adds no checksum of its own.
    pub(super) client: Client,
    /// The checksum that is sent; `None` if none is.
    pub(super) algorithm: Option<ChecksumAlgorithm>,
}

impl Checksums {
    /// Creates the two forms of writing; `known` is what is known beforehand.
    pub(super) fn new(with: Client, without: Client, known: Option<bool>) -> Self {
        Self { with, without, known: known.map(OnceLock::from).unwrap_or_default() }
    }

    /// Returns the form of the next write.
    pub(super) fn writing(&self) -> Writing {
        match self.known.get() {
            Some(false) => self.without(),
            _ => Writing { client: self.with.clone(), algorithm: Some(ChecksumAlgorithm::Crc32C) },
        }
    }

    /// Returns whether writes carry checksums, or `None` if that is not known yet.
    pub(super) fn known(&self) -> Option<bool> {
        self.known.get().copied()
    }

    /// Learns from the answer to a write. Returns the form in which the write is to be repeated,
    /// or `None` if it is not.
    pub(super) fn learn<T, E>(
        &self,
        written: &Writing,
        answer: &Result<T, SdkError<E, HttpResponse>>,
    ) -> Option<Writing>
    where
        E: ProvideErrorMetadata,
    {
        match answer {
            Ok(_) => {
                let is_with = written.algorithm.is_some();
                if self.known.set(is_with).is_ok() && !is_with {
                    tracing::warn!(
                        "the service refuses checksum headers: what is written goes without them; \
                         checksums=WhenRequired in the location says so beforehand"
                    );
                }
                None
            }
            Err(SdkError::ServiceError(refusal))
                if written.algorithm.is_some() && self.known() != Some(true) =>
            {
                let (code, message) = (refusal.err().code(), refusal.err().message());
                let refused = is_refusal(refusal.raw().status().as_u16(), code, message);
                refused.then(|| self.without())
            }
            Err(_) => None,
        }
    }

    fn without(&self) -> Writing {
        Writing { client: self.without.clone(), algorithm: None }
    }
}

/// Returns true if a write was refused because of its checksum headers, as far as code and message
/// tell.
fn is_refusal(status: u16, code: Option<&str>, message: Option<&str>) -> bool {
    let code = code.unwrap_or_default();
    if !matches!(status, 400 | 501) || MISMATCHES.contains(&code) {
        return false;
    }
    names_headers(code, message.unwrap_or_default())
        || (status == 400 && matches!(code, "InvalidArgument" | "NotImplemented"))
}

/// Returns true if a refusal names checksum headers.
pub(super) fn names_headers(code: &str, message: &str) -> bool {
    let said = format!("{code} {message}").to_ascii_lowercase();
    !MISMATCHES.contains(&code) && ["checksum", "x-amz-sdk", "trailer"].iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_headers_is_told_from_bytes_that_do_not_fit_and_from_other_mistakes() {
        let backblaze = "Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call.";
        for (status, code, message, refused) in [
            (400, "InvalidArgument", backblaze, true),
            (400, "InvalidArgument", "", true),
            (501, "NotImplemented", "x-amz-checksum-crc32c is not implemented", true),
            (
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                false,
            ),
            (400, "BadDigest", "The CRC32C you specified did not match the calculated checksum.", false),
            (400, "ExpiredToken", "The provided token has expired.", false),
            (403, "AccessDenied", "x-amz-sdk-checksum-algorithm", false),
        ] {
            assert_eq!(is_refusal(status, Some(code), Some(message)), refused, "{status} {code} {message}");
        }
    }
}
