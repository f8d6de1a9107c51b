//! Public keys as a verifier is given them: C2SP vkeys (`<name>+<hash>+<key>`), PEM, and the `keyid` of DSSE envelopes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use spark_core::hex;

/// The type of Ed25519 signatures in notes (C2SP signed-note).
const ED25519: u8 = 0x01;

/// A public key under the name with which it signs notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vkey {
    name: String,
    key: VerifyingKey,
}

/// Why a text is no vkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VkeyError {
    /// It has not three parts.
    #[error("a vkey is NAME+HASH+KEY, as `spark keys show` prints it")]
    Form,
    /// Its name is none.
    #[error("the name of a key has no spaces and no +")]
    Name,
    /// The key is no Ed25519 key.
    #[error("the last part is no Ed25519 key in base64")]
    Key,
    /// The hash is another key's.
    #[error("its hash does not belong to its name and key: copy it whole")]
    Hash,
}

impl Vkey {
    /// The key under `name`.
    pub fn new(name: impl Into<String>, key: VerifyingKey) -> Result<Self, VkeyError> {
        let name = name.into();
        if !is_name(&name) {
            return Err(VkeyError::Name);
        }
        Ok(Self { name, key })
    }

    /// The name with which it signs notes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The first four bytes of the hash over name and key: what a note's signature names its key by.
    pub fn hash(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', ED25519]).chain_update(self.key);
        let [first, second, third, fourth, ..] = <[u8; 32]>::from(hash.finalize());
        [first, second, third, fourth]
    }

    /// Whether `signature` is this key's over `message`. Keys that would verify anything are never content.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }

    /// As [`keyid`].
    pub fn keyid(&self) -> String {
        keyid(&self.key)
    }

    /// The key as OpenSSL reads it (SubjectPublicKeyInfo).
    #[expect(clippy::expect_used, reason = "32 bytes in a fixed frame")]
    pub fn to_pem(&self) -> String {
        self.key.to_public_key_pem(LineEnding::LF).expect("32 bytes in a fixed frame")
    }
}

/// What securesystemslib (so in-toto and TUF) calls the key: SHA-256 over its description in canonical JSON.
pub fn keyid(key: &VerifyingKey) -> String {
    let description = json!({ "keytype": "ed25519", "keyval": { "public": hex(key.as_bytes()) }, "scheme": "ed25519" });
    // Keys are sorted and texts are plain ASCII here, so this is the canonical form already.
    hex(&Sha256::digest(description.to_string()))
}

/// Neither empty, nor with a space or a plus.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64_STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex(&self.hash()))
    }
}

impl FromStr for Vkey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VkeyError::Form);
        };
        let bytes = BASE64_STANDARD.decode(key).map_err(|_not_base64| VkeyError::Key)?;
        let key = match bytes.split_first() {
            Some((&ED25519, key)) => VerifyingKey::try_from(key).map_err(|_no_point| VkeyError::Key)?,
            _ => return Err(VkeyError::Key),
        };
        let vkey = Self::new(name, key)?;
        if hex(&vkey.hash()) != hash {
            return Err(VkeyError::Hash);
        }
        Ok(vkey)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    /// The key of the documentation of Go's `sumdb/note`.
    const PUBLISHED: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_published_vkey_is_read_and_printed() {
        let vkey: Vkey = PUBLISHED.parse().unwrap();
        assert_eq!(vkey.name(), "PeterNeumann");
        assert_eq!(vkey.to_string(), PUBLISHED);
    }

    #[test]
    fn no_part_of_a_vkey_and_no_other_text_is_one() {
        for start in 0..PUBLISHED.len() {
            for end in start..=PUBLISHED.len() {
                let part = &PUBLISHED[start..end];
                assert_eq!(part.parse::<Vkey>().is_ok(), part == PUBLISHED, "{part}");
            }
        }
        for place in 0..PUBLISHED.len() {
            let mut bytes = PUBLISHED.as_bytes().to_vec();
            bytes[place] ^= 1;
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.parse::<Vkey>().is_err(), "{text}");
        }
        for name in ["", "a b", "a+b", "a\u{2003}b", "a\tb"] {
            let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
            assert_eq!(Vkey::new(name, key), Err(VkeyError::Name), "{name:?}");
        }
    }

    /// As securesystemslib 1.6.0 gives it: `SSlibKey.from_crypto(key).keyid`.
    #[test]
    fn the_keyid_is_securesystemslibs() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        assert_eq!(keyid(&key), "bfe1a83869e5bf574e3ff3acbb83f840de84a990d10059f3096f0bf4f2b90c10");
    }

    #[test]
    fn a_key_of_small_order_verifies_nothing() {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        let weak = Vkey::new("weak", VerifyingKey::from_bytes(&bytes).unwrap()).unwrap();
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!weak.verify(b"anything", &signature));
    }
}
