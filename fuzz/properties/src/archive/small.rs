//! A small archive, made file by file as the archive's own code says that they are (`spark_eventlog::archive`).

use spark_core::merkle::{Hash, TILE_WIDTH, leaf_hash, node_hash, tile_index_path};
use spark_eventlog::Recorded;

use super::{Files, number};

/// When the first leaf was received.
pub const RECEIVED_NS: u64 = 1_767_225_600_000_000_000;
/// Two bundles and some: enough for each kind of file, and for files that take each other's place.
const LEAVES_MAX: u64 = 2 * TILE_WIDTH + 30;
/// How many leaves are synced at once.
const GROUP: usize = 7;

/// An archive that can be written to files.
pub struct Small {
    /// The leaves, encoded.
    pub leaves: Vec<Vec<u8>>,
    /// The first leaves of the write-ahead segments.
    segments: [usize; 2],
    /// The last thing in it is a mark: it was closed.
    is_closed: bool,
}

impl Small {
    /// Takes what it needs of the bytes.
    pub fn from(bytes: &mut impl Iterator<Item = u8>) -> Self {
        let shape = bytes.next().unwrap_or_default();
        let has_gaps = shape & 1 != 0;
        let is_closed = shape & 2 == 0;
        let size = u64::from(number(bytes)) % LEAVES_MAX;
        let mut next_seq = 1;
        let mut leaves = Vec::new();
        for index in 0..size {
            let seq = next_seq;
            let frame = match has_gaps && index % 50 == 49 {
                true => Recorded::gap(seq, seq + 20, frame(seq).received_ns),
                false => frame(seq),
            };
            next_seq = frame.next_seq();
            leaves.push(frame.to_leaf().encode().unwrap());
        }
        // Segments go when all their leaves are in bundles.
        let sealed = size - size % TILE_WIDTH;
        let first = u64::from(number(bytes)) % (sealed + 1);
        let second = first + u64::from(bytes.next().unwrap_or_default()) % (size - first + 1);
        Self { leaves, segments: [first as usize, second as usize], is_closed }
    }

    /// The files of the archive.
    pub fn files(&self) -> Files {
        let mut files = Files::from([("origin".to_owned(), b"EVENTS@1\n".to_vec())]);
        let bundles = self.leaves.as_chunks::<{ TILE_WIDTH as usize }>().0;
        for (index, leaves) in (0..).zip(bundles) {
            let path = tile_index_path(index);
            let entries = leaves.iter().flat_map(|leaf| [&length(leaf)[..], leaf].concat()).collect();
            files.insert(format!("tile/entries/{path}"), entries);
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            files.insert(format!("tile/0/{path}"), hashes.concat());
        }
        let [first, second] = self.segments;
        if second > first {
            files.insert(segment_path(first), self.segment(first, second));
        }
        files.insert(segment_path(second), self.segment(second, self.leaves.len()));
        files
    }

    fn segment(&self, first: usize, end: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, leaf) in (first..).zip(&self.leaves[first..end]) {
            if index > first && (index - first).is_multiple_of(GROUP) {
                bytes.extend(mark(index, bytes.len()));
            }
            bytes.extend(length(leaf));
            bytes.extend(leaf);
            bytes.extend(leaf_hash(leaf));
        }
        if end == self.leaves.len() && end > first && self.is_closed {
            bytes.extend(mark(end, bytes.len()));
        }
        bytes
    }
}

/// The frame with a number.
pub fn frame(seq: u64) -> Recorded {
    Recorded {
        seq,
        received_ns: RECEIVED_NS + seq,
        subject: "s".to_owned(),
        msg_id: String::new(),
        payload: vec![seq as u8; seq as usize % 5].into(),
    }
}

fn segment_path(first: usize) -> String {
    format!("wal/{first:020}")
}

fn length(leaf: &[u8]) -> [u8; 2] {
    u16::try_from(leaf.len()).unwrap().to_be_bytes()
}

/// Before leaf `next`, at byte `offset` of its segment: everything before it was synced.
fn mark(next: usize, offset: usize) -> Vec<u8> {
    let [next, offset] = [next, offset].map(|number| (number as u64).to_be_bytes());
    let hash = node_hash(&leaf_hash(&next), &leaf_hash(&offset));
    [&[0; 2][..], &next, &hash].concat()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use spark_eventlog::archive::Archive;

    use super::*;

    #[tokio::test]
    async fn its_files_are_those_that_the_archive_writes() {
        let dir = super::super::folder();
        let bytes = [0, 2, 18, 0, 0, 0];
        let small = Small::from(&mut bytes.into_iter());
        assert_eq!(small.leaves.len(), 530);
        {
            let (archive, _) = Archive::open(dir.path(), super::super::options()).unwrap();
            for group in (1..=530).collect::<Vec<_>>().chunks(GROUP) {
                archive.record(group.iter().map(|seq| frame(*seq)).collect()).await.unwrap();
                archive.sync().await.unwrap();
            }
        }
        for (path, bytes) in small.files() {
            if path != "origin" {
                assert!(fs::read(dir.path().join(&path)).unwrap() == bytes, "{path}");
            }
        }
    }

    #[test]
    fn gaps_and_segments_are_where_the_bytes_say() {
        let small = Small::from(&mut [1, 2, 18, 1, 244, 9].into_iter());
        assert_eq!(small.segments, [500, 509]);
        let files = small.files();
        let paths: Vec<_> = files.keys().map(String::as_str).collect();
        let segments = ["wal/00000000000000000500", "wal/00000000000000000509"];
        assert_eq!(paths[..5], ["origin", "tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"]);
        assert_eq!(paths[5..], segments);
    }
}
