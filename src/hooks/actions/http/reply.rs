//! A complete answer. Pure.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;

/// A complete answer.
#[derive(Debug)]
pub struct HttpReply {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
    /// The time that it took.
    pub took: Duration,
    /// Why an earlier try may have been done, too; `None` if there was none that may have been.
    pub earlier: Option<String>,
}
