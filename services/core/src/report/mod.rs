//! Daily risk reports: what one is, and how it follows from the state before a day's leaves and those leaves.
//!
//! Nothing else goes in: the closer of days, `spark report`, the export and an auditor's replay all use [`Replay`], and
//! the same leaves give the same bytes. The report of day D is made from the leaves that the log received from the end of
//! the day before, plus a grace, up to the end of D, plus the grace (`[report] grace`): each leaf is in exactly one report.

mod amend;
mod collect;
mod day;
mod declared;
mod evidence;
mod figures;
mod html;
mod incidents;
mod markdown;
mod model;
mod model_events;
mod model_figures;
mod number;
mod objectives;
mod risk;
mod scope;
mod silences;
mod statements;
mod text;
mod words;

use spark_schemas::{Leaf, TimeNs};

use crate::bucket::MemoryBuckets;
use crate::config::Instant;
use crate::fold::{AHEAD_MAX_NS, Applied, SEMANTICS, State};
use crate::units::DurationUs;
use crate::view::View;

pub use day::{Day, DayError};
pub use model::*;
pub use number::{I64, U64};

use collect::Collector;
use scope::Scope;

/// How long after a day's end its report waits, by the configuration in force.
pub fn grace(state: &State) -> DurationUs {
    let policy = state.head().declarations.policy.as_ref();
    policy.map(|policy| policy.config.report.grace).unwrap_or_else(|| crate::config::ReportPolicy::default().grace)
}

/// Whether a leaf received at `received` is the first behind the leaves of `day`, or comes after it, as known by the state
/// before that leaf. The first such leaf is where the report of `day` ends and that of the next day begins.
pub fn closes(day: Day, state: &State, received: TimeNs) -> bool {
    day.is_closed_by(received, grace(state))
}

/// The day to which a leaf received at `received` belongs, as known by the state before it.
pub fn day_of(state: &State, received: TimeNs) -> Day {
    Day::of(received.minus_us(grace(state).0))
}

/// What a log is called in evidence: where it watches, and which stream or archive it is.
pub fn origin(state: &State) -> String {
    let policy = state.head().declarations.policy.as_ref();
    let environment =
        policy.map_or_else(|| crate::config::Config::default().environment, |policy| policy.config.environment.clone());
    format!("spark/{environment}/{}", state.head().origin)
}

/// The leaves of a day, folded into the state before them, with all that its report takes from them.
#[derive(Debug)]
pub struct Replay {
    day: Day,
    state: State,
    buckets: MemoryBuckets,
    state_from: String,
    /// No earlier leaf holds a slot behind this; absent where this log is the first, and read from its start.
    slots_before: Option<TimeNs>,
    collected: Collector,
}

/// A day's report, and what is known after its leaves: where the next day begins.
#[derive(Debug)]
pub struct Finished {
    /// The report.
    pub report: Report,
    /// The state after the last leaf.
    pub state: State,
    /// Its closed buckets.
    pub buckets: MemoryBuckets,
}

impl Replay {
    /// Nothing is folded yet. `state` and `buckets` are what is known before the day's first leaf.
    ///
    /// Objectives that are to be counted anew at this place are counted by whoever has the earlier leaves
    /// ([`State::recounter`]) before this is called.
    pub fn new(day: Day, mut state: State, buckets: MemoryBuckets) -> Self {
        let head = state.head();
        let is_start = head.position == 0 && head.sealed.is_empty();
        let slots_before = (!is_start).then(|| TimeNs(head.fold_time.0.saturating_add(AHEAD_MAX_NS)));
        let state_from = crate::hex(&state.digest());
        let collected = Collector::new(day, &state, &buckets);
        Self { day, state, buckets, state_from, slots_before, collected }
    }

    /// The day.
    pub fn day(&self) -> Day {
        self.day
    }

    /// The state after the leaves so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether a leaf is no longer of this day: [`Replay::finish`] comes before it.
    pub fn is_closed_by(&self, leaf: &Leaf<'_>) -> bool {
        closes(self.day, &self.state, TimeNs(leaf.received_ns))
    }

    /// Folds the next leaf of the day.
    pub fn leaf(&mut self, leaf: &Leaf<'_>) -> Applied {
        let Self { state, buckets, collected, .. } = self;
        let applied = state.apply_seen(leaf, buckets, |state, store, subject, frame| {
            collected.look(leaf.seq, state, store, subject, frame);
        });
        collected.leaf(leaf, &applied);
        applied
    }

