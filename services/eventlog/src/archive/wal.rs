//! The write-ahead segments: where leaves are made durable before they are sealed into bundles.
//!
//! A segment is named by its first leaf. A record is the leaf's length (big-endian u16), the leaf, and its hash. Between
//! records a mark (length 0, the number of the next leaf, a hash over that and the mark's place) says that everything
//! before it had been synced when it was written. So at open, bad bytes before a mark are damage, and bad bytes after
//! the last mark are a write that was never acknowledged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use spark_core::merkle::{Hash, leaf_hash, node_hash};

use super::layout;

const LENGTH_BYTES: usize = 2;
const HASH_BYTES: usize = size_of::<Hash>();
const MARK_BYTES: usize = LENGTH_BYTES + size_of::<u64>() + HASH_BYTES;

/// Appends a record to `buffer`; `leaf` has 1 to 65,535 bytes. Gives the leaf's place in the buffer and its hash.
pub(super) fn push_record(buffer: &mut Vec<u8>, leaf: &[u8]) -> (Range<usize>, Hash) {
    let length = u16::try_from(leaf.len()).unwrap_or(u16::MAX);
    let hash = leaf_hash(leaf);
    buffer.extend_from_slice(&length.to_be_bytes());
    let start = buffer.len();
    buffer.extend_from_slice(leaf);
    buffer.extend_from_slice(&hash);
    (start..start + leaf.len(), hash)
}

/// The mark before leaf `next` at byte `offset` of a segment.
pub(super) fn mark(next: u64, offset: u64) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[LENGTH_BYTES..LENGTH_BYTES + size_of::<u64>()].copy_from_slice(&next.to_be_bytes());
    bytes[MARK_BYTES - HASH_BYTES..].copy_from_slice(&mark_hash(next, offset));
    bytes
}

fn mark_hash(next: u64, offset: u64) -> Hash {
    node_hash(&leaf_hash(&next.to_be_bytes()), &leaf_hash(&offset.to_be_bytes()))
}

fn is_mark(bytes: &[u8], offset: usize, next: u64) -> bool {
    bytes.get(offset..offset + MARK_BYTES) == Some(mark(next, offset as u64).as_slice())
}

/// What a segment holds.
#[derive(Debug)]
pub(super) struct Scan {
    /// The leaves up to the first bad byte, with their hashes.
    pub leaves: Vec<(Bytes, Hash)>,
    /// Where the last whole record or mark ends.
    pub good_bytes: u64,
    /// The last thing up to there is a mark.
    pub ends_with_mark: bool,
    /// There are bad bytes, and they had been synced.
    pub is_damaged: bool,
}

/// Reads a segment whose first leaf has number `first`.
pub(super) fn scan(bytes: &Bytes, first: u64) -> Scan {
    let mut scan = Scan { leaves: Vec::new(), good_bytes: 0, ends_with_mark: false, is_damaged: false };
    let mut offset = 0;
    while offset < bytes.len() {
        let next = first + scan.leaves.len() as u64;
        if let Some((leaf, hash)) = record_at(bytes, offset) {
            offset += LENGTH_BYTES + leaf.len() + HASH_BYTES;
            scan.leaves.push((leaf, hash));
            scan.ends_with_mark = false;
        } else if is_mark(bytes, offset, next) {
            offset += MARK_BYTES;
            scan.ends_with_mark = true;
        } else {
            scan.is_damaged = has_mark_after(bytes, offset, next);
            break;
        }
    }
    scan.good_bytes = offset as u64;
    scan
}

fn record_at(bytes: &Bytes, offset: usize) -> Option<(Bytes, Hash)> {
    let start = offset + LENGTH_BYTES;
    let length = usize::from(u16::from_be_bytes(bytes.get(offset..start)?.try_into().ok()?));
    let hash: Hash = bytes.get(start + length..start + length + HASH_BYTES)?.try_into().ok()?;
    let is_whole = length > 0 && leaf_hash(&bytes[start..start + length]) == hash;
    is_whole.then(|| (bytes.slice(start..start + length), hash))
}

/// A mark anywhere later proves that the bytes at `offset` had been synced.
fn has_mark_after(bytes: &[u8], offset: usize, next: u64) -> bool {
    let most_leaves = (bytes.len() - offset) as u64;
    bytes[offset..].windows(MARK_BYTES).enumerate().skip(1).any(|(distance, window)| {
        let number = window[LENGTH_BYTES..].first_chunk().map(|number| u64::from_be_bytes(*number));
        // The cheap conditions come first: only a likely mark is hashed.
        window.starts_with(&[0; LENGTH_BYTES])
            && number.is_some_and(|number| {
                (next..=next + most_leaves).contains(&number) && is_mark(bytes, offset + distance, number)
            })
    })
}

