//! Verifying a bundle, step by step: with a key that comes from outside of it, and nothing else.

mod files;
mod leaves;
mod replay;

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use spark_core::report::Report;
use spark_eventlog::archive::View;

use self::files::{files, listed_keys, text};
use self::leaves::{Found, Roots, continuous, frontier, leaves};
use self::replay::replayed;
use crate::bundle::attest::{Attested, Facts, statements};
use crate::bundle::sums::Sums;
use crate::bundle::{ATTESTATIONS, CHECKPOINT, CHECKPOINT_FROM, REPLAY};
use crate::checkpoint::Checkpoint;
use crate::dsse::{DsseError, Envelope};
use crate::note::{Note, NoteError};
use crate::statement::{RISK_REPORT, Statement};
use crate::vkey::Vkey;

/// What is verified, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A trusted key is given.
    Key,
    /// The attestations are signed by it.
    Attestations,
    /// Every file is the one that was signed for, and there is no other.
    Files,
    /// The checkpoints are signed by it, and are of the log that the report names.
    Checkpoints,
    /// The compact range has the root of the first checkpoint.
    Frontier,
    /// With the leaves it has the root of the second.
    Leaves,
    /// No leaf and no frame is missing, but those that the log says are.
    Continuity,
    /// A checkpoint that somebody else kept is of the same log.
    Witness,
    /// The leaves give the state and the report again.
    Replay,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Key => "key",
            Self::Attestations => "attestations",
            Self::Files => "files",
            Self::Checkpoints => "checkpoints",
            Self::Frontier => "frontier",
            Self::Leaves => "leaves",
            Self::Continuity => "continuity",
            Self::Witness => "witness",
            Self::Replay => "replay",
        })
    }
}

/// What is wrong with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It was changed after it was signed.
    Tampered,
    /// Something is missing from the log, and the log does not say so.
    Incomplete,
    /// The figures do not follow from the leaves.
    Differs,
    /// Nobody who is trusted has signed it.
    UnknownSigner,
}

impl Fault {
    /// What `spark evidence verify` ends with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Tampered => 1,
            Self::Incomplete => 2,
            Self::Differs => 3,
            Self::UnknownSigner => 4,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tampered => "tampered",
            Self::Incomplete => "incomplete",
            Self::Differs => "figures differ",
            Self::UnknownSigner => "unknown signer",
        }
    }
}

/// The first step that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {reason}")]
pub struct Refused {
    /// The step.
    pub step: Step,
    /// What is wrong.
    pub fault: Fault,
    /// The same in words.
    pub reason: String,
}

/// What to verify a bundle with.
#[derive(Debug, Default)]
pub struct Verifying {
    /// The keys that are trusted.
    pub trusted: Vec<Vkey>,
    /// Fold the leaves again and make the report anew.
    pub replay: bool,
    /// Checkpoints that somebody else kept.
    pub witnessed: Vec<String>,
    /// The log's archive, for checkpoints of a size that the bundle does not reach.
    pub log: Option<View>,
}

/// Hears what was verified, and of each leaf that was read.
pub trait Listener {
    /// A step is done; what it found, in words.
    fn verified(&mut self, step: Step, found: String);

    /// One of `of` leaves was read, in that step.
    fn leaf(&mut self, step: Step, of: u64);
}

/// A bundle that was read as far as its signatures and digests.
struct Bundle<'a> {
    dir: &'a Path,
    sums: Sums,
    report: Report,
    envelopes: Vec<Envelope>,
    listed: Vec<Vkey>,
}

fn tampered(step: Step) -> impl Fn(String) -> Refused {
    move |reason| Refused { step, fault: Fault::Tampered, reason }
}

