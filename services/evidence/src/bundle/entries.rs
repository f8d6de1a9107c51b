//! The leaves of a bundle: files as in `tile/entries` (C2SP tlog-tiles), with those of its range only.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use spark_core::merkle::{TILE_WIDTH, tile_index_path};

/// The file that holds the leaves `index * 256` and following, as far as they are in the range.
pub fn path(index: u64) -> String {
    format!("entries/{}", tile_index_path(index))
}

/// The numbers of the files for leaves `[a, b)`.
pub fn files(leaves: &Range<u64>) -> Range<u64> {
    match leaves.is_empty() {
        true => 0..0,
        false => leaves.start / TILE_WIDTH..leaves.end.div_ceil(TILE_WIDTH),
    }
}

/// Puts leaves together to files.
#[derive(Debug)]
pub struct Join {
    next: u64,
    bytes: Vec<u8>,
}

impl Join {
    /// For the leaves from number `first` on.
    pub fn new(first: u64) -> Self {
        Self { next: first, bytes: Vec::new() }
    }

    /// The number of the leaf that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Adds the next leaf, of at most 65,535 bytes; gives the file that it fills, with its number.
    pub fn push(&mut self, leaf: &[u8]) -> io::Result<Option<(u64, Vec<u8>)>> {
        let length =
            u16::try_from(leaf.len()).map_err(|_too_long| io::Error::other("a leaf of more than 65,535 bytes"))?;
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(leaf);
        self.next += 1;
        Ok(if self.next.is_multiple_of(TILE_WIDTH) { self.rest() } else { None })
    }

    /// The last file, which is not full; `None` when there is none.
    pub fn rest(&mut self) -> Option<(u64, Vec<u8>)> {
        (!self.bytes.is_empty()).then(|| ((self.next - 1) / TILE_WIDTH, std::mem::take(&mut self.bytes)))
    }
}

/// Why leaves can't be read.
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// A file can't be read.
    #[error("can't read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file does not hold the leaves that it is named for.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The leaves of a bundle in order, with at most one in memory; it ends at the first error.
pub struct Leaves {
    dir: PathBuf,
    leaves: Range<u64>,
    file: Option<(PathBuf, BufReader<File>)>,
}

impl Leaves {
    /// Those in the bundle `dir`, which are `[a, b)` of the log.
    pub fn of(dir: &Path, leaves: Range<u64>) -> Self {
        Self { dir: dir.to_owned(), leaves, file: None }
    }

    fn read(&mut self) -> Result<Vec<u8>, EntriesError> {
        let index = self.leaves.start / TILE_WIDTH;
        let (path, mut file) = match self.file.take() {
            Some(open) => open,
            None => {
                let path = self.dir.join(self::path(index));
                let file = File::open(&path).map_err(|source| EntriesError::Io { path: path.clone(), source })?;
                (path, BufReader::with_capacity(1 << 16, file))
            }
        };
        let short = |source: io::Error| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                EntriesError::Content { path: path.clone(), problem: "it ends before its last leaf" }
            }
            _ => EntriesError::Io { path: path.clone(), source },
        };
        let mut length = [0; 2];
        file.read_exact(&mut length).map_err(short)?;
        let mut leaf = vec![0; usize::from(u16::from_be_bytes(length))];
        file.read_exact(&mut leaf).map_err(short)?;
        self.leaves.start += 1;
        if !self.leaves.is_empty() && self.leaves.start / TILE_WIDTH == index {
            self.file = Some((path, file));
            return Ok(leaf);
        }
        match file.read(&mut [0]) {
            Ok(0) => Ok(leaf),
            Ok(_more) => Err(EntriesError::Content { path, problem: "it goes on after its last leaf" }),
            Err(source) => Err(EntriesError::Io { path, source }),
        }
    }
}

impl Iterator for Leaves {
    type Item = Result<Vec<u8>, EntriesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.leaves.is_empty() {
            return None;
        }
        let leaf = self.read();
        if leaf.is_err() {
            self.leaves = 0..0;
        }
        Some(leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(number: u64) -> Vec<u8> {
        vec![number as u8; (number % 700) as usize]
    }

    #[test]
    fn leaves_come_back_from_the_files_of_any_range() {
        for range in [0..1, 0..256, 0..257, 255..257, 300..301, 300..1_100, 512..1_024, 70_000..70_000] {
            let dir = tempfile::tempdir().unwrap();
            let mut join = Join::new(range.start);
            let mut written = Vec::new();
            let mut write = |(index, bytes): (u64, Vec<u8>)| {
                let path = dir.path().join(path(index));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
                written.push(index);
            };
            for number in range.clone() {
                join.push(&leaf(number)).unwrap().map(&mut write);
            }
            join.rest().map(&mut write);
            assert_eq!(join.next(), range.end);
            assert_eq!(written, files(&range).collect::<Vec<_>>(), "{range:?}");
            let read: Vec<_> = Leaves::of(dir.path(), range.clone()).map(Result::unwrap).collect();
            assert_eq!(read, range.clone().map(leaf).collect::<Vec<_>>(), "{range:?}");
        }
        assert!(Join::new(0).push(&vec![0; 65_536]).is_err());
        assert_eq!(path(1_234_067), "entries/x001/x234/067");
    }

    #[test]
    fn files_that_are_too_short_or_too_long_are_errors_and_nothing_follows() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("entries")).unwrap();
        let file = dir.path().join("entries/000");
        for (bytes, good) in [(&[0, 1][..], 0), (&[0, 1, 7, 0], 1), (&[0, 1, 7, 0, 0, 9], 1), (&[], 0)] {
            std::fs::write(&file, bytes).unwrap();
            let read: Vec<_> = Leaves::of(dir.path(), 0..2).collect();
            assert_eq!(read.iter().filter(|leaf| leaf.is_ok()).count(), good, "{bytes:?}");
            assert!(read.len() == good + 1 && read[good].is_err(), "{bytes:?}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(Leaves::of(dir.path(), 0..2).next(), Some(Err(EntriesError::Io { .. }))));
    }
}
