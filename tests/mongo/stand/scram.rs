//! The server's side of SCRAM-SHA-256 (RFC 7677), for one user.

use std::num::NonZeroU32;

use k8s_openapi::ByteString;
use ring::{digest, hmac, pbkdf2};

const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).expect("not zero");
const SALT: &[u8] = b"a salt of a stand";

/// A conversation in which a client proves that it knows the password.
pub struct Scram {
    salted: [u8; 32],
    nonce: String,
    /// What both sides have said, without the proof.
    said: String,
}

impl Scram {
    /// Answers the client's first message, `n,,n=USER,r=NONCE`.
    pub fn begin(password: &str, first: &str) -> (Self, String) {
        let bare = first.trim_start_matches("n,,");
        let theirs = bare.rsplit_once("r=").expect("a nonce").1;
        let nonce = format!("{theirs}ours");
        let answer = format!("r={nonce},s={},i={ROUNDS}", base64(SALT));
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, SALT, password.as_bytes(), &mut salted);
        (Self { salted, nonce, said: format!("{bare},{answer}") }, answer)
    }

    /// Answers the client's last message, `c=biws,r=NONCE,p=PROOF`; none if the proof is wrong.
    pub fn end(&self, last: &str) -> Option<String> {
        let (without, proof) = last.rsplit_once(",p=").expect("a proof");
        assert!(without.ends_with(&self.nonce));
        let said = format!("{},{without}", self.said);
        let key = sign(&self.salted, "Client Key");
        let stored = digest::digest(&digest::SHA256, key.as_ref());
        let signature = sign(stored.as_ref(), &said);
        let expected: Vec<u8> =
            key.as_ref().iter().zip(signature.as_ref()).map(|(one, other)| one ^ other).collect();
        let server = sign(sign(&self.salted, "Server Key").as_ref(), &said);
        (base64(&expected) == proof).then(|| format!("v={}", base64(server.as_ref())))
    }
}

fn sign(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    let text = serde_json::to_value(ByteString(bytes.to_vec())).expect("bytes can be written");
    text.as_str().expect("a string").to_owned()
}
