//! The keys that sign: files in one directory, and keys that are given from outside.
//!
//! A key is called after its `keyid`: `1a2b3c4d.pem` is the private part (PKCS#8, only its owner reads it), which signs as
//! long as it is there; `1a2b3c4d.vkey` is the public part, which stays, so that what it signed can be verified. All keys
//! that are there sign. So a key is replaced by adding one, telling verifiers, and retiring the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::durable::{self, Readers};
use crate::note::{Note, NoteError};
use crate::vkey::{Vkey, keyid};

/// How much of the `keyid` is a key's name.
const NAME_DIGITS: usize = 8;
/// What all names in notes begin with.
const NOTE_PREFIX: &str = "spark/";

/// A private key that does not lie in the directory.
#[derive(Clone)]
pub enum Given {
    /// A PEM file, such as a secret that a platform mounts.
    File(PathBuf),
    /// The PEM itself.
    Pem(String),
}

/// Why there are no keys to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file system refused.
    #[error("can't use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A file is no private key.
    #[error("{place}: no Ed25519 key in PKCS#8 PEM (-----BEGIN PRIVATE KEY-----); `spark keys new` makes one")]
    NotAKey {
        /// Where it was to be.
        place: String,
    },
    /// A file is no public key, or another's.
    #[error("{}: not the public part of the key that it is named after", path.display())]
    NotItsVkey {
        /// The file.
        path: PathBuf,
    },
    /// A private key can be read by others.
    #[error("{}: others may read this private key; `chmod 600` it, or replace it with `spark keys new`", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// No key signs by this name.
    #[error("no key {name:?} signs; there are: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that sign.
        known: Vec<String>,
    },
    /// Without it nothing could be signed.
    #[error("{name} is the only key that signs: make another first (`spark keys new`)")]
    Last {
        /// The key.
        name: String,
    },
    /// The system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness(#[source] getrandom::Error),
}

impl KeysError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// A key that signs.
pub struct Signer {
    key: SigningKey,
    vkey: Vkey,
}

impl Signer {
    fn new(key: SigningKey) -> Self {
        let public = key.verifying_key();
        let name = format!("{NOTE_PREFIX}{}", &keyid(&public)[..NAME_DIGITS]);
        #[expect(clippy::expect_used, reason = "made of letters and digits")]
        let vkey = Vkey::new(name, public).expect("a name of letters and digits");
        Self { key, vkey }
    }

    /// What it is called: the beginning of its `keyid`.
    pub fn name(&self) -> &str {
        file_name(&self.vkey)
    }

    /// Its public part.
    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// Signs `bytes` (Ed25519, RFC 8032).
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }
}

/// The keys that sign, and the public parts of those that did.
pub struct Keys {
    dir: PathBuf,
    signers: Vec<Signer>,
    retired: Vec<Vkey>,
}

impl Keys {
    /// Reads the keys in `dir` and those that are given. There may be none.
    pub fn load(dir: impl Into<PathBuf>, given: &[Given]) -> Result<Self, KeysError> {
        let dir = dir.into();
        let mut keys = Self { dir, signers: Vec::new(), retired: Vec::new() };
        let mut public = Vec::new();
        for path in files(&keys.dir)? {
            match path.extension().and_then(|end| end.to_str()) {
                Some("pem") => keys.add(read_private(&path)?),
                Some("vkey") => public.push(read_public(&path)?),
                _ => {}
            }
        }
        for given in given {
            let key = match given {
                Given::File(path) => read_pem(path)?,
                Given::Pem(pem) => private(pem, "the signing key given")?,
            };
            keys.add(Signer::new(key));
        }
        public.retain(|vkey| keys.signers.iter().all(|signer| signer.vkey() != vkey));
        keys.retired = public;
        for signer in &keys.signers {
            keys.keep_public(signer.vkey())?;
        }
        Ok(keys)
    }

    /// The public keys in `dir` alone, for whoever verifies and must not sign.
    pub fn look(dir: impl Into<PathBuf>) -> Result<Self, KeysError> {
        let dir = dir.into();
        let is_public = |path: &PathBuf| path.extension().is_some_and(|end| end == "vkey");
        let public = files(&dir)?.into_iter().filter(is_public).map(|path| read_public(&path));
        Ok(Self { retired: public.collect::<Result<_, _>>()?, dir, signers: Vec::new() })
    }

    /// As [`Keys::load`], and makes a first key when none signs.
    pub fn load_or_make(dir: impl Into<PathBuf>, given: &[Given]) -> Result<Self, KeysError> {
        let mut keys = Self::load(dir, given)?;
        if keys.signers.is_empty() {
            let signer = keys.make()?;
            tracing::info!(key = signer.vkey().to_string(), "made a key that signs the log's checkpoints");
        }
        Ok(keys)
    }

