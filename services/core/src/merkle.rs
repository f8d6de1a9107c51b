//! RFC 6962 hashing and the append-only tree, as pure arithmetic; where the hashes are kept is the archive's business.

mod proof;

use sha2::{Digest as _, Sha256};

pub use proof::{ProofError, Subtree, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Hashes in a full tile, and entries in a full bundle (C2SP tlog-tiles).
pub const TILE_WIDTH: u64 = 256;

/// `H(0x00 || leaf)`, RFC 6962 section 2.1.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// `H(0x01 || left || right)`, RFC 6962 section 2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without leaves: `H()`.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The roots of the perfect subtrees that make up a tree, largest first: all that is needed to append and to get the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    size: u64,
    hashes: Vec<Hash>,
}

impl CompactRange {
    /// The range of a tree with `size` leaves; `None` when `hashes` does not have one hash for each 1 bit of `size`.
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        (hashes.len() == size.count_ones() as usize).then_some(Self { size, hashes })
    }

    /// How many leaves it covers.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtrees' roots, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each trailing 1 bit of the size is a subtree as large as the one at hand: the two become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let smallest_first = self.hashes.iter().rev().copied();
        smallest_first.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }
}

/// The root of a perfect subtree over `hashes`, whose number must be a power of two.
pub fn subtree_root(hashes: &[Hash]) -> Hash {
    let mut range = CompactRange::default();
    hashes.iter().for_each(|hash| range.push(*hash));
    range.root()
}

/// A tile that is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialTile {
    /// Its level; 0 has the leaves' hashes.
    pub level: usize,
    /// Its number at that level.
    pub index: u64,
    /// How many hashes it has: 1 to 255.
    pub width: u64,
}

/// The tiles that are not full in a tree of `size` leaves, highest first: at most one a level.
pub fn partial_tiles(size: u64) -> impl Iterator<Item = PartialTile> {
    // Eight levels of 256 hold more leaves than can be counted.
    (0..8_usize).rev().filter_map(move |level| {
        let hashes = size >> (8 * level);
        let (index, width) = (hashes / TILE_WIDTH, hashes % TILE_WIDTH);
        (width > 0).then_some(PartialTile { level, index, width })
    })
}

/// A tile's or bundle's number as path elements of three digits, `x` before all but the last (C2SP tlog-tiles).
pub fn tile_index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hash: Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The leaves and roots that certificate-transparency's own tests publish for RFC 6962.
    #[test]
    fn published_roots_come_out() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut range = CompactRange::default();
        assert_eq!(hex(range.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (leaf, root) in leaves.iter().zip(roots) {
            range.push(leaf_hash(leaf));
            assert_eq!(hex(range.root()), root, "size {}", range.size());
        }
    }

    #[test]
    fn a_range_has_one_hash_for_each_bit_of_its_size() {
        let mut range = CompactRange::default();
        for size in 1..300_u64 {
            range.push(leaf_hash(&size.to_be_bytes()));
            assert_eq!(range.hashes().len(), size.count_ones() as usize);
            let again = CompactRange::from_parts(size, range.hashes().to_vec());
            assert_eq!(again.as_ref(), Some(&range));
        }
        assert_eq!(CompactRange::from_parts(3, vec![[0; 32]]), None);
    }

    /// The example of tlog-tiles.
    #[test]
    fn partial_tiles_are_those_of_the_specification() {
        let tiles = |size| partial_tiles(size).map(|tile| (tile.level, tile.index, tile.width)).collect::<Vec<_>>();
        assert_eq!(tiles(70_000), [(2, 0, 1), (1, 1, 17), (0, 273, 112)]);
        assert_eq!(tiles(256), [(1, 0, 1)]);
        assert_eq!(tiles(0), []);
        assert_eq!(tiles(u64::MAX).len(), 8);
    }

    #[test]
    fn tile_paths_are_those_of_the_specification() {
        assert_eq!(tile_index_path(0), "000");
        assert_eq!(tile_index_path(255), "255");
        assert_eq!(tile_index_path(1_234_067), "x001/x234/067");
    }
}
