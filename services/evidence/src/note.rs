//! Signed text (C2SP signed-note): lines, an empty line, and a line for each signature. One signature of a trusted key
//! makes it good; signatures of keys that nobody told us about, such as witnesses', are kept and mean nothing.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::vkey::{Vkey, is_name};

/// No note of ours comes near to it.
const BYTES_MAX: usize = 1_000_000;
const SIGNATURES_MAX: usize = 100;
const HASH_BYTES: usize = 4;

/// A text and its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A signature as it stands in a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The first bytes of the hash over the key, by which it is found ([`Vkey::hash`]).
    pub hash: [u8; HASH_BYTES],
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// Why a note can't be trusted, or is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no note.
    #[error("this is no signed note: {0}")]
    Form(&'static str),
    /// A trusted key's signature is not over this text.
    #[error("the signature of {name} is not over this text")]
    Signature {
        /// The key.
        name: String,
    },
    /// No key that is trusted has signed it.
    #[error("no trusted key has signed it; it is signed by {}", list(signed_by))]
    Unknown {
        /// Who has.
        signed_by: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

impl Note {
    /// A note of `text`, which nobody has signed yet. It ends with a newline, has no other control characters, and its
    /// lines end before the first empty one of the signatures.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        if text.is_empty() || !text.ends_with('\n') {
            return Err(NoteError::Form("its text does not end with a newline"));
        }
        if text.contains(|c: char| c < ' ' && c != '\n') {
            return Err(NoteError::Form("it has a control character"));
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Adds the signature of `vkey`, which it made over [`Note::text`].
    pub fn push(&mut self, vkey: &Vkey, signature: &[u8]) {
        let signature = NoteSignature { name: vkey.name().to_owned(), hash: vkey.hash(), bytes: signature.to_vec() };
        self.signatures.push(signature);
    }

    /// The text that is signed, with its last newline. Not to be trusted before [`Note::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every signature, trusted or not.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Which of the `trusted` keys have signed it: at least one. A signature of one of them that is wrong spoils it.
    pub fn verify<'a>(&self, trusted: impl IntoIterator<Item = &'a Vkey>) -> Result<Vec<&'a Vkey>, NoteError> {
        let mut signed_by = Vec::new();
        for vkey in trusted {
            let hash = vkey.hash();
            let mut own = self.signatures.iter().filter(|one| one.name == vkey.name() && one.hash == hash).peekable();
            if own.peek().is_none() {
                continue;
            }
            if !own.all(|signature| vkey.verify(self.text.as_bytes(), &signature.bytes)) {
                return Err(NoteError::Signature { name: vkey.name().to_owned() });
            }
            signed_by.push(vkey);
        }
        if signed_by.is_empty() {
            let signed_by = self.signatures.iter().map(|signature| signature.name.clone()).collect();
            return Err(NoteError::Unknown { signed_by });
        }
        Ok(signed_by)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for NoteSignature { name, hash, bytes } in &self.signatures {
            writeln!(f, "\u{2014} {name} {}", BASE64_STANDARD.encode([hash, bytes.as_slice()].concat()))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > BYTES_MAX {
            return Err(NoteError::Form("it is too long"));
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Form("it has no empty line before its signatures"))?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let mut parsed = Self::new(text)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form("its last line does not end"))?;
        for line in lines.split('\n') {
            parsed.signatures.push(signature(line).ok_or(NoteError::Form("a signature line is none"))?);
        }
        if parsed.signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Form("it has too many signatures"));
        }
        Ok(parsed)
    }
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = BASE64_STANDARD.decode(bytes).ok()?;
    let (hash, bytes) = bytes.split_first_chunk::<HASH_BYTES>()?;
    (is_name(name) && !bytes.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        hash: *hash,
        bytes: bytes.to_vec(),
    })
}
