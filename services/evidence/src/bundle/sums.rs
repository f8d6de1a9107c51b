//! `SHA256SUMS`: every file of a bundle with its digest, as `sha256sum` writes and checks it. It is a bundle's identity.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use spark_core::merkle::Hash;

/// The files of a bundle by path, with their digests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums(BTreeMap<String, Hash>);

/// The text is no list of digests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not `<64 hex digits>  <path>`, in the order of paths, each once")]
pub struct SumsError {
    /// Counted from 1.
    pub line: usize,
}

impl Sums {
    /// Adds a file.
    pub fn insert(&mut self, path: impl Into<String>, digest: Hash) {
        self.0.insert(path.into(), digest);
    }

    /// The digest of a file.
    pub fn get(&self, path: &str) -> Option<&Hash> {
        self.0.get(path)
    }

    /// Every file, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Hash)> {
        self.0.iter().map(|(path, digest)| (path.as_str(), digest))
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(path, digest)| writeln!(f, "{}  {path}", spark_core::hex(digest)))
    }
}

impl FromStr for Sums {
    type Err = SumsError;

    fn from_str(text: &str) -> Result<Self, SumsError> {
        let mut sums = Self::default();
        for (number, line) in text.lines().enumerate() {
            let error = SumsError { line: number + 1 };
            let (digest, path) = line.split_once("  ").ok_or(error.clone())?;
            let digest = unhex(digest).ok_or(error.clone())?;
            if !is_plain(path) || sums.0.last_key_value().is_some_and(|(last, _)| last.as_str() >= path) {
                return Err(error);
            }
            sums.insert(path, digest);
        }
        // One spelling: also the last line ends, no digit is upper case, and no line ends with a carriage return.
        match sums.to_string() == text {
            true => Ok(sums),
            false => Err(SumsError { line: text.lines().count() }),
        }
    }
}

/// Whether a path stays within the bundle, on every file system.
fn is_plain(path: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    path.split('/').all(is_plain)
}

fn unhex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_and_every_other_spelling_is_refused() {
        let mut sums = Sums::default();
        sums.insert("report.json", [1; 32]);
        sums.insert("entries/x001/000", [0xab; 32]);
        let text = sums.to_string();
        assert_eq!(text.parse(), Ok(sums));
        let (first, second) = text.split_at(text.find('\n').unwrap() + 1);
        for wrong in [
            format!("{second}{first}"),
            format!("{first}{first}"),
            text.trim_end().to_owned(),
            text.to_uppercase(),
            text.replace('\n', "\r\n"),
            text.replace("  ", " *"),
            text.replace("entries/x001", ".."),
            text.replace("entries/", "/etc/"),
            text.replace("report.json", ""),
            format!("{text}\n"),
        ] {
            assert!(wrong.parse::<Sums>().is_err(), "{wrong}");
        }
        assert_eq!("".parse(), Ok(Sums::default()));
    }
}
