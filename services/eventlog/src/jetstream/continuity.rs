//! Whether a log is still the one that a checkpoint was taken of.

use crate::Bounds;

/// How far a reader has come, as it keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it read: [`Bounds::incarnation`].
    pub incarnation: String,
    /// The last sequence number it has; 0 when it has none.
    pub last_seq: u64,
}

/// What a checkpoint is worth against the log as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continuity {
    /// The same log, and it holds everything after the checkpoint: read on at `last_seq + 1`.
    Same,
    /// The log was deleted and made anew: seal what there is and begin the new one at its start.
    NewIncarnation,
    /// The same log holds less than was read from it: it lost frames that it had acknowledged.
    Regressed {
        /// The last that was read.
        read: u64,
        /// The last that is there.
        last_seq: u64,
    },
    /// The log's limits removed frames after the checkpoint before they were read.
    Gone {
        /// The first that was not read.
        wanted: u64,
        /// The first that is there.
        first_seq: u64,
    },
}

/// Holds `checkpoint` against the log's bounds.
///
/// A log that regressed and then grew past the checkpoint looks the same here: who must know also compares the frame
/// at the checkpoint, by reading from `last_seq` instead of `last_seq + 1`.
pub fn continuity(checkpoint: &Checkpoint, now: &Bounds) -> Continuity {
    let wanted = checkpoint.last_seq + 1;
    if checkpoint.incarnation != now.incarnation {
        Continuity::NewIncarnation
    } else if now.last_seq < checkpoint.last_seq {
        Continuity::Regressed { read: checkpoint.last_seq, last_seq: now.last_seq }
    } else if now.first_seq > wanted {
        Continuity::Gone { wanted, first_seq: now.first_seq }
    } else {
        Continuity::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(last_read: u64, first_seq: u64, last_seq: u64) -> Continuity {
        let checkpoint = Checkpoint { incarnation: "EVENTS@1".to_owned(), last_seq: last_read };
        continuity(&checkpoint, &Bounds { incarnation: "EVENTS@1".to_owned(), first_seq, last_seq })
    }

    #[test]
    fn the_same_log_goes_on() {
        assert_eq!(judge(0, 1, 0), Continuity::Same, "both empty");
        assert_eq!(judge(0, 1, 9), Continuity::Same, "nothing read yet");
        assert_eq!(judge(9, 1, 9), Continuity::Same, "everything read");
        assert_eq!(judge(9, 10, 9), Continuity::Same, "everything read, then removed");
        assert_eq!(judge(9, 10, 20), Continuity::Same, "exactly what was read is removed");
    }

    #[test]
    fn a_log_made_anew_is_another_log_whatever_it_holds() {
        let checkpoint = Checkpoint { incarnation: "EVENTS@1".to_owned(), last_seq: 9 };
        for last_seq in [0, 9, 20] {
            let now = Bounds { incarnation: "EVENTS@2".to_owned(), first_seq: 1, last_seq };
            assert_eq!(continuity(&checkpoint, &now), Continuity::NewIncarnation);
        }
    }

    #[test]
    fn losses_at_either_end_are_told_apart() {
        assert_eq!(judge(9, 1, 8), Continuity::Regressed { read: 9, last_seq: 8 });
        assert_eq!(judge(9, 11, 20), Continuity::Gone { wanted: 10, first_seq: 11 });
        assert_eq!(judge(9, 1, 0), Continuity::Regressed { read: 9, last_seq: 0 });
    }
}
