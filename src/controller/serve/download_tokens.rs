//! Tokens for downloads that the server itself serves, if a store cannot presign an address or a
//! person does not reach it. A token is valid once and for a limited time. Tokens are kept as their
//! hash and never logged.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::store::ObjectKey;

/// Time for which a token is valid, as long as a presigned address.
pub const VALID_FOR: Duration = Duration::from_secs(600);
/// Largest number of open tokens: no people open more.
const MOST: usize = 1024;
/// Bytes of a token: 256 bits cannot be guessed.
const TOKEN: usize = 32;

/// The part of a bucket that a token gives.
#[derive(Clone, Debug)]
pub struct TokenTarget {
    /// The bucket.
    pub bucket: Bucket,
    /// The key of the part.
    pub key: ObjectKey,
}

type Hash = [u8; 32];

/// The open tokens, by their hash.
#[derive(Debug, Default)]
pub struct DownloadTokens {
    open: Mutex<HashMap<Hash, (TokenTarget, Instant)>>,
}

impl DownloadTokens {
    /// Returns a token for a part; `None` if no randomness is available, or too many tokens are
    /// open.
    pub fn offer(&self, target: TokenTarget, now: Instant) -> Option<String> {
        let mut bytes = [0; TOKEN];
        rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (_, end)| *end > now);
        if open.len() >= MOST {
            return None;
        }
        open.insert(hash(&token), (target, now + VALID_FOR));
        Some(token)
    }

    /// Returns what a token is valid for, or `None`. The token is invalid afterwards.
    pub fn redeem(&self, token: &str, now: Instant) -> Option<TokenTarget> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&hash(token)).filter(|(_, end)| *end > now).map(|(target, _)| target)
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Location, open};

    async fn target(folder: &tempfile::TempDir) -> TokenTarget {
        let location = Location::from_url(&format!("file://{}", folder.path().display())).unwrap();
        let bucket = Bucket::new(open(&location).await.unwrap());
        TokenTarget { bucket, key: ObjectKey::new("backups/a/logs.ndjson.zst").unwrap() }
    }

    #[tokio::test]
    async fn a_token_is_good_once_and_for_ten_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, now) = (DownloadTokens::default(), Instant::now());
        let token = tokens.offer(target(&folder).await, now).unwrap();
        assert_eq!(token.len(), 2 * TOKEN);
        assert!(tokens.redeem("", now).is_none() && tokens.redeem(&token[1..], now).is_none());
        assert!(tokens.redeem(&token, now).is_some());
        assert!(tokens.redeem(&token, now).is_none());
        let late = tokens.offer(target(&folder).await, now).unwrap();
        assert_ne!(token, late);
        assert!(tokens.redeem(&late, now + VALID_FOR).is_none());
    }

    #[tokio::test]
    async fn no_more_is_handed_out_than_is_bounded_until_some_has_expired() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, now) = (DownloadTokens::default(), Instant::now());
        let target = target(&folder).await;
        for _ in 0..MOST {
            tokens.offer(target.clone(), now).unwrap();
        }
        assert!(tokens.offer(target.clone(), now).is_none());
        assert!(tokens.offer(target, now + VALID_FOR).is_some());
    }
}
