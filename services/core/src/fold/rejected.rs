//! Rejected frames that no event in the log reports yet. Bounded, however many come: where there are too many to name
//! each, the last entry speaks of several.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use spark_schemas::event::Rejected;

/// How many entries are kept. Those who report take far more in a second than an honest agent ever causes.
const ENTRIES_MAX: usize = 256;

/// Frames that no figure counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedFrames {
    /// The sequence number of the first; 0 for frames of a log that was sealed since.
    pub seq: u64,
    /// The sequence number of the last.
    pub last_seq: u64,
    /// How many they are.
    pub frames: u64,
    /// The first one's subject.
    pub subject: String,
    /// What was wrong with the first one.
    pub reason: String,
}

/// What waits to be reported, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unreported(VecDeque<RejectedFrames>);

impl Unreported {
    /// Those that wait, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &RejectedFrames> {
        self.0.iter()
    }

    /// How many frames wait.
    pub fn frames(&self) -> u64 {
        self.0.iter().map(|entry| entry.frames).sum()
    }

    pub(super) fn add(&mut self, seq: u64, subject: &str, reason: &str) {
        let is_full = self.0.len() >= ENTRIES_MAX;
        match self.0.back_mut() {
            Some(last) if is_full => {
                last.frames += 1;
                last.last_seq = seq;
            }
            _ => self.0.push_back(RejectedFrames {
                seq,
                last_seq: seq,
                frames: 1,
                subject: excerpt(subject),
                reason: excerpt(reason),
            }),
        }
    }

    /// An event reports some; more may have joined its entry since it was written.
    pub(super) fn forget(&mut self, report: &Rejected) {
        let Some(place) = self.0.iter().position(|entry| entry.seq == report.seq) else { return };
        let last_seq = report.last_seq.unwrap_or(report.seq);
        match self.0.get_mut(place) {
            Some(entry) if entry.last_seq > last_seq => {
                entry.seq = last_seq + 1;
                entry.frames = entry.frames.saturating_sub(report.frames).max(1);
            }
            _ => drop(self.0.remove(place)),
        }
    }

    /// Their log is sealed, so their numbers mean nothing to the next one: one entry tells of all.
    pub(super) fn seal(&mut self, origin: &str) {
        let frames = self.frames();
        if let Some(first) = self.0.pop_front() {
            let reason = match first.seq {
                0 => first.reason,
                seq => excerpt(&format!("frame {seq} of {origin}: {}", first.reason)),
            };
            self.0.clear();
            self.0.push_back(RejectedFrames { seq: 0, last_seq: 0, frames, subject: first.subject, reason });
        }
    }
}

/// The start of a text from outside: what a rejection quotes must fit its report, whatever was sent.
fn excerpt(text: &str) -> String {
    const BYTES_MAX: usize = 240;
    match text.len() <= BYTES_MAX {
        true => text.to_owned(),
        false => format!("{}…", &text[..text.floor_char_boundary(BYTES_MAX)]),
    }
}

#[cfg(test)]
mod tests {
    use spark_schemas::TimeNs;

    use super::*;

    fn report(entry: &RejectedFrames) -> Rejected {
        let RejectedFrames { seq, last_seq, frames, subject, reason } = entry.clone();
        Rejected { at_ns: TimeNs(1), partition: 0, seq, last_seq: Some(last_seq), frames, subject, reason }
    }

    #[test]
    fn however_many_come_each_is_reported_once() {
        let mut unreported = Unreported::default();
        (1..=10_000).for_each(|seq| unreported.add(seq, "s", "r"));
        assert_eq!((unreported.0.len(), unreported.frames()), (ENTRIES_MAX, 10_000));
        // More join the last entry while its report is on its way.
        let reports: Vec<Rejected> = unreported.iter().map(report).collect();
        (10_001..=10_005).for_each(|seq| unreported.add(seq, "s", "r"));
        reports.iter().for_each(|report| unreported.forget(report));
        let rest: Vec<_> = unreported.iter().map(|entry| (entry.seq, entry.last_seq, entry.frames)).collect();
        assert_eq!(rest, [(10_001, 10_005, 5)]);
        let told: u64 = reports.iter().map(|report| report.frames).sum();
        assert_eq!(told + unreported.frames(), 10_005);
        let last = report(&unreported.0[0]);
        unreported.forget(&last);
        assert_eq!(unreported, Unreported::default());
    }

    #[test]
    fn those_of_a_sealed_log_are_told_of_in_one_report() {
        let mut unreported = Unreported::default();
        (7..=9).for_each(|seq| unreported.add(seq, "s", "bad"));
        unreported.seal("EVENTS@1");
        unreported.add(7, "s", "worse");
        unreported.seal("EVENTS@2");
        unreported.add(7, "s", "worst");
        let told: Vec<_> = unreported.iter().map(|entry| (entry.seq, entry.frames, entry.reason.as_str())).collect();
        assert_eq!(told, [(0, 4, "frame 7 of EVENTS@1: bad"), (7, 1, "worst")]);
        let first = report(&unreported.0[0]);
        unreported.forget(&first);
        assert_eq!(unreported.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [7]);
    }
}
