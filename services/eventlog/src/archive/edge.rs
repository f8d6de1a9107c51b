//! The tree's right edge: the hashes of the tiles that are not full yet, and the root and frontiers that follow from them.

use std::path::Path;
use std::sync::Arc;

use spark_core::merkle::{CompactRange, Hash, PartialTile, TILE_WIDTH, partial_tiles, subtree_root};

use super::error::LoadError;
use super::layout;

/// Tiles that are not full, one a level, lowest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    size: u64,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, Default)]
struct Level {
    /// How many full tiles precede.
    full: u64,
    /// The hashes after them, fewer than a tile holds.
    hashes: Vec<Hash>,
    /// The last full tile, which may not be on disk yet.
    before: Option<Arc<Vec<Hash>>>,
}

/// A tile that just became full.
#[derive(Debug)]
pub(super) struct FullTile {
    pub level: usize,
    pub index: u64,
    pub hashes: Arc<Vec<Hash>>,
}

impl Edge {
    /// The edge of a log whose first `bundles` bundles are on disk, from the full tiles below it.
    pub fn load(dir: &Path, bundles: u64) -> Result<Self, LoadError> {
        let mut levels = vec![Level { full: bundles, ..Level::default() }];
        let mut count = bundles;
        while count > 0 {
            let (full, below) = (count / TILE_WIDTH, levels.len() - 1);
            let root = |index| layout::read_tile(dir, below, index).map(|tile| subtree_root(&tile));
            let hashes = (full * TILE_WIDTH..count).map(root).collect::<Result<_, _>>()?;
            levels.push(Level { full, hashes, before: None });
            count = full;
        }
        Ok(Self { size: bundles * TILE_WIDTH, levels })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash; tiles that it fills are added to `filled`.
    pub fn push(&mut self, leaf: Hash, filled: &mut Vec<FullTile>) {
        self.size += 1;
        let mut hash = leaf;
        for number in 0.. {
            if self.levels.len() == number {
                self.levels.push(Level::default());
            }
            let level = &mut self.levels[number];
            level.hashes.push(hash);
            if (level.hashes.len() as u64) < TILE_WIDTH {
                return;
            }
            hash = subtree_root(&level.hashes);
            let hashes = Arc::new(std::mem::take(&mut level.hashes));
            level.before = Some(Arc::clone(&hashes));
            filled.push(FullTile { level: number, index: level.full, hashes });
            level.full += 1;
        }
    }

    /// The first `width` hashes of a tile, when the edge has them.
    pub fn prefix(&self, level: usize, tile: u64, width: u64) -> Option<&[Hash]> {
        let level = self.levels.get(level)?;
        let hashes = if tile == level.full {
            &level.hashes
        } else if tile + 1 == level.full {
            level.before.as_deref()?
        } else {
            return None;
        };
        hashes.get(..usize::try_from(width).ok()?)
    }

    /// The hash `index` of a level, when the edge has it.
    pub fn hash(&self, level: usize, index: u64) -> Option<Hash> {
        let (tile, place) = (index / TILE_WIDTH, index % TILE_WIDTH);
        self.prefix(level, tile, place + 1)?.last().copied()
    }
}

/// The compact range of the first `size` leaves; `prefix(level, tile, width)` gives the first hashes of a tile.
pub(super) fn frontier<E>(
    size: u64,
    mut prefix: impl FnMut(usize, u64, u64) -> Result<Vec<Hash>, E>,
) -> Result<CompactRange, E> {
    let mut hashes = Vec::new();
    for PartialTile { level, index, width } in partial_tiles(size) {
        let mut range = CompactRange::default();
        prefix(level, index, width)?.into_iter().for_each(|hash| range.push(hash));
        hashes.extend_from_slice(range.hashes());
    }
    Ok(CompactRange::from_parts(size, hashes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn the_edge_gives_the_root_at_every_size() {
        let (mut edge, mut all, mut filled) = (Edge::default(), CompactRange::default(), Vec::new());
        for number in 0..70_000_u64 {
            if number % 997 < 3 || number % 256 < 2 || number > 65_530 {
                let ours = frontier(edge.size(), |level, tile, width| {
                    Ok::<_, Infallible>(edge.prefix(level, tile, width).unwrap().to_vec())
                });
                assert_eq!(ours.unwrap(), all, "size {number}");
            }
            let hash = spark_core::merkle::leaf_hash(&number.to_be_bytes());
            edge.push(hash, &mut filled);
            all.push(hash);
        }
        let names: Vec<_> = filled.iter().map(|tile| (tile.level, tile.index)).collect();
        assert_eq!(names.iter().filter(|(level, _)| *level == 0).count(), 273);
        assert_eq!(names.iter().filter(|(level, _)| *level == 1).collect::<Vec<_>>(), [&(1, 0)]);
    }
}
