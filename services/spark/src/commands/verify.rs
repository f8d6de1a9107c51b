//! `spark verify gate`: a past decision made again from the log alone, and held against the record, field by field.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use spark_aggregator::follow::describe;
use spark_aggregator::rebuild::{Archives, Decided, Rebuild, RebuildError};
use spark_core::fold::SEMANTICS;
use spark_core::gate::{Circumstances, Difference, decide, differences, named};
use spark_core::view::rfc3339;
use spark_schemas::event::GateDecided;

use super::progress::Progress;
use crate::cli::{OutputFormat, VerifyGateArgs};
use crate::exit;
use crate::output::say;

/// A check whose figures are not from the log; decisions of old builds do not say what they were.
const STATUS_CHECK: &str = "healthz.status";

/// Why nothing can be said about the record.
#[derive(Debug, thiserror::Error)]
enum Unverifiable {
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error("no decision {id:?} among the {decisions} of this log")]
    Unknown { id: String, decisions: u64 },
    #[error(
        "it was made with version {made} of the arithmetic, and this build has version {SEMANTICS}: use a build of then"
    )]
    OtherSemantics { made: u32 },
    #[error("its record does not say how the parts of Spark were, which {STATUS_CHECK} is judged by")]
    NoComponents,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    id: String,
    result: &'static str,
    /// What was done, a sentence each.
    steps: Vec<String>,
    /// Recorded (`before`) and rebuilt (`after`), where they differ.
    differences: Vec<Difference>,
}

/// Runs `spark verify gate`.
pub fn verify_gate(args: &VerifyGateArgs) -> anyhow::Result<ExitCode> {
    let mut steps = Steps { shown: args.format == OutputFormat::Text, said: Vec::new() };
    let (code, result, differences) = match verify(args, &mut steps) {
        Ok(differences) if differences.is_empty() => (0, "same", differences),
        Ok(differences) => (exit::FAILED, "differs", differences),
        Err(error) => {
            steps.say("can't", describe(&error));
            (exit::NO_DATA, "unverifiable", Vec::new())
        }
    };
    if args.format == OutputFormat::Json {
        let outcome = Outcome { id: args.id.clone(), result, steps: steps.said, differences };
        say!("{}", serde_json::to_string_pretty(&outcome)?)?;
        return Ok(code.into());
    }
    for Difference { field, before, after } in &differences {
        say!("  {field}: recorded {}, rebuilt {}", shown(before.as_ref()), shown(after.as_ref()))?;
    }
    match result {
        "same" => say!("same: the decision follows from the log, bit for bit")?,
        "differs" => say!("differs in {} fields: the decision does not follow from this log", differences.len())?,
        _ => say!("not verified")?,
    }
    Ok(code.into())
}

/// Every field in which the decision differs from the one made again.
fn verify(args: &VerifyGateArgs, steps: &mut Steps) -> Result<Vec<Difference>, Unverifiable> {
    let archives = Archives::find(&args.data)?;
    let leaves = archives.leaves()?;
    let Decided { decision: recorded, is_unnamed, origin, seq } = find(&archives, &args.id)?;
    let (at, by) = (rfc3339(recorded.at_ns), &recorded.by);
    steps.say("found", format!("sequence number {seq} of {origin}: decided for {at}, asked by {by:?}"));
    if recorded.semantics != SEMANTICS {
        return Err(Unverifiable::OtherSemantics { made: recorded.semantics });
    }
    let mut rebuild = Rebuild::new(&archives);
    let mut progress = Progress::new("folded", leaves);
    rebuild.advance(&recorded.positions, || progress.count())?;
    rebuild.count_anew()?;
    let places: Vec<String> =
        recorded.positions.iter().map(|place| format!("{}@{}", place.partition, place.seq)).collect();
    let folded = progress.counted();
    steps.say("folded", format!("{folded} leaves, each held against the tree, up to {}", places.join(", ")));
    let policy = rebuild
        .policy()
        .map_or("none".to_owned(), |policy| format!("{} in force since {}", policy.digest, rfc3339(policy.since)));
    steps.say("policy", policy);
    let digest = rebuild.digest(&recorded.positions);
    steps.say("state", digest.clone());
    // What an objective declared later, or a maintenance, asks for of the leaves before it.
    rebuild.count_anew()?;
    let parts = recorded.components.iter().map(|part| format!("{} {}", part.name, part.status.as_str()));
    steps
        .say("recorded", format!("parts of Spark: {}; build {}", parts.collect::<Vec<_>>().join(", "), recorded.build));

    let view = rebuild.view(&recorded.positions, recorded.at_ns);
    let circumstances = Circumstances::of(&recorded, digest);
    let mut rebuilt = match decide(&view, Some(&recorded.profile), circumstances) {
        Ok(rebuilt) => rebuilt,
        Err(unknown) => {
            let field = "profile".to_owned();
            let (before, after) = (Some(json!(recorded.profile)), Some(json!(unknown.known)));
            return Ok(vec![Difference { field, before, after }]);
        }
    };
    let mut recorded = recorded;
    if is_unnamed {
        for decision in [&mut recorded, &mut rebuilt] {
            decision.positions.iter_mut().for_each(|position| position.origin.clear());
        }
        rebuilt = named(rebuilt);
    }
    steps.say("decided", format!("{} checks made again: {}", rebuilt.checks.len(), rebuilt.id));
    let found = compare(&recorded, &rebuilt);
    if recorded.components.is_empty() && found.iter().any(|one| one.field.contains(STATUS_CHECK)) {
        return Err(Unverifiable::NoComponents);
    }
    Ok(found)
}

/// The fields that differ; also an identity that is not the record's own.
fn compare(recorded: &GateDecided, rebuilt: &GateDecided) -> Vec<Difference> {
    let mut found = differences(recorded, rebuilt);
    let own = named(recorded.clone()).id;
    if own != recorded.id {
        let (before, after) = (Some(json!(recorded.id)), Some(json!(own)));
        found.push(Difference { field: "id (of what is recorded)".to_owned(), before, after });
    }
    found
}

fn find(archives: &Archives, id: &str) -> Result<Decided, Unverifiable> {
    let mut decisions = 0;
    for decided in archives.decisions()? {
        let decided = decided?;
        if decided.decision.id == id {
            return Ok(decided);
        }
        decisions += 1;
    }
    Err(Unverifiable::Unknown { id: id.to_owned(), decisions })
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("nothing".to_owned(), Value::to_string)
}

/// What was done, said as it is done.
struct Steps {
    shown: bool,
    said: Vec<String>,
}

impl Steps {
    fn say(&mut self, what: &str, detail: String) {
        if self.shown {
            let _the_result_is_printed_again = say!("{what:<9} {detail}");
        }
        self.said.push(format!("{what}: {detail}"));
    }
}
