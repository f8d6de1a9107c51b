//! `spark gate replay`: past decisions made again as another policy would have, each at its own place in the log.
//!
//! One pass of the fold. A second reader runs ahead of it by a bounded number of decisions, so memory does not grow with
//! the log.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::process::ExitCode;

use serde::Serialize;
use spark_aggregator::follow::describe;
use spark_aggregator::rebuild::{Archives, Decided, Decisions, Rebuild, RebuildError};
use spark_aggregator::recorder::created_ns;
use spark_core::config::Config;
use spark_core::fold::{Policy, SEMANTICS};
use spark_core::gate::{Circumstances, Difference, decide, differences};
use spark_core::view::rfc3339;
use spark_eventlog::clock::wall_now;
use spark_schemas::TimeNs;
use spark_schemas::event::{CheckVerdict, GateDecided, Verdict};

use crate::cli::{GateReplayArgs, OutputFormat};
use crate::commands::progress::Progress;
use crate::configuration::{self, Overrides};
use crate::exit;
use crate::output::{complain, say};

/// Decisions are recorded in almost the order of their places; this many may be out of it.
const AHEAD: usize = 1_000;

/// What became of every decision.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Decisions that were made again.
    judged: u64,
    /// Those with another verdict.
    flips: Vec<Flip>,
    /// Those that could not be made again.
    skipped: Vec<Skipped>,
    /// What the new policy changes of the one that was in force last.
    policy: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Flip {
    id: String,
    at: String,
    profile: String,
    before: Verdict,
    after: Verdict,
    /// The checks that say something else, or were not asked before, or are no longer.
    checks: Vec<ChangedCheck>,
}

