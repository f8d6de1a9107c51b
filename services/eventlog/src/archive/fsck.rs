//! Examines an archive from its leaves alone: every hash is computed anew and held against what lies on disk. What follows
//! from the leaves can be written again; a leaf that is gone can't.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use spark_core::merkle::{Hash, PartialTile, TILE_WIDTH, leaf_hash, partial_tiles, subtree_root};
use spark_schemas::Leaf;

use super::bundle::{join, split};
use super::edge::{Edge, FullTile, frontier};
use super::error::{LoadError, OpenError, Problem};
use super::{layout, open, publish, wal};

/// What is right where a bundle and its tile differ, and nothing above says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// The tile: the leaf is not what was written.
    #[default]
    Tiles,
    /// The leaves: the tile is not what was written.
    Leaves,
}

/// How to examine.
#[derive(Debug, Clone, Default)]
pub struct Examination {
    /// The size of the checkpoint, whose partial tiles are to be there.
    pub published: Option<u64>,
    /// Sizes of which the root is asked for.
    pub sizes: BTreeSet<u64>,
    /// What to believe in doubt.
    pub trust: Trust,
    /// Write again what can be. The archive is locked meanwhile.
    pub repair: bool,
}

/// Something that is not as it was written.
#[derive(Debug)]
pub struct Flaw {
    /// The file.
    pub path: PathBuf,
    /// The leaf, from 0, where it is about one.
    pub leaf: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
    /// It follows from the leaves, and can be written again.
    pub is_mendable: bool,
    /// It was.
    pub is_mended: bool,
    /// Leaf and tile differ, and nothing said which is right.
    pub is_doubtful: bool,
}

/// What an archive is.
#[derive(Debug, Default)]
pub struct Examined {
    /// Which log.
    pub incarnation: String,
    /// How many leaves there are.
    pub size: u64,
    /// The sequence number after the last one.
    pub next_seq: u64,
    /// The root of each size that was asked for, where there are so many leaves.
    pub roots: BTreeMap<u64, Hash>,
    /// What is wrong.
    pub flaws: Vec<Flaw>,
    /// Bytes at the end that were never acknowledged; the next start cuts them off.
    pub torn_bytes: u64,
    /// Partial tiles of older checkpoints.
    pub spare_files: u64,
}

/// Examines the archive in `dir`; `progress` hears of each leaf.
pub fn examine(dir: &Path, how: &Examination, progress: impl FnMut()) -> Result<Examined, OpenError> {
    let _lock = how.repair.then(|| open::lock(dir)).transpose()?;
    let origin = layout::origin(dir);
    let incarnation = fs::read_to_string(&origin).map_err(|source| LoadError::read(&origin, source))?;
    let mut pass = Pass {
        dir,
        how,
        progress,
        edge: Edge::default(),
        leaves: Vec::new(),
        next_seq: Some(1),
        partials: Vec::new(),
        above: None,
        examined: Examined { incarnation: incarnation.trim_end().to_owned(), ..Examined::default() },
    };
    pass.run()?;
    Ok(pass.examined)
}

struct Pass<'a, P> {
    dir: &'a Path,
    how: &'a Examination,
    progress: P,
    edge: Edge,
    /// Those of the bundle that is not full; `None` where only the hash is left.
    leaves: Vec<Option<Bytes>>,
    /// The sequence number that comes next, where the leaf before is left.
    next_seq: Option<u64>,
    /// The partial tiles of the published size.
    partials: Vec<(PathBuf, Vec<u8>)>,
    /// The tile one level up that was read last.
    above: Option<(u64, Option<Vec<Hash>>)>,
    examined: Examined,
}

