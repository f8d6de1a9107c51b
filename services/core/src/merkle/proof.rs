//! Proofs that a leaf is in a tree, and that one tree is the beginning of another (RFC 6962 section 2.1, RFC 9162
//! sections 2.1.3 and 2.1.4): making them from a tree's perfect subtrees, and verifying them from nothing but roots.

use std::ops::Range;

use super::{Hash, empty_root, node_hash};

/// A perfect subtree: the one over the leaves `index << height .. (index + 1) << height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// Its leaves are two to the power of this.
    pub height: u32,
    /// How many subtrees of that height come before it.
    pub index: u64,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not one of the tree, or the later tree is the smaller one.
    #[error("leaf {index} can't be in a tree of {size} leaves")]
    OutOfRange {
        /// The leaf's number, or the smaller tree's size.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// It has more or fewer hashes than such a proof has.
    #[error("the proof has a wrong number of hashes")]
    Length,
    /// Its hashes do not give the root.
    #[error("the proof does not give the root")]
    Root,
}

/// The audit path of leaf `index` in the tree of `size` leaves, lowest hash first; `hash` gives perfect subtrees' roots.
/// Empty when there is no such leaf.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut hash: impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    let mut tree = 0..size;
    while tree.contains(&index) && tree.end - tree.start > 1 {
        let middle = split(&tree);
        let beside = if index < middle { middle..tree.end } else { tree.start..middle };
        path.push(range_root(beside, &mut hash)?);
        tree = if index < middle { tree.start..middle } else { middle..tree.end };
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `old` leaves is the beginning of the one of `new` leaves; empty when it needs none.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut hash: impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    let mut tree = 0..new;
    while tree.end != old {
        let middle = split(&tree);
        let beside = if old <= middle { middle..tree.end } else { tree.start..middle };
        path.push(range_root(beside, &mut hash)?);
        tree = if old <= middle { tree.start..middle } else { middle..tree.end };
    }
    // The old tree's own root is known to whoever verifies.
    if tree.start > 0 {
        path.push(range_root(tree, &mut hash)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that the leaf with hash `leaf` is number `index` of the tree of `size` leaves with this `root`.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { index, size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(beside, &hash);
            // A right edge without a sibling passes to the level above as it is.
            while node.is_multiple_of(2) && node > 0 {
                (node, last) = (node / 2, last / 2);
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        (node, last) = (node / 2, last / 2);
    }
    match last {
        0 if hash == *root => Ok(()),
        0 => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Checks that the tree of `old` leaves with `old_root` is the beginning of the one of `new` leaves with `new_root`.
pub fn verify_consistency(
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    path: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::OutOfRange { index: old, size: new });
    }
    if old == 0 || old == new {
        let is_same = if old == 0 { *old_root == empty_root() } else { old_root == new_root };
        let is_same = is_same && (new > 0 || *new_root == empty_root());
        return match path {
            [] if is_same => Ok(()),
            [] => Err(ProofError::Root),
            _ => Err(ProofError::Length),
        };
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node % 2 == 1 {
        (node, last) = (node / 2, last / 2);
    }
    // A perfect old tree is a subtree of the new one: its root begins the path.
    let (first, path) = match path {
        _ if old.is_power_of_two() => (old_root, path),
        [first, path @ ..] => (first, path),
        [] => return Err(ProofError::Length),
    };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for beside in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node % 2 == 1 || node == last {
            old_hash = node_hash(beside, &old_hash);
            new_hash = node_hash(beside, &new_hash);
            while node.is_multiple_of(2) && node > 0 {
                (node, last) = (node / 2, last / 2);
            }
        } else {
            new_hash = node_hash(&new_hash, beside);
        }
        (node, last) = (node / 2, last / 2);
    }
    match last {
        0 if old_hash == *old_root && new_hash == *new_root => Ok(()),
        0 => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Where a tree over more than one leaf splits: after the largest power of two that is smaller than it.
fn split(tree: &Range<u64>) -> u64 {
    let width = tree.end - tree.start;
    tree.start + (1 << (width - 1).ilog2())
}

/// The root over a range that begins where a subtree of its size does, from the perfect subtrees in it.
fn range_root<E>(range: Range<u64>, hash: &mut impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Hash, E> {
    let mut largest_first = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let height = (range.end - start).ilog2();
        largest_first.push(hash(Subtree { height, index: start >> height })?);
        start += 1 << height;
    }
    let smallest_first = largest_first.into_iter().rev();
    Ok(smallest_first.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root))
}
