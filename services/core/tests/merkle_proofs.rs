//! Inclusion and consistency proofs: published vectors, every small tree, and what must not pass.

use std::convert::Infallible;

use spark_core::hex;
use spark_core::merkle::{
    CompactRange, Hash, ProofError, Subtree, consistency_proof, empty_root, inclusion_proof, leaf_hash, subtree_root,
    verify_consistency, verify_inclusion,
};

/// The leaves that certificate-transparency's own tests use for RFC 6962.
const PUBLISHED: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

struct Tree(Vec<Hash>);

impl Tree {
    fn numbered(size: u64) -> Self {
        Self((0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect())
    }

    fn root(&self, size: u64) -> Hash {
        let mut range = CompactRange::default();
        self.0[..size as usize].iter().for_each(|leaf| range.push(*leaf));
        range.root()
    }

    fn subtree(&self, Subtree { height, index }: Subtree) -> Result<Hash, Infallible> {
        let width = 1_usize << height;
        Ok(subtree_root(&self.0[index as usize * width..][..width]))
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        let Ok(path) = inclusion_proof(index, size, |subtree| self.subtree(subtree));
        path
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        let Ok(path) = consistency_proof(old, new, |subtree| self.subtree(subtree));
        path
    }
}

fn short(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| hex(&hash[..6])).collect()
}

#[test]
fn published_proofs_come_out() {
    let tree = Tree(PUBLISHED.iter().map(|leaf| leaf_hash(leaf)).collect());
    for (index, size, path) in [
        (0, 1, &[][..]),
        (0, 8, &["96a296d224f2", "5f083f0a1a33", "6b47aaf29ee3"]),
        (5, 8, &["bc1a0643b12e", "ca854ea128ed", "d37ee418976d"]),
        (2, 3, &["fac54203e7cc"]),
        (1, 5, &["6e340b9cffb3", "5f083f0a1a33", "bc1a0643b12e"]),
    ] {
        assert_eq!(short(&tree.inclusion(index, size)), path, "leaf {index} of {size}");
    }
    for (old, new, path) in [
        (1, 1, &[][..]),
        (1, 8, &["96a296d224f2", "5f083f0a1a33", "6b47aaf29ee3"]),
        (6, 8, &["0ebc5d3437fb", "ca854ea128ed", "d37ee418976d"]),
        (2, 5, &["5f083f0a1a33", "bc1a0643b12e"]),
    ] {
        assert_eq!(short(&tree.consistency(old, new)), path, "{old} to {new}");
    }
}

/// RFC 6962 section 2.1.3: the tree of seven leaves, whose subtrees have letters there.
#[test]
fn the_example_of_the_rfc_comes_out() {
    let tree = Tree::numbered(7);
    let node = |height, index| tree.subtree(Subtree { height, index }).unwrap();
    let [a, b, c, d, f, j] = [0, 1, 2, 3, 5, 6].map(|index| node(0, index));
    let [g, h, i] = [0, 1, 2].map(|index| node(1, index));
    let k = node(2, 0);
    let l = spark_core::merkle::node_hash(&i, &j);
    assert_eq!(tree.inclusion(0, 7), [b, h, l]);
    assert_eq!(tree.inclusion(3, 7), [c, g, l]);
    assert_eq!(tree.inclusion(4, 7), [f, j, k]);
    assert_eq!(tree.inclusion(6, 7), [i, k]);
    assert_eq!(tree.consistency(3, 7), [c, d, g, l]);
    assert_eq!(tree.consistency(4, 7), [l]);
    assert_eq!(tree.consistency(6, 7), [i, j, k]);
    assert_ne!(a, b);
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_and_nothing_else_is() {
    let tree = Tree::numbered(40);
    for size in 1..=40 {
        let root = tree.root(size);
        for index in 0..size {
            let leaf = tree.0[index as usize];
            let path = tree.inclusion(index, size);
            let verify = |index, path: &[Hash]| verify_inclusion(&leaf, index, size, path, &root);
            assert_eq!(verify(index, &path), Ok(()), "leaf {index} of {size}");
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(verify(other, &path).is_err(), "leaf {index} of {size} as {other}");
            }
            assert_eq!(verify(index, &[&path[..], &[root]].concat()), Err(ProofError::Length));
            for place in 0..path.len() {
                let mut wrong = path.clone();
                wrong[place][7] ^= 1;
                assert_eq!(verify(index, &wrong), Err(ProofError::Root));
                assert!(verify(index, &path[..place]).is_err(), "cut short");
            }
        }
    }
}

#[test]
fn every_small_tree_is_the_beginning_of_larger_ones_and_of_no_other() {
    let tree = Tree::numbered(40);
    let mut forked = Tree::numbered(40);
    forked.0[0][0] ^= 1;
    for new in 0..=40 {
        for old in 0..=new {
            let path = tree.consistency(old, new);
            let (old_root, new_root) = (tree.root(old), tree.root(new));
            let verify = |old_root, path: &[Hash]| verify_consistency((old, &old_root), (new, &new_root), path);
            assert_eq!(verify(old_root, &path), Ok(()), "{old} to {new}");
            assert_eq!(verify(old_root, &[&path[..], &[new_root]].concat()), Err(ProofError::Length));
            if old > 0 {
                assert!(verify(forked.root(old), &path).is_err(), "{old} to {new} from another tree");
                let fork = verify_consistency((old, &old_root), (new, &forked.root(new)), &path);
                assert!(fork.is_err(), "{old} to {new} of another tree");
            }
            for place in 0..path.len() {
                let mut wrong = path.clone();
                wrong[place][31] ^= 0x80;
                assert_eq!(verify(old_root, &wrong), Err(ProofError::Root));
                assert!(verify(old_root, &path[..place]).is_err(), "cut short");
            }
        }
    }
}

#[test]
fn sizes_that_can_not_be_are_refused() {
    let root = empty_root();
    let out = |index, size| ProofError::OutOfRange { index, size };
    assert_eq!(verify_inclusion(&root, 0, 0, &[], &root), Err(out(0, 0)));
    assert_eq!(verify_inclusion(&root, u64::MAX, u64::MAX, &[], &root), Err(out(u64::MAX, u64::MAX)));
    assert_eq!(verify_consistency((2, &root), (1, &root), &[]), Err(out(2, 1)));
    assert_eq!(verify_consistency((0, &[1; 32]), (9, &root), &[]), Err(ProofError::Root));
    assert_eq!(verify_consistency((0, &root), (0, &[1; 32]), &[]), Err(ProofError::Root));
    assert_eq!(verify_consistency((u64::MAX - 1, &root), (u64::MAX, &root), &[]), Err(ProofError::Length));
}
