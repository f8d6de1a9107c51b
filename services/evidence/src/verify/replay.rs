//! The replay: the leaves give the state and the report again, byte for byte.

use spark_core::bucket::MemoryBuckets;
use spark_core::fold::{SEMANTICS, State};
use spark_core::report::{REPORT_SEMANTICS, Replay};
use spark_schemas::Leaf;

use super::files::text;
use super::{Bundle, Fault, Listener, Refused, Step, tampered};
use crate::bundle::entries::Leaves;
use crate::bundle::{POLICY, REPLAY, REPORT_HTML, REPORT_JSON};

pub(super) fn replayed(
    bundle: &Bundle<'_>,
    from: (State, MemoryBuckets),
    listener: &mut dyn Listener,
) -> Result<(), Refused> {
    let differs = |reason: String| Refused { step: Step::Replay, fault: Fault::Differs, reason };
    let report = &bundle.report;
    let (fold, rules) = (report.arithmetic.fold, report.arithmetic.report);
    if (fold, rules) != (SEMANTICS, REPORT_SEMANTICS) {
        return Err(differs(format!(
            "made by versions {fold} and {rules} of the arithmetic and the rules, and this build has {SEMANTICS} and \
             {REPORT_SEMANTICS}: replay it with the build that {REPLAY} names"
        )));
    }
    let (mut state, buckets) = from;
    state.begin(report.log.origin.rsplit('/').next().unwrap_or_default());
    let mut replay = Replay::new(report.date, state, buckets);
    each_leaf(bundle, |leaf| {
        if replay.is_closed_by(leaf) {
            return Err(differs(format!("the leaf of sequence number {} was received after the day", leaf.seq)));
        }
        replay.leaf(leaf);
        listener.leaf(Step::Replay, report.log.to.size.0 - report.log.from.size.0);
        Ok(())
    })?;
    replay.count_anew(|take| {
        each_leaf(bundle, |leaf| {
            take(leaf);
            Ok(())
        })
    })?;
    let finished = replay.finish(report.log.clone(), report.draft);
    if finished.report.state != report.state {
        return Err(differs("the leaves give another state".to_owned()));
    }
    let policy = finished.state.head().declarations.policy.as_ref().map(|policy| policy.config.canonical_json());
    let recorded = bundle.sums.get(POLICY).map(|_| text(bundle.dir, POLICY)).transpose().map_err(differs)?;
    if policy != recorded {
        return Err(differs(format!("{POLICY} is not what the leaves declare")));
    }
    let json = finished.report.to_json().map_err(|error| differs(error.to_string()))?;
    for (name, made) in [(REPORT_JSON, json), (REPORT_HTML, finished.report.to_html().into_bytes())] {
        if text(bundle.dir, name).map_err(differs)?.as_bytes() != made {
            return Err(differs(format!("the leaves give another {name}")));
        }
    }
    Ok(())
}

/// Gives each leaf, which was held against the tree before, to `take`.
fn each_leaf(bundle: &Bundle<'_>, mut take: impl FnMut(&Leaf<'_>) -> Result<(), Refused>) -> Result<(), Refused> {
    let refuse = tampered(Step::Replay);
    for bytes in Leaves::of(bundle.dir, bundle.report.log.from.size.0..bundle.report.log.to.size.0) {
        let bytes = bytes.map_err(|error| refuse(error.to_string()))?;
        take(&Leaf::decode(&bytes).map_err(|error| refuse(error.to_string()))?)?;
    }
    Ok(())
}