    /// Counts anew what objectives lack since something was declared within the day, such as a maintenance afterwards.
    /// `read` gives all of the day's leaves once more, to whom it is handed; it is called only if they are needed.
    ///
    /// What begins before the day's first leaf can't be counted from the day's leaves. It stays to be counted anew, has no
    /// figures in this report, and makes its risk unknown: an auditor has no other leaves either.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn count_anew<E>(&mut self, read: impl FnOnce(&mut dyn FnMut(&Leaf<'_>)) -> Result<(), E>) -> Result<(), E> {
        let Some(mut recounter) = self.state.recounter_behind(self.slots_before) else { return Ok(()) };
        let log = self.state.head().sealed.len() as u32;
        read(&mut |leaf| recounter.apply(log, leaf))?;
        self.state.finish_recount(recounter.finish(true), &mut self.buckets);
        Ok(())
    }

    /// What is known after the leaves so far, without a report of them.
    pub fn into_state(self) -> (State, MemoryBuckets) {
        (self.state, self.buckets)
    }

    /// Makes the report of the leaves so far, after [`Replay::count_anew`]. `span` says where they are; a draft is of a day that is not closed.
    pub fn finish(self, span: Span, is_draft: bool) -> Finished {
        let Self { day, mut state, buckets, state_from, collected, .. } = self;
        let digests = StateDigests { from: state_from, to: crate::hex(&state.digest()) };
        let last = TimeNs(day.end().0 - 1);
        let at = if is_draft { last.min(state.head().fold_time).max(day.start()) } else { last };
        let view = View::of_one(&state, &buckets, at);
        let scope = Scope::new(day, is_draft, view, &collected);
        let report = report(&scope, span, digests, &state, &buckets);
        Finished { report, state, buckets }
    }
}

fn report(scope: &Scope<'_>, log: Span, digests: StateDigests, state: &State, buckets: &MemoryBuckets) -> Report {
    let declarations = scope.view.declarations();
    let said = &scope.collected.said;
    let policy = declarations.policy.as_ref().filter(|_| declarations.policy_unreadable.is_none());
    let mut report = Report {
        format: FORMAT,
        date: scope.day,
        draft: scope.is_draft,
        environment: declarations.policy.as_ref().map(|policy| policy.config.environment.clone()),
        from: Instant(scope.day.start()),
        to: Instant(scope.day.end()),
        seen_until: Instant(scope.until()),
        log,
        arithmetic: Arithmetic { fold: SEMANTICS, report: REPORT_SEMANTICS },
        state: digests,
        policy: policy.map(|policy| Policy {
            digest: policy.digest.clone(),
            since: Instant(policy.since),
            profile: policy.config.profile.clone(),
        }),
        risk: Risk { level: Level::Unknown, recommendation: String::new(), reasons: Vec::new(), rules: Vec::new() },
        totals: scope
            .figures(scope.judged())
            .unwrap_or_else(|| figures::figures(&crate::view::Figures::nothing(scope.view.at))),
        objectives: objectives::objectives(&scope.view),
        targets: scope.target_rows(),
        incidents: incidents::incidents(scope),
        silences: silences::silences(scope),
        gate: said.gate.clone(),
        canaries: said.canaries.clone(),
        deployments: declared::deployments(scope),
        maintenances: declared::maintenances(scope),
        alerts: declared::alerts(scope),
        configurations: said.configurations.clone(),
        notes: said.notes.clone(),
        evidence: evidence::evidence(scope, state),
        agents: evidence::agents(scope.collected, state),
        amendments: scope.collected.amendments.finish(state, buckets),
        statements: Vec::new(),
    };
    report.risk = risk::risk(&report, &scope.policy);
    report.statements = statements::statements(&report, &scope.policy);
    report
}

impl Report {
    /// The bytes of `report.json`: canonical JSON (RFC 8785), so the same report has the same bytes everywhere.
    ///
    /// # Errors
    /// Never: a report has texts, small numbers and lists only.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json_canonicalizer::to_vec(self)
    }

    /// The style that the page has in it, for whoever serves it under a policy.
    pub const STYLE: &str = html::STYLE;

    /// `report.html`: a page for people that needs nothing else.
    pub fn to_html(&self) -> String {
        html::page(self).into_string()
    }

    /// For pull requests, chats and mail.
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self)
    }

    /// A few lines for a terminal.
    pub fn to_text(&self) -> String {
        text::text(self)
    }

    /// The report that [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// When it is another format's, or none.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
