//! A bundle: one day's report with the leaves and the state that it follows from, so that anybody can make it again.
//!
//! What is in one, and how it is verified, is in `docs/evidence.md`.

pub mod attest;
mod days;
pub mod entries;
mod make;
mod ship;
pub mod sums;

use std::collections::HashSet;
use std::ops::Range;

use spark_core::report::Day;

pub use days::{Days, Draft, Log, Logs, Next};
pub use make::{Before, IssueError, Issued, Making, REPORT_MD, Until};
pub use ship::{ExportError, ship, ship_to, unpack};

/// The signed size and root behind the last leaf.
pub const CHECKPOINT: &str = "checkpoint";
/// Those before the first leaf; absent when there is none before it.
pub const CHECKPOINT_FROM: &str = "checkpoint.from";
/// The compact range of the leaves before the first: raw hashes, the largest subtree's first.
pub const FRONTIER_FROM: &str = "frontier.from";
/// The state before the first leaf; absent when nothing was folded before.
pub const STATE_FROM: &str = "state.from";
/// The configuration in force, as it was recorded; absent when none was.
pub const POLICY: &str = "policy/config.json";
/// The report.
pub const REPORT_JSON: &str = "report.json";
/// The report for people.
pub const REPORT_HTML: &str = "report.html";
/// Which program made it.
pub const REPLAY: &str = "replay.json";
/// The public keys, for convenience.
pub const KEYS: &str = "keys/";
/// Every file but itself and the attestations.
pub const SUMS: &str = "SHA256SUMS";
/// Signed statements, one a line; the first is about the report.
pub const ATTESTATIONS: &str = "attestations.intoto.jsonl";

/// What a bundle is called: `evidence-<environment>-<stream>-<day>`.
pub fn name(origin: &str, day: Day) -> String {
    let (environment, log) =
        origin.strip_prefix("spark/").and_then(|rest| rest.split_once('/')).unwrap_or(("", origin));
    let stream = log.split_once('@').map_or(log, |(stream, _)| stream);
    format!("evidence-{environment}-{stream}-{day}")
}

/// Whether a path, other than a file of leaves, may be in a bundle.
fn is_allowed(path: &str) -> bool {
    match path {
        CHECKPOINT | CHECKPOINT_FROM | FRONTIER_FROM | STATE_FROM | POLICY | REPORT_JSON | REPORT_HTML | REPLAY => true,
        _ => path
            .strip_prefix(KEYS)
            .is_some_and(|name| !name.contains('/') && (name.ends_with(".vkey") || name.ends_with(".pem"))),
    }
}

/// The files that a bundle of these leaves can't be without.
fn required(leaves: &Range<u64>) -> impl Iterator<Item = String> + use<> {
    let always = [CHECKPOINT, REPORT_JSON, REPORT_HTML, REPLAY].map(str::to_owned);
    let before = [CHECKPOINT_FROM, FRONTIER_FROM, STATE_FROM].map(str::to_owned).into_iter();
    let of_entries = entries::files(leaves).map(entries::path);
    always
        .into_iter()
        .chain(before.filter({
            let has_before = leaves.start > 0;
            move |_| has_before
        }))
        .chain(of_entries)
}

/// What must be in a bundle of these leaves, and is not or should not be.
pub(crate) fn misfits(sums: &sums::Sums, leaves: &Range<u64>) -> Option<String> {
    if let Some(missing) = required(leaves).find(|path| sums.get(path).is_none()) {
        return Some(format!("{missing} is missing"));
    }
    let of_leaves: HashSet<String> = entries::files(leaves).map(entries::path).collect();
    let is_misplaced = |path: &&str| {
        !(is_allowed(path) || of_leaves.contains(*path))
            || (leaves.start == 0 && matches!(*path, CHECKPOINT_FROM | FRONTIER_FROM))
    };
    sums.iter().map(|(path, _)| path).find(is_misplaced).map(|path| format!("{path} does not belong there"))
}