    /// Adds a new key, which signs from now on beside those that are there.
    pub fn make(&mut self) -> Result<&Signer, KeysError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(KeysError::Randomness)?;
        let signer = Signer::new(SigningKey::from_bytes(&secret));
        // Without the public key in it: OpenSSL 3.0 reads no other form.
        let pem = KeypairBytes { secret_key: secret, public_key: None }.to_pkcs8_pem(LineEnding::LF);
        #[expect(clippy::expect_used, reason = "32 bytes in a fixed frame")]
        let pem = pem.expect("32 bytes in a fixed frame");
        self.keep_public(signer.vkey())?;
        let path = self.dir.join(format!("{}.pem", signer.name()));
        durable::write(&path, pem.as_bytes(), Readers::Owner).map_err(|error| KeysError::io(&path, error))?;
        self.signers.push(signer);
        Ok(&self.signers[self.signers.len() - 1])
    }

    /// Deletes the private part of the key `name`; its public part stays. The last key that signs can't be retired.
    pub fn retire(&mut self, name: &str) -> Result<Vkey, KeysError> {
        let name = name.strip_prefix(NOTE_PREFIX).unwrap_or(name);
        let Some(place) = self.signers.iter().position(|signer| signer.name() == name) else {
            let known = self.signers.iter().map(|signer| signer.name().to_owned()).collect();
            return Err(KeysError::Unknown { name: name.to_owned(), known });
        };
        if self.signers.len() == 1 {
            return Err(KeysError::Last { name: name.to_owned() });
        }
        let path = self.dir.join(format!("{name}.pem"));
        durable::remove(&path).map_err(|error| KeysError::io(&path, error))?;
        let signer = self.signers.remove(place);
        self.retired.push(signer.vkey.clone());
        Ok(signer.vkey)
    }

    /// Where they lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The keys that sign.
    pub fn active(&self) -> impl Iterator<Item = &Signer> {
        self.signers.iter()
    }

    /// The public parts of keys that signed once and do no more.
    pub fn retired(&self) -> &[Vkey] {
        &self.retired
    }

    /// Every public key, those that sign first.
    pub fn public(&self) -> impl Iterator<Item = &Vkey> {
        self.signers.iter().map(Signer::vkey).chain(&self.retired)
    }

    /// `body` as a note that every key which signs has signed. It ends with a newline.
    pub fn sign_note(&self, body: impl Into<String>) -> Result<Note, NoteError> {
        let mut note = Note::new(body)?;
        for signer in &self.signers {
            let signature = signer.sign(note.text().as_bytes());
            note.push(signer.vkey(), &signature);
        }
        Ok(note)
    }

    fn add(&mut self, signer: Signer) {
        if self.signers.iter().all(|known| known.vkey() != signer.vkey()) {
            self.signers.push(signer);
        }
    }

    fn keep_public(&self, vkey: &Vkey) -> Result<(), KeysError> {
        let path = self.dir.join(format!("{}.vkey", file_name(vkey)));
        if path.exists() {
            return Ok(());
        }
        durable::write(&path, format!("{vkey}\n").as_bytes(), Readers::All).map_err(|error| KeysError::io(&path, error))
    }
}

fn file_name(vkey: &Vkey) -> &str {
    vkey.name().strip_prefix(NOTE_PREFIX).unwrap_or(vkey.name())
}

/// The files in `dir`, by name; none when it is not there.
fn files(dir: &Path) -> Result<Vec<PathBuf>, KeysError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| KeysError::io(dir, error))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|error| KeysError::io(dir, error))?;
    paths.sort();
    Ok(paths)
}

/// A key of ours: nobody else may have been able to read it.
fn read_private(path: &Path) -> Result<Signer, KeysError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = fs::metadata(path).map_err(|error| KeysError::io(path, error))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(KeysError::Exposed { path: path.to_owned() });
        }
    }
    let signer = Signer::new(read_pem(path)?);
    match path.file_stem().is_some_and(|stem| stem == signer.name()) {
        true => Ok(signer),
        false => Err(KeysError::NotItsVkey { path: path.to_owned() }),
    }
}

fn read_pem(path: &Path) -> Result<SigningKey, KeysError> {
    let bytes = fs::read(path).map_err(|error| KeysError::io(path, error))?;
    private(&String::from_utf8_lossy(&bytes), &path.display().to_string())
}

fn private(pem: &str, place: &str) -> Result<SigningKey, KeysError> {
    let key = SigningKey::from_pkcs8_pem(pem.trim());
    // What it says of the file could be a part of the secret.
    key.map_err(|_not_said| KeysError::NotAKey { place: place.to_owned() })
}

fn read_public(path: &Path) -> Result<Vkey, KeysError> {
    let text = fs::read_to_string(path).map_err(|error| KeysError::io(path, error))?;
    let vkey = text.trim_end().parse::<Vkey>().ok();
    let own = vkey.filter(|vkey| path.file_stem().is_some_and(|stem| stem == file_name(vkey)));
    own.ok_or_else(|| KeysError::NotItsVkey { path: path.to_owned() })
}