impl Verifying {
    /// Verifies the bundle in `dir`; gives its report.
    pub fn verify(&self, dir: &Path, listener: &mut dyn Listener) -> Result<Report, Refused> {
        if self.trusted.is_empty() {
            let reason = "no trusted key: give the one that you got from its owner, not from the bundle".to_owned();
            return Err(Refused { step: Step::Key, fault: Fault::UnknownSigner, reason });
        }
        let names: Vec<&str> = self.trusted.iter().map(Vkey::name).collect();
        listener.verified(Step::Key, format!("{} from outside the bundle", names.join(", ")));

        let listed = listed_keys(dir);
        let (envelopes, signed) = self.attestations(dir, &listed)?;
        listener.verified(Step::Attestations, format!("{} statements, signed over their own bytes", signed.len()));

        let bundle = files(dir, &signed, envelopes, listed)?;
        let span = &bundle.report.log;
        let files = bundle.sums.iter().count();
        listener.verified(Step::Files, format!("{files} files and no other, each with its digest"));

        let (from, to) = self.checkpoints(&bundle)?;
        let range = span.from.size.0..span.to.size.0;
        listener.verified(Step::Checkpoints, format!("{}, sizes {} and {}", to.origin, range.start, range.end));

        let frontier = frontier(dir, from.as_ref(), range.start)?;
        listener.verified(
            Step::Frontier,
            format!("{} hashes have the root of size {}", frontier.hashes().len(), range.start),
        );

        let witnesses = self.witnesses(&to.origin)?;
        let (roots, found) = leaves(&bundle, frontier, &range, &witnesses, listener)?;
        if roots.last != to.root {
            return Err(tampered(Step::Leaves)(format!("with the leaves the root is not that of size {}", range.end)));
        }
        listener
            .verified(Step::Leaves, format!("{} leaves have the root of size {}", range.end - range.start, range.end));

        let Found { state, continuity, verdicts } = found;
        continuous(&continuity)?;
        let declared = continuity.declared();
        listener.verified(
            Step::Continuity,
            format!("no leaf and no frame is missing; {declared} messages are declared lost"),
        );

        attested(&bundle, &signed, &verdicts)?;
        self.witness(&bundle, &witnesses, &roots, listener)?;
        if self.replay {
            replayed(&bundle, state, listener)?;
            listener.verified(
                Step::Replay,
                "the same state, and the same report.json and report.html, byte for byte".to_owned(),
            );
        }
        Ok(bundle.report)
    }

    fn attestations(&self, dir: &Path, listed: &[Vkey]) -> Result<(Vec<Envelope>, Vec<Statement>), Refused> {
        let refuse = tampered(Step::Attestations);
        let text = text(dir, ATTESTATIONS).map_err(&refuse)?;
        let (mut envelopes, mut statements) = (Vec::new(), Vec::new());
        for line in text.strip_suffix('\n').ok_or_else(|| refuse("its last line does not end".to_owned()))?.split('\n')
        {
            let envelope = Envelope::parse(line).map_err(|error| refuse(error.to_string()))?;
            let payload = envelope.verify(&self.trusted, listed).map_err(|error| match &error {
                DsseError::UnknownSigner(_) => {
                    Refused { step: Step::Attestations, fault: Fault::UnknownSigner, reason: error.to_string() }
                }
                _ => refuse(error.to_string()),
            })?;
            statements.push(Statement::parse(payload).map_err(&refuse)?);
            envelopes.push(envelope);
        }
        match statements.first().is_some_and(|first| first.predicate_type == RISK_REPORT) {
            true => Ok((envelopes, statements)),
            false => Err(refuse("the first statement is not about a risk report".to_owned())),
        }
    }

    fn checkpoints(&self, bundle: &Bundle<'_>) -> Result<(Option<Checkpoint>, Checkpoint), Refused> {
        let read = |name: &str, mark: &spark_core::report::Mark| {
            let refuse = |reason: String| tampered(Step::Checkpoints)(format!("{name}: {reason}"));
            let checkpoint = self.signed(&text(bundle.dir, name).map_err(refuse)?, Step::Checkpoints, name)?;
            let wanted = (bundle.report.log.origin.as_str(), mark.size.0, mark.root.as_str());
            let root = spark_core::hex(&checkpoint.root);
            match (checkpoint.origin.as_str(), checkpoint.size, root.as_str()) == wanted {
                true => Ok(checkpoint),
                false => Err(refuse("it is not the one that the report names".to_owned())),
            }
        };
        let (from, to) = (&bundle.report.log.from, &bundle.report.log.to);
        let first = (from.size.0 > 0).then(|| read(CHECKPOINT_FROM, from)).transpose()?;
        Ok((first, read(CHECKPOINT, to)?))
    }