#[derive(Debug, Serialize)]
struct ChangedCheck {
    id: String,
    before: Option<CheckVerdict>,
    after: Option<CheckVerdict>,
    observed: Option<String>,
    threshold_before: Option<String>,
    threshold_after: Option<String>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Skipped {
    id: String,
    at: String,
    why: String,
}

/// Runs `spark gate replay`.
pub(super) fn replay(args: &GateReplayArgs) -> anyhow::Result<ExitCode> {
    let policy = configuration::load(Some(&args.policy), &Overrides::none()?)?;
    let since = args.since.map_or(TimeNs(0), |since| since.instant(wall_now()));
    let outcome = match judge_all(args, policy, since) {
        Ok(outcome) => outcome,
        Err(error) => {
            complain!("spark gate replay: {}", describe(&error));
            return Ok(exit::NO_DATA.into());
        }
    };
    match args.format {
        OutputFormat::Json => say!("{}", serde_json::to_string_pretty(&outcome)?)?,
        OutputFormat::Text => print(&outcome)?,
    }
    Ok(if outcome.judged == 0 { exit::NO_DATA.into() } else { ExitCode::SUCCESS })
}

fn judge_all(args: &GateReplayArgs, policy: Config, since: TimeNs) -> Result<Outcome, RebuildError> {
    let archives = Archives::find(&args.data)?;
    let mut progress = Progress::new("folded", archives.leaves()?);
    let mut rebuild = Rebuild::under(&archives, policy.clone());
    let mut fits = Fits::default();
    let mut outcome = Outcome::default();
    for decided in InOrder::new(archives.decisions()?, since) {
        let decision = decided?.decision;
        let skipped = |why: String| Skipped { id: decision.id.to_string(), at: rfc3339(decision.at_ns), why };
        if decision.semantics != SEMANTICS {
            outcome.skipped.push(skipped(format!("made with version {} of the arithmetic", decision.semantics)));
            continue;
        }
        match rebuild.advance(&decision.positions, || progress.count()) {
            Ok(()) => {}
            Err(error @ (RebuildError::Passed(_) | RebuildError::NoPartition(_) | RebuildError::NotReached { .. })) => {
                outcome.skipped.push(skipped(describe(&error)));
                continue;
            }
            Err(error) => return Err(error),
        }
        rebuild.count_anew()?;
        match judge(&rebuild, &mut fits, &decision) {
            Ok(again) => {
                outcome.judged += 1;
                outcome.flips.extend((again.verdict != decision.verdict).then(|| Flip::new(&decision, &again)));
            }
            Err(why) => outcome.skipped.push(skipped(why)),
        }
    }
    outcome.policy = changes(&policy, rebuild.policy());
    Ok(outcome)
}

/// The decision under the new policy. What was watched is a fact and no policy: nothing can be judged that nobody
/// observed.
fn judge(rebuild: &Rebuild, fits: &mut Fits, decision: &GateDecided) -> Result<GateDecided, String> {
    let view = rebuild.view(&decision.positions, decision.at_ns);
    fits.check(view.declarations().policy.as_ref())?;
    // Objectives that were counted anew then are counted by now: the question is of the policy.
    let circumstances = Circumstances::of(decision, decision.state_digest.to_string());
    let circumstances = Circumstances { recounting: Vec::new(), ..circumstances };
    decide(&view, Some(&decision.profile), circumstances).map_err(|error| error.to_string())
}

/// Whether the new policy fits what was watched, by the digest of both together.
#[derive(Default)]
struct Fits(Option<(String, Result<(), String>)>);

impl Fits {
    fn check(&mut self, policy: Option<&Policy>) -> Result<(), String> {
        let Some(policy) = policy else { return Err("no configuration was in force".to_owned()) };
        match &self.0 {
            Some((digest, fits)) if *digest == policy.digest => fits.clone(),
            _ => {
                let misfit = |message| format!("the new policy does not fit what was watched then: {message}");
                let fits = policy.config.check().map_err(misfit);
                self.0 = Some((policy.digest.clone(), fits.clone()));
                fits
            }
        }
    }
}

fn changes(new: &Config, declared: Option<&Policy>) -> Vec<Difference> {
    let judged = |config: &Config| serde_json::json!({"profiles": config.profiles, "slo": config.objectives});
    declared.map(|policy| differences(&judged(&policy.config), &judged(new))).unwrap_or_default()
}

impl Flip {
    fn new(before: &GateDecided, after: &GateDecided) -> Self {
        let mut by_name: BTreeMap<&str, (usize, ChangedCheck)> = BTreeMap::new();
        let blank = |id: &str| ChangedCheck {
            id: id.to_owned(),
            before: None,
            after: None,
            observed: None,
            threshold_before: None,
            threshold_after: None,
            reason: String::new(),
        };
        for (n, check) in before.checks.iter().enumerate() {
            let (_, changed) = by_name.entry(&check.id).or_insert_with(|| (n, blank(&check.id)));
            changed.before = Some(check.verdict);
            changed.threshold_before = check.threshold.as_deref().map(str::to_owned);
            changed.reason = "no longer asked".to_owned();
        }
        for (n, check) in after.checks.iter().enumerate() {
            let (_, changed) = by_name.entry(&check.id).or_insert_with(|| (n, blank(&check.id)));
            changed.after = Some(check.verdict);
            changed.threshold_after = check.threshold.as_deref().map(str::to_owned);
            changed.observed = check.observed.as_ref().map(|observed| with_unit(observed, &check.unit));
            changed.reason.clone_from(&check.reason);
        }
        let is_waived = |decision: &GateDecided, id: &str| decision.checks.iter().any(|one| one.id == id && one.waived);
        let differs = |changed: &ChangedCheck| {
            changed.before != changed.after || is_waived(before, &changed.id) != is_waived(after, &changed.id)
        };
        let mut checks: Vec<(usize, ChangedCheck)> = by_name.into_values().filter(|(_, one)| differs(one)).collect();
        checks.sort_by_key(|(n, _)| *n);
        Self {
            id: before.id.to_string(),
            at: rfc3339(before.at_ns),
            profile: before.profile.to_string(),
            before: before.verdict,
            after: after.verdict,
            checks: checks.into_iter().map(|(_, check)| check).collect(),
        }
    }
}

fn with_unit(figure: &str, unit: &str) -> String {
    if unit.is_empty() { figure.to_owned() } else { format!("{figure} {unit}") }
}

/// A place in the log of partition 0: the incarnation by its age, and the number in it.
type Place = (u64, u64);

fn place(decision: &GateDecided) -> Place {
    decision.positions.first().map_or((0, 0), |position| (created_ns(&position.origin), position.seq))
}

/// Decisions in the order of their places, each once.
struct InOrder {
    decisions: Decisions,
    since: TimeNs,
    ahead: BinaryHeap<Reverse<(Place, String, Held)>>,
    last: Option<(Place, String)>,
    failed: Option<RebuildError>,
}

/// Kept out of the order of the heap.
struct Held(Box<Decided>);

impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl InOrder {
    fn new(decisions: Decisions, since: TimeNs) -> Self {
        Self { decisions, since, ahead: BinaryHeap::new(), last: None, failed: None }
    }

    fn fill(&mut self) {
        while self.failed.is_none() && self.ahead.len() < AHEAD {
            match self.decisions.next() {
                None => break,
                Some(Err(error)) => self.failed = Some(error),
                Some(Ok(decided)) if decided.decision.at_ns < self.since => {}
                Some(Ok(decided)) => {
                    let key = (place(&decided.decision), decided.decision.id.to_string());
                    self.ahead.push(Reverse((key.0, key.1, Held(Box::new(decided)))));
                }
            }
        }
    }
}

impl Iterator for InOrder {
    type Item = Result<Decided, RebuildError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.fill();
            let Some(Reverse((place, id, Held(decided)))) = self.ahead.pop() else {
                return self.failed.take().map(Err);
            };
            let key = Some((place, id));
            if self.last != key {
                self.last = key;
                return Some(Ok(*decided));
            }
        }
    }
}

fn print(outcome: &Outcome) -> io::Result<()> {
    let Outcome { judged, flips, skipped, policy } = outcome;
    for Difference { field, before, after } in policy {
        let shown =
            |value: &Option<serde_json::Value>| value.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        say!("policy    {field}: {} → {}", shown(before), shown(after))?;
    }
    for flip in flips {
        let (before, after) = (flip.before.as_str(), flip.after.as_str());
        say!("flips     {} at {}, profile {}: {before} → {after}", flip.id, flip.at, flip.profile)?;
        for check in &flip.checks {
            let text = |verdict: Option<CheckVerdict>| verdict.map_or("not asked", CheckVerdict::as_str);
            let limit = |threshold: &Option<String>| threshold.clone().unwrap_or("-".to_owned());
            say!(
                "            {}: {} → {}, observed {}, limit {} → {}  ({})",
                check.id,
                text(check.before),
                text(check.after),
                check.observed.as_deref().unwrap_or("-"),
                limit(&check.threshold_before),
                limit(&check.threshold_after),
                check.reason
            )?;
        }
    }
    for Skipped { id, at, why } in skipped {
        say!("skipped   {id} at {at}: {why}")?;
    }
    say!("{} of {judged} decisions flip; {} could not be made again", flips.len(), skipped.len())
}
