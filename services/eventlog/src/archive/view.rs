//! An archive as it is on disk now, for commands that only read while a service may be writing: no lock, nothing changed.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use spark_core::merkle::{CompactRange, Hash, TILE_WIDTH};
use spark_schemas::Leaf;

use super::bundle::{BundleReader, Sealed};
use super::edge::{FullTile, frontier};
use super::error::{LoadError, OpenError, Problem};
use super::layout;
use super::reader::{Order, start_of};
use super::recover::{self, Contents};

/// How often opening is tried again when the service deletes a write-ahead segment just then.
const TRIES: usize = 10;

/// A look at an archive. It ends with the last whole leaf, whose sync may still be under way.
#[derive(Debug)]
pub struct View {
    dir: PathBuf,
    incarnation: String,
    next_seq: u64,
    /// The edge is that of all leaves.
    sealed: Sealed,
    /// The leaves after the sealed bundles.
    tail: Vec<(Bytes, Hash)>,
    /// The tiles that they fill, which may not be on disk.
    filled: Vec<FullTile>,
}

impl View {
    /// Looks at the archive in `dir`.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let contents = contents(dir)?;
        if let Err(damage) = contents.check_end(dir)
            // When a service is writing, bundles get sealed after the look at the segments.
            && self::contents(dir)?.size() == contents.size()
        {
            return Err(damage.into());
        }
        let (mut sealed, mut filled) = (contents.sealed, Vec::new());
        contents.leaves.iter().for_each(|(_, hash)| sealed.edge.push(*hash, &mut filled));
        Ok(Self {
            dir: dir.to_owned(),
            incarnation: contents.incarnation,
            next_seq: contents.next_seq,
            sealed,
            tail: contents.leaves,
            filled,
        })
    }

    /// Which log this is (`EVENTS@<created>`).
    pub fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.sealed.edge.size()
    }

    /// The sequence number after the last leaf.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The compact range of the first `size` leaves; `None` when there are fewer.
    pub fn frontier_at(&self, size: u64) -> Result<Option<CompactRange>, LoadError> {
        if size > self.size() {
            return Ok(None);
        }
        let mut bundles = BundleReader::new(&self.dir);
        let range = frontier(size, |level, tile, width| {
            let filled = self.filled.iter().find(|filled| (filled.level, filled.index) == (level, tile));
            let hashes = match filled {
                Some(filled) => &filled.hashes,
                None => match self.sealed.edge.prefix(level, tile, width) {
                    Some(hashes) => return Ok(hashes.to_vec()),
                    None => bundles.tile(level, tile, &self.sealed)?,
                },
            };
            Ok::<_, LoadError>(hashes.iter().take(width as usize).copied().collect())
        })?;
        Ok(Some(range))
    }

    /// The leaves from sequence number `from` on, verified, up to the end that the view saw.
    pub fn leaves(&self, from: u64) -> Result<LeafIter, LoadError> {
        let mut bundles = BundleReader::new(&self.dir);
        let next = start_of(&mut bundles, &self.sealed, self.size(), self.next_seq, from)?;
        Ok(LeafIter {
            bundles,
            sealed: self.sealed.clone(),
            tail: self.tail.iter().map(|(leaf, _)| leaf.clone()).collect(),
            bundle: None,
            next,
            order: Order::new(from),
            dir: self.dir.clone(),
        })
    }
}

fn contents(dir: &Path) -> Result<Contents, OpenError> {
    let mut tries = 1;
    loop {
        match recover::contents(dir) {
            Err(OpenError::Damaged(damage)) if tries < TRIES && matches!(damage.problem, Problem::Missing) => {
                tries += 1
            }
            result => return result?.ok_or_else(|| OpenError::Absent { dir: dir.to_owned() }),
        }
    }
}

/// The leaves of the archive in `dir` from sequence number `from` on.
pub fn leaves(dir: impl AsRef<Path>, from: u64) -> Result<LeafIter, OpenError> {
    Ok(View::open(dir)?.leaves(from)?)
}

/// Leaves in order, each held against the tree; it ends at the first error.
#[derive(Debug)]
pub struct LeafIter {
    dir: PathBuf,
    bundles: BundleReader,
    sealed: Sealed,
    tail: Vec<Bytes>,
    bundle: Option<(u64, Vec<Bytes>)>,
    next: u64,
    order: Order,
}

impl LeafIter {
    /// The number, from 0, of the leaf that comes next, or would.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    fn leaf(&mut self) -> Result<Option<Bytes>, LoadError> {
        let (index, place) = (self.next / TILE_WIDTH, (self.next % TILE_WIDTH) as usize);
        if let Some(number) = self.next.checked_sub(self.sealed.bundles * TILE_WIDTH) {
            return Ok(usize::try_from(number).ok().and_then(|number| self.tail.get(number)).cloned());
        }
        if self.bundle.as_ref().is_none_or(|(loaded, _)| *loaded != index) {
            self.bundle = Some((index, self.bundles.load(index, &self.sealed)?));
        }
        Ok(self.bundle.as_ref().and_then(|(_, leaves)| leaves.get(place)).cloned())
    }

    fn next_leaf(&mut self) -> Result<Option<Bytes>, LoadError> {
        while let Some(bytes) = self.leaf()? {
            let number = self.next;
            let path = || layout::entries(&self.dir, number / TILE_WIDTH);
            let leaf =
                Leaf::decode(&bytes).map_err(|error| LoadError::damage(&path(), Some(number), Problem::Leaf(error)))?;
            self.next += 1;
            if self.order.wants(&leaf, number, path)? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

impl Iterator for LeafIter {
    type Item = Result<Bytes, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let leaf = self.next_leaf();
        if leaf.is_err() {
            // Nothing after damage can be trusted to be in its place.
            self.next = u64::MAX;
        }
        leaf.transpose()
    }
}
