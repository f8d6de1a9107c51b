//! What an archive holds, from its files: the segments' leaves, the right edge below them, the last position.
//!
//! It only reads. Bundles that the segments still cover do not count as sealed: they may never have been synced, and are
//! sealed anew from the segments.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use spark_core::merkle::{Hash, TILE_WIDTH};
use spark_schemas::Leaf;

use super::bundle::{BundleReader, Sealed};
use super::edge::Edge;
use super::error::{LoadError, OpenError, Problem};
use super::layout;
use super::wal;

/// An archive's contents at the right edge.
#[derive(Debug)]
pub(super) struct Contents {
    pub incarnation: String,
    /// The bundles that are sealed and durable, and their edge.
    pub sealed: Sealed,
    /// The leaves after them, with their hashes.
    pub leaves: Vec<(Bytes, Hash)>,
    /// The first leaves of the segments.
    pub segments: Vec<u64>,
    /// How much of the last segment is good.
    pub good_bytes: u64,
    /// How much follows that was never synced.
    pub torn_bytes: u64,
    pub ends_with_mark: bool,
    /// The sequence number that comes next.
    pub next_seq: u64,
    /// When the last leaf was received.
    pub last_received_ns: u64,
}

/// Reads the contents of the archive in `dir`; `None` when none was ever made there.
pub(super) fn contents(dir: &Path) -> Result<Option<Contents>, OpenError> {
    let origin = layout::origin(dir);
    let incarnation = match fs::read_to_string(&origin) {
        Ok(text) => text.trim_end().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // The origin is written last when an archive is made: without it there must be no leaves.
            let has_leaves = fs::metadata(layout::segment(dir, 0)).is_ok_and(|segment| segment.len() > 0);
            if has_leaves || dir.join("tile").exists() {
                return Err(LoadError::read(&origin, error).into());
            }
            return Ok(None);
        }
        Err(error) => return Err(LoadError::read(&origin, error).into()),
    };
    Ok(Some(read(dir, incarnation)?))
}

fn read(dir: &Path, incarnation: String) -> Result<Contents, LoadError> {
    let segments = layout::segments(dir)?;
    let Some((&first, &last)) = segments.first().zip(segments.last()) else {
        return Err(LoadError::damage(&layout::wal(dir), None, Problem::Missing));
    };
    let bundles = first.div_ceil(TILE_WIDTH);
    let mut contents = Contents {
        incarnation,
        sealed: Sealed { bundles, edge: Edge::load(dir, bundles)? },
        leaves: Vec::new(),
        segments,
        good_bytes: 0,
        torn_bytes: 0,
        ends_with_mark: false,
        next_seq: 1,
        last_received_ns: 0,
    };
    if let Some(index) = bundles.checked_sub(1) {
        let leaves = BundleReader::new(dir).load(index, &contents.sealed)?;
        contents.follow(&layout::entries(dir, index), bundles * TILE_WIDTH - 1, leaves.last())?;
    }
    let mut next = first;
    for &start in &contents.segments.clone() {
        let path = layout::segment(dir, start);
        if start != next {
            return Err(LoadError::damage(&path, None, Problem::LeavesMissing { from: next }));
        }
        let bytes = Bytes::from(fs::read(&path).map_err(|source| LoadError::read(&path, source))?);
        let scan = wal::scan(&bytes, start);
        let torn_bytes = bytes.len() as u64 - scan.good_bytes;
        if scan.is_damaged || (torn_bytes > 0 && start != last) {
            let offset = scan.good_bytes;
            let leaf = start + scan.leaves.len() as u64;
            return Err(LoadError::damage(&path, Some(leaf), Problem::Bytes { offset }));
        }
        next = start + scan.leaves.len() as u64;
        let unsealed = (bundles * TILE_WIDTH).saturating_sub(start);
        for (number, (leaf, hash)) in (start..).zip(scan.leaves).skip(usize::try_from(unsealed).unwrap_or(usize::MAX)) {
            contents.follow(&path, number, Some(&leaf))?;
            contents.leaves.push((leaf, hash));
        }
        (contents.good_bytes, contents.torn_bytes) = (scan.good_bytes, torn_bytes);
        contents.ends_with_mark = scan.ends_with_mark;
    }
    // A segment starts in the middle of a bundle only when it holds the rest of it.
    if next < bundles * TILE_WIDTH {
        let path = layout::segment(dir, last);
        return Err(LoadError::damage(&path, Some(next), Problem::Bytes { offset: contents.good_bytes }));
    }
    Ok(contents)
}

impl Contents {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.sealed.bundles * TILE_WIDTH + self.leaves.len() as u64
    }

    /// Only durable leaves are sealed: a bundle past the end says that there were more.
    pub fn check_end(&self, dir: &Path) -> Result<(), LoadError> {
        let bundle = layout::entries(dir, self.size() / TILE_WIDTH);
        if bundle.exists() {
            return Err(LoadError::damage(&layout::wal(dir), Some(self.size()), Problem::Unsealed { bundle }));
        }
        Ok(())
    }

    /// Takes the position from `leaf`; it must follow the one before. If that is not known, it must be far enough on: each
    /// leaf stands for at least one sequence number.
    fn follow(&mut self, path: &Path, number: u64, leaf: Option<&Bytes>) -> Result<(), LoadError> {
        let Some(bytes) = leaf else { return Ok(()) };
        let leaf = Leaf::decode(bytes).map_err(|error| LoadError::damage(path, Some(number), Problem::Leaf(error)))?;
        let is_first_seen = self.next_seq == 1 && number > 0;
        let follows = if is_first_seen { leaf.seq > number } else { leaf.seq == self.next_seq };
        if !follows {
            let expected = if is_first_seen { number + 1 } else { self.next_seq };
            let problem = Problem::Sequence { expected, found: leaf.seq };
            return Err(LoadError::damage(path, Some(number), problem));
        }
        self.next_seq = leaf.next_seq();
        self.last_received_ns = leaf.received_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_stands_for_at_least_one_sequence_number() {
        let followed = |number, seq| {
            let mut contents = Contents {
                incarnation: String::new(),
                sealed: Sealed::default(),
                leaves: Vec::new(),
                segments: Vec::new(),
                good_bytes: 0,
                torn_bytes: 0,
                ends_with_mark: false,
                next_seq: 1,
                last_received_ns: 0,
            };
            let leaf = Leaf { seq, received_ns: 0, subject: "", msg_id: "", payload: &[] };
            let leaf = Bytes::from(leaf.encode().unwrap());
            contents.follow(Path::new("tile/entries/001"), number, Some(&leaf)).map(|()| contents.next_seq)
        };
        // The last leaf of a sealed bundle is the first that is seen.
        assert_eq!(followed(511, 512).unwrap(), 513);
        assert_eq!(followed(511, 700).unwrap(), 701, "there were gaps");
        for (number, seq) in [(511, 511), (511, 0), (0, 2), (0, 0)] {
            assert!(followed(number, seq).is_err(), "leaf {number} with sequence number {seq}");
        }
    }
}
