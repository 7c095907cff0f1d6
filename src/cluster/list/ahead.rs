//! Pages on their way. API servers write the continue token before the items, so that the next
//! page can be requested while one arrives: the server then makes one page while it sends the
//! other.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::Deserialize as _;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::super::ClusterError;
use super::super::page::ListMetadata;

/// A token that has not arrived within so many bytes is not waited for: aggregated servers and
/// custom resources have it at the end.
const HEAD: usize = 8 << 10;

/// A page that was requested.
#[derive(Debug)]
pub(super) struct RequestedPage {
    /// The token with which the page was requested; `None` for a first page.
    pub token: Option<String>,
    /// The token of the following page, as soon as it is known.
    pub next: oneshot::Receiver<String>,
    /// The body of the page; the request is aborted when this is dropped.
    pub body: AbortOnDropHandle<Result<Bytes, ClusterError>>,
}

/// Sends the token of the next page while a page arrives, at most once.
#[derive(Debug)]
pub struct EarlyToken(Mutex<Option<oneshot::Sender<String>>>);

impl EarlyToken {
    pub(super) fn new() -> (Self, oneshot::Receiver<String>) {
        let (says, next) = oneshot::channel();
        (Self(Mutex::new(Some(says))), next)
    }

    /// Searches for the token in the part of a page that has arrived.
    pub fn search(&self, beginning: &[u8]) {
        let mut says = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if says.is_none() {
            return;
        }
        match token(beginning) {
            Found::NotYet => {}
            Found::Nothing => *says = None,
            Found::Token(token) => {
                // The receiver may be gone.
                let _ = says.take().map(|says| says.send(token));
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Found {
    NotYet,
    Nothing,
    Token(String),
}

/// Returns the continue token in the beginning of a list.
fn token(beginning: &[u8]) -> Found {
    let head = beginning.get(..HEAD).unwrap_or(beginning);
    let at = |name: &[u8]| head.windows(name.len()).position(|window| window == name);
    let more = || if head.len() < HEAD { Found::NotYet } else { Found::Nothing };
    let name = br#""metadata":"#;
    let Some(start) = at(name) else { return more() };
    if at(br#""items":"#).is_some_and(|items| items < start) {
        return Found::Nothing;
    }
    let mut metadata =
        serde_json::Deserializer::from_slice(head.get(start + name.len()..).unwrap_or_default());
    match ListMetadata::deserialize(&mut metadata) {
        Ok(metadata) => metadata.token().map_or(Found::Nothing, Found::Token),
        Err(error) if error.is_eof() => more(),
        Err(_) => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_as_soon_as_it_has_come_and_never_taken_from_an_item() {
        let list = br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"t1"},"items":[{"metadata":{"name":"a"}}]}"#;
        let complete = list.iter().position(|byte| *byte == b'}').unwrap() + 1;
        for end in 0..list.len() {
            let found = token(&list[..end]);
            let expected = if end < complete { Found::NotYet } else { Found::Token("t1".into()) };
            assert_eq!(found, expected, "{end}");
        }
        let last = br#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"continue":"t1"}}]}"#;
        assert_eq!(token(last), Found::Nothing);
        let behind =
            br#"{"apiVersion":"v1","items":[{"metadata":{"continue":"x"}}],"metadata":{"continue":"t1"}}"#;
        assert_eq!(token(behind), Found::Nothing);
        assert_eq!(token(&vec![b' '; HEAD]), Found::Nothing);
        assert_eq!(token(br#"{"metadata":7,"items":[]}"#), Found::Nothing);
    }
}
