//! Signed statements: DSSE envelopes (secure-systems-lab/dsse, version 1.0.2) as JSON lines.
//!
//! Strict where the specification leaves a choice: an envelope has one spelling (RFC 8785 JSON, canonical base64, keys in
//! hex), so that no byte of it can be changed unnoticed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::keys::Signer;
use crate::vkey::Vkey;

/// What an envelope's payload is: an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A signed payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// An envelope as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

/// Why an envelope proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DsseError {
    /// It is not written as an envelope is.
    #[error("not an envelope in canonical JSON: {0}")]
    Malformed(String),
    /// None of its signatures is of a trusted key.
    #[error("signed by {}, none of which is trusted", .0.join(", "))]
    UnknownSigner(Vec<String>),
    /// A key signed it that is neither trusted nor listed.
    #[error("{0} signed it, and is not among the keys")]
    Stranger(String),
    /// A key did not make the signature that bears its name.
    #[error("the signature of {0} is not of this payload")]
    BadSignature(String),
}

/// What is signed: the type and the payload, each after its length (pre-authentication encoding).
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// The names of the keys that signed it.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|signature| signature.keyid.as_str())
    }

    /// The payload, signed by each of `signers`.
    pub fn sign<'a>(payload: Vec<u8>, signers: impl IntoIterator<Item = &'a Signer>) -> Self {
        let signed = pae(IN_TOTO, &payload);
        let signature =
            |signer: &Signer| Signature { keyid: signer.vkey().keyid(), sig: STANDARD.encode(signer.sign(&signed)) };
        let signatures = signers.into_iter().map(signature).collect();
        Self { payload, signatures }
    }

    /// The envelope as a line, without its end.
    #[expect(clippy::expect_used, reason = "texts only, in memory")]
    pub fn to_line(&self) -> String {
        let (payload, signatures) = (STANDARD.encode(&self.payload), self.signatures.clone());
        let line = Line { payload, payload_type: IN_TOTO.to_owned(), signatures };
        serde_json_canonicalizer::to_string(&line).expect("texts only, in memory")
    }

    /// An envelope as [`Envelope::to_line`] writes it, and in no other way.
    pub fn parse(line: &str) -> Result<Self, DsseError> {
        let malformed = |why: &dyn std::fmt::Display| DsseError::Malformed(why.to_string());
        let read: Line = serde_json::from_str(line).map_err(|error| malformed(&error))?;
        if read.payload_type != IN_TOTO {
            return Err(malformed(&format_args!("its payload is {:?}", read.payload_type)));
        }
        let payload = STANDARD.decode(&read.payload).map_err(|error| malformed(&error))?;
        let envelope = Self { payload, signatures: read.signatures };
        match envelope.to_line() == line {
            true => Ok(envelope),
            false => Err(malformed(&"it has another spelling")),
        }
    }

    /// The payload, once a trusted key is seen to have signed it. Every other signature must be of one of the `listed`
    /// keys and good, too: they prove nothing, but nobody can have touched them.
    pub fn verify(&self, trusted: &[Vkey], listed: &[Vkey]) -> Result<&[u8], DsseError> {
        let signed = pae(IN_TOTO, &self.payload);
        let mut is_known = false;
        for (n, signature) in self.signatures.iter().enumerate() {
            if self.signatures[..n].iter().any(|earlier| earlier.keyid == signature.keyid) {
                return Err(DsseError::Malformed(format!("two signatures of {}", signature.keyid)));
            }
            let key = trusted.iter().chain(listed).find(|key| key.keyid() == signature.keyid);
            let key = key.ok_or_else(|| DsseError::Stranger(signature.keyid.clone()))?;
            let bytes = STANDARD.decode(&signature.sig).unwrap_or_default();
            let is_canonical = STANDARD.encode(&bytes) == signature.sig;
            if !is_canonical || !key.verify(&signed, &bytes) {
                return Err(DsseError::BadSignature(signature.keyid.clone()));
            }
            is_known |= trusted.iter().any(|trusted| trusted == key);
        }
        match is_known {
            true => Ok(&self.payload),
            false => Err(DsseError::UnknownSigner(self.signatures.iter().map(|one| one.keyid.clone()).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the DSSE protocol's own documents.
    #[test]
    fn what_is_signed_is_what_the_specification_says() {
        let signed = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }
}
