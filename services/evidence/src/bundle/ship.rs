//! Shipping a bundle: what was kept of an issued day, together with its leaves, as a directory or as one compressed file.
//! Every file is held against `SHA256SUMS` on its way, and no more than one of them is in memory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use spark_core::report::Report;
use spark_eventlog::archive::{LoadError, View};

use super::entries::{self, Join};
use super::sums::{Sums, SumsError};
use super::{ATTESTATIONS, REPORT_JSON, STATE_FROM, SUMS};

/// Why a bundle can't be shipped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file can't be read or written.
    #[error("can't use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The archive is damaged.
    #[error("the archive is damaged")]
    Load(#[from] LoadError),
    /// The list of files can't be read.
    #[error("can't read SHA256SUMS")]
    Sums(#[from] SumsError),
    /// The report can't be read.
    #[error("can't read report.json")]
    Report(#[source] serde_json::Error),
    /// A file is not the one that was signed.
    #[error("{0} is not what it was when the day was issued: its evidence can't be shipped from here")]
    Changed(String),
}

/// Takes a bundle's files, one after the other.
trait Taker {
    /// Takes a file.
    fn take(&mut self, path: &str, bytes: &[u8]) -> io::Result<()>;
}

/// Writes files into a directory.
struct Directory<'a>(&'a Path);

impl Taker for Directory<'_> {
    fn take(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap_or(self.0))?;
        fs::write(path, bytes)
    }
}

/// Writes files into a tape archive, beneath a directory of the bundle's name.
struct Tape<'a, W: Write> {
    tape: tar::Builder<zstd::Encoder<'static, W>>,
    name: &'a str,
}

impl<W: Write> Taker for Tape<'_, W> {
    fn take(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        // The same bundle gives the same bytes: no time, no owner.
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        self.tape.append_data(&mut header, format!("{}/{path}", self.name), bytes)
    }
}

/// Ships the bundle of the day kept in `day` into the directory `to`, which must be empty or absent. `before` is the state
/// that the day began with.
pub fn ship_to(day: &Path, before: Option<&[u8]>, view: &View, to: &Path) -> Result<(), ExportError> {
    let failed = |source| ExportError::Io { path: to.to_owned(), source };
    fs::create_dir_all(to).map_err(failed)?;
    if fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(failed(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "it is not empty")));
    }
    give(day, before, view, to, &mut Directory(to))
}

/// Ships it as a tape archive (`.tar.zst`) into `to`, beneath a directory `name`.
pub fn ship<W: Write>(day: &Path, before: Option<&[u8]>, view: &View, name: &str, to: W) -> Result<W, ExportError> {
    let path = PathBuf::from(format!("{name}.tar.zst"));
    let failed = |source| ExportError::Io { path: path.clone(), source };
    let mut encoder = zstd::Encoder::new(to, 0).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let mut tape = Tape { tape: tar::Builder::new(encoder), name };
    give(day, before, view, &path, &mut tape)?;
    tape.tape.into_inner().and_then(zstd::Encoder::finish).map_err(failed)
}

fn give(day: &Path, before: Option<&[u8]>, view: &View, to: &Path, taker: &mut dyn Taker) -> Result<(), ExportError> {
    let read = |name: &str| {
        let path = day.join(name);
        fs::read(&path).map_err(|source| ExportError::Io { path, source })
    };
    let sums_text = read(SUMS)?;
    let sums: Sums = String::from_utf8_lossy(&sums_text).parse()?;
    let report: Report = serde_json::from_slice(&read(REPORT_JSON)?).map_err(ExportError::Report)?;
    let mut take = |name: &str, bytes: &[u8]| {
        if sums.get(name).is_none_or(|digest| <[u8; 32]>::from(Sha256::digest(bytes)) != *digest) {
            return Err(ExportError::Changed(name.to_owned()));
        }
        taker.take(name, bytes).map_err(|source| ExportError::Io { path: to.join(name), source })
    };
    for (name, _) in sums.iter().filter(|(name, _)| !name.starts_with("entries/")) {
        match name {
            STATE_FROM if !day.join(name).exists() => take(name, before.unwrap_or_default())?,
            _ => take(name, &read(name)?)?,
        }
    }
    let mut join = Join::new(report.log.from.size.0);
    let mut leaves = view.leaves(report.log.from.seq.0 + 1)?;
    while join.next() < report.log.to.size.0 {
        let leaf = leaves.next().ok_or_else(|| ExportError::Changed("the archive".to_owned()))??;
        let full = join.push(&leaf).map_err(|source| ExportError::Io { path: to.to_owned(), source })?;
        let rest = if join.next() == report.log.to.size.0 { full.or_else(|| join.rest()) } else { full };
        if let Some((index, bytes)) = rest {
            take(&entries::path(index), &bytes)?;
        }
    }
    for (name, bytes) in [(SUMS, sums_text), (ATTESTATIONS, read(ATTESTATIONS)?)] {
        taker.take(name, &bytes).map_err(|source| ExportError::Io { path: to.join(name), source })?;
    }
    Ok(())
}

/// Unpacks a tape archive into `to`; gives the directory of the bundle in it. Files only, all beneath one directory: a
/// bundle comes from somebody who may not be trusted.
pub fn unpack(file: &Path, to: &Path) -> Result<PathBuf, ExportError> {
    let failed = |source| ExportError::Io { path: file.to_owned(), source };
    let strange = |what: &str| failed(io::Error::new(io::ErrorKind::InvalidData, what.to_owned()));
    fs::create_dir_all(to).map_err(failed)?;
    let reader = File::open(file).and_then(zstd::Decoder::new).map_err(failed)?;
    let mut tape = tar::Archive::new(reader);
    let mut top: Option<PathBuf> = None;
    for entry in tape.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let first = path.components().next().map(|first| PathBuf::from(first.as_os_str())).unwrap_or_default();
        if !entry.header().entry_type().is_file() || top.get_or_insert(first.clone()) != &first {
            return Err(strange("it holds something else than the files of one bundle"));
        }
        if to.join(&path).exists() {
            return Err(strange("it holds a file twice"));
        }
        // `unpack_in` refuses to leave the directory.
        if !entry.unpack_in(to).map_err(failed)? {
            return Err(strange("it holds a file outside of its directory"));
        }
    }
    top.map(|top| to.join(top)).ok_or_else(|| strange("it is empty"))
}