/// Why bytes were not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The segment is as it was before.
    Undone(io::Error),
    /// What the segment holds is unknown.
    Broken(io::Error),
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    len: u64,
    #[cfg(test)]
    pub faults: super::faults::Faults,
}

impl Segment {
    /// Makes the segment that starts with leaf `first`, durably; after a failure it is not there.
    pub fn create(dir: &Path, first: u64) -> io::Result<Self> {
        let path = layout::segment(dir, first);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        match file.sync_all().and_then(|()| layout::sync_parents(dir, [path.as_path()])) {
            Ok(()) => Ok(Self::at(path, file, 0)),
            Err(error) => Err(fs::remove_file(&path).err().unwrap_or(error)),
        }
    }

    /// Continues a segment after its first `len` bytes and cuts what follows, durably.
    pub fn resume(dir: &Path, first: u64, len: u64) -> io::Result<Self> {
        let path = layout::segment(dir, first);
        let mut file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        // What is there may never have been synced: the process before may have been killed.
        file.sync_all()?;
        Ok(Self::at(path, file, len))
    }

    fn at(path: PathBuf, file: File, len: u64) -> Self {
        Self {
            path,
            file,
            len,
            #[cfg(test)]
            faults: super::faults::Faults::default(),
        }
    }

    /// The segment's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Writes all of `bytes` or nothing.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match self.write_all(bytes) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => match self.cut_back() {
                Ok(()) => Err(WriteError::Undone(error)),
                Err(worse) => Err(WriteError::Broken(worse)),
            },
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.write(&mut self.file, bytes)?;
        self.file.write_all(bytes)
    }

    fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.len)?;
        self.file.seek(SeekFrom::Start(self.len)).map(|_position| ())
    }

    /// Makes everything written durable.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.sync()?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three synced groups and one that is not, with the place where the last mark ends.
    fn segment() -> (Vec<u8>, usize) {
        let (mut bytes, mut marked, mut next) = (Vec::new(), 0, 40);
        for group in 0..4_u8 {
            let mark = mark(next, bytes.len() as u64);
            bytes.extend_from_slice(&mark);
            marked = bytes.len();
            for leaf in 0..3 {
                push_record(&mut bytes, &vec![group; 1 + 20 * leaf]);
                next += 1;
            }
        }
        (bytes, marked)
    }

    #[test]
    fn what_was_written_is_read() {
        let (bytes, _) = segment();
        let scan = scan(&bytes.clone().into(), 40);
        assert_eq!((scan.leaves.len(), scan.good_bytes, scan.is_damaged), (12, bytes.len() as u64, false));
        assert!(!scan.ends_with_mark);
        assert_eq!(scan.leaves[4].0, [1; 21].as_slice());
    }

    #[test]
    fn bad_bytes_before_a_mark_are_damage_and_after_the_last_one_a_torn_write() {
        let (good, marked) = segment();
        for place in 0..good.len() {
            for bit in [0, 3, 7] {
                let mut bytes = good.clone();
                bytes[place] ^= 1 << bit;
                let scan = scan(&bytes.into(), 40);
                let last_mark = marked - MARK_BYTES..marked;
                assert_eq!(scan.is_damaged, place < last_mark.start, "byte {place} bit {bit}");
                let kept = if last_mark.contains(&place) { 9 } else { 9 + scan.leaves.len().saturating_sub(9) };
                if place >= last_mark.start {
                    assert_eq!(scan.leaves.len(), kept, "byte {place} bit {bit}");
                    assert!(scan.good_bytes <= place as u64);
                }
            }
        }
    }

    #[test]
    fn a_segment_cut_anywhere_gives_its_whole_leaves() {
        let (good, _) = segment();
        let mut before = 0;
        for len in 0..=good.len() {
            let scan = scan(&good[..len].to_vec().into(), 40);
            assert!(!scan.is_damaged);
            assert!((before..=before + 1).contains(&scan.leaves.len()));
            before = scan.leaves.len();
        }
        assert_eq!(before, 12);
    }

    #[test]
    fn a_segment_under_another_name_has_no_marks_of_its_own() {
        let (bytes, _) = segment();
        assert_eq!(scan(&bytes.into(), 41).good_bytes, 0);
    }
}
