//! What a report takes from its leaves while they are folded: where in the log things are said, and what the state does
//! not keep.

mod said;
mod seen;

use spark_schemas::{Class, Event, EventSubject, Frame, Leaf, TimeNs};

use super::amend::Amendments;
use super::day::Day;
use super::model::{GapRow, RejectionRow};
use super::number::U64;
use crate::bucket::BucketStore;
use crate::config::Instant;
use crate::fold::{Applied, State, Totals};

pub(super) use said::Said;
pub(super) use seen::{FailedMinute, NO_EXAMPLE, REASONS, Seen, SeenAgent};

/// How many rejected frames are listed; all are counted.
const REJECTIONS_MAX: usize = 100;
/// How many holes of the log are listed; all lost messages are counted.
const GAPS_MAX: usize = 1_000;
const TEXT_BYTES_MAX: usize = 240;

/// What was taken from the leaves so far.
#[derive(Debug)]
pub(super) struct Collector {
    /// Counts before the first leaf.
    pub(super) before: Totals,
    pub(super) leaves: u64,
    pub(super) received: Option<(TimeNs, TimeNs)>,
    pub(super) seen: Seen,
    pub(super) said: Said,
    pub(super) amendments: Amendments,
    pub(super) gaps: Vec<GapRow>,
    pub(super) rejections: Vec<RejectionRow>,
}

impl Collector {
    pub(super) fn new(day: Day, state: &State, store: &dyn BucketStore) -> Self {
        Self {
            before: state.head().totals,
            leaves: 0,
            received: None,
            seen: Seen::new(day),
            said: Said::default(),
            amendments: Amendments::new(day, state, store),
            gaps: Vec::new(),
            rejections: Vec::new(),
        }
    }

    /// A frame that is about to be counted.
    pub(super) fn look(
        &mut self,
        seq: u64,
        state: &State,
        store: &dyn BucketStore,
        subject: &EventSubject,
        frame: &Frame,
    ) {
        self.seen.frame(seq, subject, frame);
        for event in &frame.events {
            match event {
                Event::Observed(observed) => {
                    self.amendments.observed(seq, observed, state, store);
                    self.seen.observed(seq, observed);
                }
                Event::Missed(missed) => {
                    self.amendments.missed(seq, missed, state, store);
                    self.seen.missed(missed);
                }
                Event::Targets(_) => self.amendments.noted(seq, super::model::Cause::Schedule),
                event if subject.class == Class::Ctl => {
                    self.amendments.declared(seq, event);
                    self.said.event(seq, event, state);
                }
                _ => {}
            }
        }
    }

    /// What became of a leaf.
    pub(super) fn leaf(&mut self, leaf: &Leaf<'_>, applied: &Applied) {
        let received = TimeNs(leaf.received_ns);
        match applied {
            Applied::Old => return,
            Applied::Gap if self.gaps.len() < GAPS_MAX => {
                let last = leaf.gap_last_seq().unwrap_or(leaf.seq);
                let missing = super::model::Cite { first: U64(leaf.seq), last: U64(last) };
                let reason = excerpt(&String::from_utf8_lossy(leaf.payload));
                self.gaps.push(GapRow { at: Instant(received), missing, reason });
            }
            Applied::Rejected { reason } if self.rejections.len() < REJECTIONS_MAX => {
                let (subject, reason) = (excerpt(leaf.subject), excerpt(reason));
                self.rejections.push(RejectionRow { at: Instant(received), subject, reason, seq: U64(leaf.seq) });
            }
            _ => {}
        }
        self.leaves += 1;
        self.received = Some((self.received.map_or(received, |(first, _)| first), received));
    }
}

/// The start of a text from outside.
pub(super) fn excerpt(text: &str) -> String {
    match text.len() <= TEXT_BYTES_MAX {
        true => text.to_owned(),
        false => format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]),
    }
}
