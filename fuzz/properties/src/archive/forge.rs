//! Leaves that no recorder wrote, with the hashes that belong to them: what only a wrong writer could leave behind.

use spark_schemas::{GAP_SUBJECT, Leaf};

use super::{number, small};

/// Every instruction takes five bytes.
const INSTRUCTIONS_MAX: u8 = 3;

/// Replaces some leaves, as many as the next byte says.
pub fn some(leaves: &mut [Vec<u8>], bytes: &mut impl Iterator<Item = u8>) {
    for _ in 0..bytes.next().unwrap_or_default() % (INSTRUCTIONS_MAX + 1) {
        let at = usize::from(number(bytes));
        let [kind, seq, more] = [(); 3].map(|()| bytes.next().unwrap_or_default());
        if !leaves.is_empty() {
            let at = at % leaves.len();
            leaves[at] = forged(&leaves[at], kind, seq, more);
        }
    }
}

fn forged(leaf: &[u8], kind: u8, seq: u8, more: u8) -> Vec<u8> {
    let was = Leaf::decode(leaf).map_or(0, |leaf| leaf.seq);
    let pick = |of: u8| match of {
        0 => 0,
        1 => u64::MAX,
        2 => u64::MAX - 1,
        of => was.wrapping_add(u64::from(of)).wrapping_sub(128),
    };
    let (seq, last) = (pick(seq), pick(more).to_string());
    let received_ns = if more == 1 { u64::MAX } else { small::RECEIVED_NS };
    let empty = Leaf { seq, received_ns, subject: "", msg_id: "", payload: &[] };
    match kind % 4 {
        0 => empty.encode().unwrap(),
        1 => Leaf { subject: GAP_SUBJECT, msg_id: &last, ..empty }.encode().unwrap(),
        // Another spelling: a number in eight bytes, which no writer needs.
        2 => {
            let rest = empty.encode().unwrap().split_off(if seq < 128 { 2 } else { 1 });
            [&[0x95, 0xcf][..], &seq.to_be_bytes(), &rest].concat()
        }
        _ => vec![seq as u8; usize::from(more).max(1)],
    }
}
