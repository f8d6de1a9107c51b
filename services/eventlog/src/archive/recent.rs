//! The message ids of the last two minutes, to tell a repeated append. An aid only: exactness is the fold's business.

use std::collections::{HashMap, VecDeque};

use spark_schemas::{Leaf, MsgId, TimeNs};

/// How long an id is remembered.
pub(super) const WINDOW_NS: u64 = 120 * TimeNs::SECOND;
/// How many ids are remembered.
pub(super) const IDS_MAX: usize = 100_000;

/// Recent message ids and where they were put.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by_id: HashMap<MsgId, u64>,
    in_order: VecDeque<(u64, MsgId, u64)>,
}

impl Recent {
    /// Where a frame with this id was put lately.
    pub fn seq_of(&self, id: &MsgId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// Remembers a frame.
    pub fn insert(&mut self, received_ns: u64, id: MsgId, seq: u64) {
        self.by_id.insert(id, seq);
        self.in_order.push_back((received_ns, id, seq));
    }

    /// Remembers a frame that was read back, if its id is one that agents give.
    pub fn insert_leaf(&mut self, leaf: &Leaf<'_>) {
        if let Ok(id) = leaf.msg_id.parse() {
            self.insert(leaf.received_ns, id, leaf.seq);
        }
    }

    /// Forgets frames from `seq` on: they were not written after all.
    pub fn forget_from(&mut self, seq: u64) {
        while let Some((_, id, _)) = self.in_order.pop_back_if(|(_, _, last)| *last >= seq) {
            self.by_id.remove(&id);
        }
    }

    /// Forgets what is old, or too much.
    pub fn prune(&mut self, now_ns: u64) {
        let oldest_ns = now_ns.saturating_sub(WINDOW_NS);
        while self.in_order.len() > IDS_MAX || self.in_order.front().is_some_and(|(at, _, _)| *at < oldest_ns) {
            if let Some((_, id, _)) = self.in_order.pop_front() {
                self.by_id.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use spark_schemas::Boot;

    use super::*;

    #[test]
    fn forgets_what_is_old_too_much_or_not_written() {
        let id = |seq| MsgId { boot: Boot([1; 16]), seq };
        let mut recent = Recent::default();
        recent.insert(1, id(1), 1);
        recent.insert(WINDOW_NS, id(2), 2);
        recent.insert(WINDOW_NS + 1, id(3), 3);
        recent.forget_from(3);
        assert_eq!(recent.seq_of(&id(3)), None);
        recent.prune(WINDOW_NS + 1);
        assert_eq!(recent.seq_of(&id(1)), Some(1), "exactly two minutes old");
        recent.prune(WINDOW_NS + 2);
        assert_eq!((recent.seq_of(&id(1)), recent.seq_of(&id(2))), (None, Some(2)));
        (0..=IDS_MAX as u64).for_each(|seq| recent.insert(WINDOW_NS, id(seq + 10), seq + 10));
        recent.prune(WINDOW_NS);
        assert_eq!(recent.in_order.len(), IDS_MAX);
        assert_eq!(recent.by_id.len(), IDS_MAX);
    }
}
