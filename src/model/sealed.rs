//! Seals a text that others may read to the one who asked for it: to a key that was made for this
//! one request. Pure, but for randomness.
//!
//! X25519 between the asker's key and one made for the text, HKDF-SHA-256 over both public keys,
//! AES-256-GCM. Each key is used once.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, PublicKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::SystemRandom;

/// Bytes of a public key.
const KEY: usize = 32;
/// The purpose of the keys: for another purpose the same keys give another secret.
const PURPOSE: &[u8] = b"ark.heptio.com/v1 sealed address";

/// Opens what is sealed to its key, once.
pub struct Opener {
    private: EphemeralPrivateKey,
    public: PublicKey,
}

impl Opener {
    /// Makes a new key; returns `None` if the machine has no randomness.
    pub fn new() -> Option<Self> {
        let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).ok()?;
        let public = private.compute_public_key().ok()?;
        Some(Self { private, public })
    }

    /// Returns the key to seal to, in hexadecimal digits.
    pub fn key(&self) -> String {
        hex(self.public.as_ref())
    }

    /// Returns the text, or `None` if it is sealed to another key, or is not as it was sealed.
    pub fn open(self, sealed: &str) -> Option<String> {
        let mut sealed = bytes(sealed)?;
        let (sender, text) = sealed.split_at_mut_checked(KEY)?;
        let secret = secret(self.private, sender, [sender, self.public.as_ref()]).ok()?;
        let text = secret.open_in_place(nonce(), Aad::empty(), text).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// Seals a text to an [`Opener`]'s key; returns `None` if that is no key, or the machine has no
/// randomness.
pub fn seal(key: &str, text: &str) -> Option<String> {
    let reader = bytes(key).filter(|key| key.len() == KEY)?;
    let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).ok()?;
    let public = private.compute_public_key().ok()?;
    let secret = secret(private, &reader, [public.as_ref(), &reader]).ok()?;
    let mut text = text.as_bytes().to_vec();
    secret.seal_in_place_append_tag(nonce(), Aad::empty(), &mut text).ok()?;
    Some(hex(public.as_ref()) + &hex(&text))
}

/// Derives the secret that the two share; `both` are the public keys of who seals and who opens.
fn secret(own: EphemeralPrivateKey, other: &[u8], both: [&[u8]; 2]) -> Result<LessSafeKey, Unspecified> {
    let other = UnparsedPublicKey::new(&X25519, other);
    let derived = agree_ephemeral(own, &other, |shared| {
        let [sealing, opening] = both;
        let key = Salt::new(HKDF_SHA256, &[]).extract(shared);
        key.expand(&[PURPOSE, sealing, opening], &AES_256_GCM).map(UnboundKey::from)
    })?;
    derived.map(LessSafeKey::new)
}

/// Returns the nonce, always zero: a secret seals one text alone.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; ring::aead::NONCE_LEN])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let (pairs, []) = digits.as_deref()?.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high * 16 + low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "https://s3.example/bucket/key?X-Amz-Signature=secret";

    #[test]
    fn who_asked_reads_it_and_nobody_else() {
        let (asker, other) = (Opener::new().unwrap(), Opener::new().unwrap());
        let sealed = seal(&asker.key(), TEXT).unwrap();
        assert!(!sealed.contains(&hex(b"secret")), "{sealed}");
        assert_ne!(sealed, seal(&asker.key(), TEXT).unwrap(), "each has a key of its own");
        assert_eq!(other.open(&sealed), None);
        assert_eq!(asker.open(&sealed).as_deref(), Some(TEXT));
    }

    #[test]
    fn what_was_changed_or_is_not_sealed_is_not_opened() {
        let sealed = |asker: &Opener| seal(&asker.key(), TEXT).unwrap();
        for change in [0, 2 * KEY + 1] {
            let asker = Opener::new().unwrap();
            let mut text = sealed(&asker).into_bytes();
            text[change] = if text[change] == b'0' { b'1' } else { b'0' };
            assert_eq!(asker.open(std::str::from_utf8(&text).unwrap()), None);
        }
        for text in ["", "0", TEXT, &"0".repeat(2 * KEY), &"0".repeat(4 * KEY), "ü"] {
            assert_eq!(Opener::new().unwrap().open(text), None, "{text}");
        }
        let asker = Opener::new().unwrap();
        let short = sealed(&asker);
        assert_eq!(asker.open(&short[..short.len() - 2]), None);
    }

    #[test]
    fn nothing_is_sealed_to_what_is_no_key() {
        for key in ["", "00", "not hex", &"0".repeat(2 * KEY), &"0".repeat(2 * KEY + 2)] {
            assert_eq!(seal(key, TEXT), None, "{key}");
        }
    }
}