    /// A checkpoint that a trusted key signed.
    fn signed(&self, text: &str, step: Step, name: &str) -> Result<Checkpoint, Refused> {
        let refuse = |reason: String| tampered(step)(format!("{name}: {reason}"));
        let note: Note = text.parse().map_err(|error: NoteError| refuse(error.to_string()))?;
        note.verify(&self.trusted).map_err(|error| match error {
            NoteError::Unknown { .. } => {
                Refused { step, fault: Fault::UnknownSigner, reason: format!("{name}: {error}") }
            }
            _ => refuse(error.to_string()),
        })?;
        note.text().parse().map_err(|error: crate::checkpoint::CheckpointError| refuse(error.to_string()))
    }

    fn witnesses(&self, origin: &str) -> Result<Vec<Checkpoint>, Refused> {
        let read = |text: &String| {
            let witnessed = self.signed(text, Step::Witness, "the witnessed checkpoint")?;
            match witnessed.origin == origin {
                true => Ok(witnessed),
                false => {
                    Err(tampered(Step::Witness)(format!("it is of the log {}, not of {origin}", witnessed.origin)))
                }
            }
        };
        self.witnessed.iter().map(read).collect()
    }

    fn witness(
        &self,
        bundle: &Bundle<'_>,
        witnesses: &[Checkpoint],
        roots: &Roots,
        listener: &mut dyn Listener,
    ) -> Result<(), Refused> {
        let refuse = tampered(Step::Witness);
        let span = &bundle.report.log;
        for witness in witnesses {
            let size = witness.size;
            let root = match (roots.at(size), &self.log) {
                (Some(root), _) => root,
                (None, Some(log)) => {
                    let frontier = |size| log.frontier_at(size).map_err(|error| refuse(error.to_string()));
                    let at_end = frontier(span.to.size.0)?.map(|range| spark_core::hex(&range.root()));
                    if at_end.as_deref() != Some(span.to.root.as_str()) {
                        return Err(refuse("the log that was given is not the bundle's".to_owned()));
                    }
                    let range =
                        frontier(size)?.ok_or_else(|| refuse(format!("the log has fewer than {size} leaves")))?;
                    range.root()
                }
                (None, None) => {
                    let (from, to) = (span.from.size.0, span.to.size.0);
                    let reason =
                        format!("size {size} is outside of this bundle ({from} to {to}): give the log, too (--log)");
                    return Err(Refused { step: Step::Witness, fault: Fault::Incomplete, reason });
                }
            };
            if root != witness.root {
                return Err(refuse(format!("with {size} leaves the log had another root: its history was rewritten")));
            }
            listener.verified(Step::Witness, format!("the log of size {size} is the one that was witnessed"));
        }
        Ok(())
    }
}

/// Whether the statements are those that the files and leaves give.
fn attested(bundle: &Bundle<'_>, signed: &[Statement], verdicts: &[Attested]) -> Result<(), Refused> {
    let refuse = tampered(Step::Attestations);
    let replayer = text(bundle.dir, REPLAY).map_err(&refuse)?;
    let replayer: Value = serde_json::from_str(&replayer).map_err(|error| refuse(format!("{REPLAY}: {error}")))?;
    let keys = |envelope: &Envelope| -> Option<Vec<Vkey>> {
        envelope.signers().map(|id| bundle.listed.iter().find(|key| key.keyid() == id).cloned()).collect()
    };
    let signers =
        bundle.envelopes.first().and_then(keys).ok_or_else(|| refuse("a signer is not among keys/".to_owned()))?;
    let facts = Facts { report: &bundle.report, sums: &bundle.sums, replayer: &replayer, signers: &signers, verdicts };
    let wanted = statements(facts).ok_or_else(|| refuse("a file that they speak of is missing".to_owned()))?;
    match wanted.iter().zip(signed).position(|(wanted, signed)| wanted != signed) {
        Some(place) => Err(refuse(format!("statement {} is not what the bundle's files and leaves say", place + 1))),
        None if wanted.len() != signed.len() => {
            Err(refuse(format!("{} statements where the leaves call for {}", signed.len(), wanted.len())))
        }
        None => Ok(()),
    }
}

/// The directory of a bundle that may be a tape archive, which is unpacked beneath `scratch`.
pub fn directory_of(bundle: &Path, scratch: &Path) -> Result<PathBuf, crate::bundle::ExportError> {
    match bundle.is_dir() {
        true => Ok(bundle.to_owned()),
        false => crate::bundle::unpack(bundle, scratch),
    }
}
