//! Reading sealed bundles: every leaf is held against its tile, every tile against the hash one level up.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use spark_core::merkle::{Hash, TILE_WIDTH, leaf_hash, subtree_root};
use spark_schemas::Leaf;

use super::edge::Edge;
use super::error::{LoadError, Problem};
use super::layout;

/// Reads bundles of one archive; it remembers one verified tile a level, so reading in order is cheap.
#[derive(Debug)]
pub(super) struct BundleReader {
    dir: PathBuf,
    tiles: Vec<Option<(u64, Vec<Hash>)>>,
}

/// What to hold tiles against: the right edge, and how many bundles are sealed on disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Sealed {
    pub bundles: u64,
    pub edge: Edge,
}

impl BundleReader {
    /// Reads from the archive in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), tiles: Vec::new() }
    }

    /// The leaves of bundle `index`, verified.
    pub fn load(&mut self, index: u64, sealed: &Sealed) -> Result<Vec<Bytes>, LoadError> {
        let path = layout::entries(&self.dir, index);
        let bytes = Bytes::from(fs::read(&path).map_err(|source| LoadError::read(&path, source))?);
        let leaves = split(&bytes).ok_or_else(|| LoadError::damage(&path, None, Problem::Length))?;
        let hashes = self.tile(0, index, sealed)?;
        for (number, (leaf, hash)) in (index * TILE_WIDTH..).zip(leaves.iter().zip(hashes)) {
            if leaf_hash(leaf) != *hash {
                return Err(LoadError::damage(&path, Some(number), Problem::LeafHash));
            }
        }
        Ok(leaves)
    }

    /// The hashes of a full tile, verified as far up as there are full tiles or the edge.
    pub fn tile(&mut self, level: usize, index: u64, sealed: &Sealed) -> Result<&[Hash], LoadError> {
        if self.tiles.len() <= level {
            self.tiles.resize(level + 1, None);
        }
        if self.tiles[level].as_ref().is_none_or(|(cached, _)| *cached != index) {
            let hashes = layout::read_tile(&self.dir, level, index)?;
            let above = self.hash_above(level, index, sealed)?;
            if above.is_some_and(|above| subtree_root(&hashes) != above) {
                let problem = Problem::TileHash { above: layout::tile(&self.dir, level + 1, index / TILE_WIDTH) };
                return Err(LoadError::damage(&layout::tile(&self.dir, level, index), None, problem));
            }
            self.tiles[level] = Some((index, hashes));
        }
        Ok(self.tiles[level].as_ref().map(|(_, hashes)| hashes.as_slice()).unwrap_or_default())
    }

    fn hash_above(&mut self, level: usize, index: u64, sealed: &Sealed) -> Result<Option<Hash>, LoadError> {
        if let Some(hash) = sealed.edge.hash(level + 1, index) {
            return Ok(Some(hash));
        }
        let (tile, place) = (index / TILE_WIDTH, (index % TILE_WIDTH) as usize);
        let bundles_below = TILE_WIDTH.checked_pow(level as u32 + 1).and_then(|width| width.checked_mul(tile + 1));
        if bundles_below.is_some_and(|bundles| bundles <= sealed.bundles) {
            return Ok(self.tile(level + 1, tile, sealed)?.get(place).copied());
        }
        Ok(None)
    }

    /// The bundle that holds sequence number `seq`, when one of the sealed bundles does; else the number of bundles.
    pub fn find(&mut self, seq: u64, sealed: &Sealed) -> Result<u64, LoadError> {
        // Each leaf stands for at least one sequence number, from 1: the leaf of `seq` has at most number `seq - 1`.
        let highest = seq.saturating_sub(1) / TILE_WIDTH;
        if highest < sealed.bundles && self.first_seq(highest, sealed)? <= seq {
            return Ok(highest);
        }
        let (mut from, mut to) = (0, sealed.bundles.min(highest));
        while from < to {
            let middle = from + (to - from) / 2;
            if self.first_seq(middle, sealed)? <= seq { from = middle + 1 } else { to = middle }
        }
        Ok(from.saturating_sub(1))
    }

    fn first_seq(&mut self, index: u64, sealed: &Sealed) -> Result<u64, LoadError> {
        let leaves = self.load(index, sealed)?;
        let path = layout::entries(&self.dir, index);
        let first = leaves.first().map(|leaf| Leaf::decode(leaf)).transpose();
        match first {
            Ok(leaf) => Ok(leaf.map_or(0, |leaf| leaf.seq)),
            Err(error) => Err(LoadError::damage(&path, Some(index * TILE_WIDTH), Problem::Leaf(error))),
        }
    }
}

/// A bundle's bytes: each leaf after its length as a big-endian u16.
pub(super) fn join(leaves: &[Bytes]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(leaves.iter().map(|leaf| leaf.len() + 2).sum());
    for leaf in leaves {
        bytes.extend_from_slice(&u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    bytes
}

/// A full bundle's leaves; they share its bytes. `None` unless there are exactly 256.
pub(super) fn split(bytes: &Bytes) -> Option<Vec<Bytes>> {
    let mut leaves = Vec::with_capacity(TILE_WIDTH as usize);
    let mut start = 0;
    while start < bytes.len() {
        let body = start + 2;
        let end = body + usize::from(u16::from_be_bytes(bytes.get(start..body)?.try_into().ok()?));
        if end > bytes.len() {
            return None;
        }
        leaves.push(bytes.slice(body..end));
        start = end;
    }
    (leaves.len() as u64 == TILE_WIDTH).then_some(leaves)
}