impl<P: FnMut()> Pass<'_, P> {
    fn run(&mut self) -> Result<(), OpenError> {
        let segments = layout::segments(self.dir)?;
        let Some(&first) = segments.first() else {
            self.flaw(&layout::wal(self.dir), None, Problem::Missing);
            return Ok(());
        };
        // Bundles that the segments hold still are written again at the next start, whatever is there.
        let sealed = first.div_ceil(TILE_WIDTH);
        self.look_at_size();
        for index in 0..sealed {
            if !self.bundle(index)? {
                self.examined.size = self.edge.size();
                return Ok(());
            }
        }
        self.segments(&segments, sealed)?;
        self.examined.size = self.edge.size();
        self.examined.next_seq = self.next_seq.unwrap_or_default();
        self.published()
    }

    /// False when neither the leaves nor their hashes are left: nothing after them can be held against anything.
    fn bundle(&mut self, index: u64) -> Result<bool, OpenError> {
        let (entries, tile) = (layout::entries(self.dir, index), layout::tile(self.dir, 0, index));
        let leaves = match fs::read(&entries) {
            Ok(bytes) => split(&Bytes::from(bytes)).ok_or(Problem::Length),
            Err(error) => Err(missing(&entries, error)?),
        };
        let kept = match layout::read_tile(self.dir, 0, index) {
            Ok(hashes) => Ok(hashes),
            Err(LoadError::Damaged(damage)) => Err(damage.problem),
            Err(error) => return Err(error.into()),
        };
        let first = index * TILE_WIDTH;
        let (leaves, hashes) = match (leaves, kept) {
            (Ok(leaves), kept) => {
                let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
                match kept {
                    Ok(kept) if kept == hashes => (leaves.into_iter().map(Some).collect(), hashes),
                    Err(problem) => {
                        self.mend(&tile, problem, &hashes.concat(), false)?;
                        (leaves.into_iter().map(Some).collect(), hashes)
                    }
                    Ok(kept) => self.differ(index, (leaves, hashes), kept)?,
                }
            }
            (Err(problem), Ok(kept)) => {
                self.flaw(&entries, None, problem);
                (vec![None; kept.len()], kept)
            }
            (Err(problem), Err(tile_problem)) => {
                self.flaw(&entries, None, problem);
                self.flaw(&tile, None, tile_problem);
                return Ok(false);
            }
        };
        for (number, (leaf, hash)) in (first..).zip(leaves.into_iter().zip(hashes)) {
            self.push(&entries, number, leaf, hash, true)?;
        }
        Ok(true)
    }

    /// Leaves and tile differ: whichever gives the hash one level up is right.
    fn differ(
        &mut self,
        index: u64,
        (leaves, hashes): (Vec<Bytes>, Vec<Hash>),
        kept: Vec<Hash>,
    ) -> Result<(Vec<Option<Bytes>>, Vec<Hash>), OpenError> {
        let above = self.above(index);
        let is_known = above.is_some_and(|above| [&hashes, &kept].iter().any(|tile| subtree_root(tile) == above));
        let are_leaves_right = match above {
            Some(above) if is_known => subtree_root(&hashes) == above,
            _ => self.how.trust == Trust::Leaves,
        };
        if are_leaves_right {
            self.mend(&layout::tile(self.dir, 0, index), Problem::NotOfLeaves, &hashes.concat(), !is_known)?;
            return Ok((leaves.into_iter().map(Some).collect(), hashes));
        }
        let entries = layout::entries(self.dir, index);
        let mut left = Vec::with_capacity(leaves.len());
        for (number, (leaf, (hash, kept))) in
            (index * TILE_WIDTH..).zip(leaves.into_iter().zip(hashes.iter().zip(&kept)))
        {
            if hash != kept {
                self.flaw(&entries, Some(number), Problem::LeafHash);
                self.last_flaw_is_doubtful(!is_known);
            }
            left.push((hash == kept).then_some(leaf));
        }
        Ok((left, kept))
    }

    /// The hash of bundle `index` in the tile one level up, where that is full.
    fn above(&mut self, index: u64) -> Option<Hash> {
        let (tile, place) = (index / TILE_WIDTH, (index % TILE_WIDTH) as usize);
        if self.above.as_ref().is_none_or(|(cached, _)| *cached != tile) {
            self.above = Some((tile, layout::read_tile(self.dir, 1, tile).ok()));
        }
        self.above.as_ref().and_then(|(_, hashes)| hashes.as_ref()?.get(place).copied())
    }

    fn segments(&mut self, segments: &[u64], sealed: u64) -> Result<(), OpenError> {
        let mut next = segments.first().copied().unwrap_or_default();
        for (place, &start) in segments.iter().enumerate() {
            let path = layout::segment(self.dir, start);
            if start != next {
                self.flaw(&path, None, Problem::LeavesMissing { from: next });
                return Ok(());
            }
            let bytes = Bytes::from(fs::read(&path).map_err(|source| LoadError::read(&path, source))?);
            let scan = wal::scan(&bytes, start);
            next = start + scan.leaves.len() as u64;
            for (number, (leaf, hash)) in (start..).zip(scan.leaves) {
                if number >= sealed * TILE_WIDTH {
                    self.push(&path, number, Some(leaf), hash, false)?;
                }
            }
            let torn_bytes = bytes.len() as u64 - scan.good_bytes;
            if scan.is_damaged || (torn_bytes > 0 && place + 1 < segments.len()) {
                self.flaw(&path, Some(next), Problem::Bytes { offset: scan.good_bytes });
                return Ok(());
            }
            self.examined.torn_bytes = torn_bytes;
        }
        let beyond = layout::entries(self.dir, self.edge.size().max(next) / TILE_WIDTH);
        if next < sealed * TILE_WIDTH || beyond.exists() {
            self.flaw(&layout::wal(self.dir), Some(next), Problem::Unsealed { bundle: beyond });
        }
        Ok(())
    }

    fn push(
        &mut self,
        path: &Path,
        number: u64,
        leaf: Option<Bytes>,
        hash: Hash,
        is_sealed: bool,
    ) -> Result<(), OpenError> {
        (self.progress)();
        let expected = self.next_seq;
        self.next_seq = match leaf.as_deref().map(Leaf::decode) {
            Some(Ok(decoded)) => {
                if let Some(expected) = expected.filter(|expected| *expected != decoded.seq) {
                    self.flaw(path, Some(number), Problem::Sequence { expected, found: decoded.seq });
                }
                Some(decoded.next_seq())
            }
            Some(Err(error)) => {
                self.flaw(path, Some(number), Problem::Leaf(error));
                None
            }
            None => None,
        };
        self.leaves.push(leaf);
        let mut filled = Vec::new();
        self.edge.push(hash, &mut filled);
        // The lowest was looked at together with its leaves.
        for FullTile { level, index, hashes } in filled.into_iter().filter(|tile| is_sealed && tile.level > 0) {
            let tile = layout::tile(self.dir, level, index);
            let problem = match layout::read_tile(self.dir, level, index) {
                Ok(kept) if kept == *hashes => continue,
                Ok(_) => Problem::NotOfLeaves,
                Err(LoadError::Damaged(damage)) => damage.problem,
                Err(error) => return Err(error.into()),
            };
            self.mend(&tile, problem, &hashes.concat(), false)?;
        }
        self.look_at_size();
        if self.leaves.len() as u64 == TILE_WIDTH {
            self.leaves.clear();
        }
        Ok(())
    }

    /// Takes the root and the partial tiles, where the size is one that was asked for.
    fn look_at_size(&mut self) {
        let size = self.edge.size();
        if self.how.sizes.contains(&size) {
            let found: Result<_, std::convert::Infallible> = frontier(size, |level, tile, width| {
                Ok(self.edge.prefix(level, tile, width).map(<[Hash]>::to_vec).unwrap_or_default())
            });
            let Ok(range) = found;
            self.examined.roots.insert(size, range.root());
        }
        if self.how.published != Some(size) {
            return;
        }
        for PartialTile { level, index, width } in partial_tiles(size) {
            let hashes = self.edge.prefix(level, index, width).unwrap_or_default();
            self.partials.push((layout::partial_tile(self.dir, level, index, width), hashes.concat()));
            let leaves: Option<Vec<Bytes>> = self.leaves.iter().cloned().collect();
            if let Some(leaves) = leaves.filter(|_| level == 0) {
                self.partials.push((layout::partial_entries(self.dir, index, width), join(&leaves)));
            }
        }
    }

    /// The published partial tiles are there; others are to spare.
    fn published(&mut self) -> Result<(), OpenError> {
        for (path, bytes) in std::mem::take(&mut self.partials) {
            let problem = match fs::read(&path) {
                Ok(there) if there == bytes => continue,
                Ok(_) => Problem::NotOfLeaves,
                Err(error) => missing(&path, error)?,
            };
            self.mend(&path, problem, &bytes, false)?;
        }
        let kept: BTreeSet<PathBuf> =
            self.how.published.into_iter().flat_map(|size| publish::partial_paths(self.dir, size)).collect();
        let mut spare = Vec::new();
        find_partials(&self.dir.join("tile"), &mut spare).map_err(|source| OpenError::io(self.dir, source))?;
        spare.retain(|path| !kept.contains(path));
        if self.how.repair {
            for path in &spare {
                fs::remove_file(path).map_err(|source| OpenError::io(path, source))?;
                // Not empty as long as others are in it.
                let _kept = path.parent().map(fs::remove_dir);
            }
        }
        self.examined.spare_files = spare.len() as u64;
        Ok(())
    }

    fn flaw(&mut self, path: &Path, leaf: Option<u64>, problem: Problem) {
        let (is_mendable, is_mended, is_doubtful) = (false, false, false);
        let path = path.to_owned();
        self.examined.flaws.push(Flaw { path, leaf, problem, is_mendable, is_mended, is_doubtful });
    }

    fn last_flaw_is_doubtful(&mut self, is_doubtful: bool) {
        if let Some(flaw) = self.examined.flaws.last_mut() {
            flaw.is_doubtful = is_doubtful;
        }
    }

    fn mend(&mut self, path: &Path, problem: Problem, bytes: &[u8], is_doubtful: bool) -> Result<(), OpenError> {
        self.flaw(path, None, problem);
        if self.how.repair {
            layout::write_whole(path, bytes)
                .and_then(|file| file.sync_all())
                .and_then(|()| layout::sync_parents(self.dir, [path]))
                .map_err(|source| OpenError::io(path, source))?;
        }
        if let Some(flaw) = self.examined.flaws.last_mut() {
            (flaw.is_mendable, flaw.is_mended, flaw.is_doubtful) = (true, self.how.repair, is_doubtful);
        }
        Ok(())
    }
}

fn missing(path: &Path, error: std::io::Error) -> Result<Problem, OpenError> {
    match LoadError::read(path, error) {
        LoadError::Damaged(damage) => Ok(damage.problem),
        error @ LoadError::Io { .. } => Err(error.into()),
    }
}

fn find_partials(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.extension().is_some_and(|end| end == "p") {
            for entry in fs::read_dir(&path)? {
                found.push(entry?.path());
            }
        } else {
            find_partials(&path, found)?;
        }
    }
    Ok(())
}
