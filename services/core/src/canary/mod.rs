//! Canary runs: what is compared, where its samples come from, and the event that says what came of it.
//!
//! A comparison's verdict is a function of the log, of what was selected and of the settings; all of that is in its
//! event, so whoever has the log can make it again ([`Selection::of`], [`Selection::sampler`], [`Samples::judge`]).

mod probed;
mod sampler;

use spark_schemas::event::{
    CanaryComparison, CanaryMode, CanaryRan, CanarySide, CheckResult, Deployment, StreamPosition, TimeSpan,
};
use spark_schemas::{Name, TimeNs};

pub use probed::{MOCK_RUNS, MockRuns, ProbedTarget, Run, mock_checks, mock_settings, real_checks};
pub use sampler::{Sampler, Samples};

use crate::config::Canary;
use crate::gate;
use crate::json;
use crate::judge;

/// An observation that the log received later than this after its side ended is left out, so that a range has an end.
pub const LATE_MAX_NS: u64 = 3_600 * TimeNs::SECOND;

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideOf {
    /// The target.
    pub target: Name,
    /// Slots that begin in this time count …
    pub span: TimeSpan,
    /// … unless they begin in one of these; apart and in order.
    pub excluded: Vec<TimeSpan>,
}

/// What is compared with what, by which settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What the candidate is held against.
    pub baseline: SideOf,
    /// What is judged.
    pub candidate: SideOf,
    /// The deployment between them, when one was named.
    pub deployment: Option<Deployment>,
    /// How it is judged.
    pub settings: Canary,
}

/// Who runs a canary, when, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    /// When it runs.
    pub at: TimeNs,
    /// Who asks.
    pub by: String,
    /// The build.
    pub build: String,
}

/// A recorded comparison that this build can't make again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another arithmetic.
    #[error("it was judged by version {found} of the judge's arithmetic, this build has version {}", judge::SEMANTICS)]
    Semantics {
        /// Its version.
        found: u32,
    },
    /// Settings that this build does not know.
    #[error("its settings can't be read")]
    Settings(#[source] serde_json::Error),
}

impl Selection {
    /// What a recorded comparison selected.
    pub fn of(comparison: &CanaryComparison) -> Result<Self, RebuildError> {
        if comparison.semantics != judge::SEMANTICS {
            return Err(RebuildError::Semantics { found: comparison.semantics });
        }
        let side = |side: &CanarySide| SideOf {
            target: side.target.clone(),
            span: TimeSpan { from_ns: side.from_ns, to_ns: side.to_ns },
            excluded: side.excluded.clone(),
        };
        Ok(Self {
            baseline: side(&comparison.baseline),
            candidate: side(&comparison.candidate),
            deployment: comparison.deployment.clone(),
            settings: serde_json::from_str(&comparison.settings).map_err(RebuildError::Settings)?,
        })
    }

    /// When the log may have received what is selected: the times of its frames.
    pub fn received_ns(&self) -> std::ops::Range<u64> {
        let (a, b) = (self.baseline.span, self.candidate.span);
        let from = a.from_ns.min(b.from_ns).0.saturating_sub(crate::fold::AHEAD_MAX_NS);
        from..a.to_ns.max(b.to_ns).0.saturating_add(LATE_MAX_NS)
    }

    /// Takes the samples out of the leaves of that time.
    pub fn sampler(&self) -> Sampler<'_> {
        Sampler::new(self)
    }

    /// The event of a comparison, with an identity computed from its content.
    pub fn ran(self, samples: &Samples, positions: Vec<StreamPosition>, circumstances: Circumstances) -> CanaryRan {
        let checks = samples.judge(&self.settings);
        let side = |side: SideOf, sampled: &judge::Side| CanarySide {
            target: side.target,
            from_ns: side.span.from_ns,
            to_ns: side.span.to_ns,
            excluded: side.excluded,
            observed: sampled.count(),
            failed: sampled.failed(),
            missed: sampled.missed(),
        };
        let comparison = CanaryComparison {
            baseline: side(self.baseline, &samples.baseline),
            candidate: side(self.candidate, &samples.candidate),
            deployment: self.deployment,
            positions,
            settings: json::canonical(&self.settings),
            semantics: judge::SEMANTICS,
        };
        ran(CanaryMode::Compare, checks, Some(Box::new(comparison)), circumstances)
    }
}

/// The event of a run, with an identity computed from its content.
pub fn ran(
    mode: CanaryMode,
    checks: Vec<CheckResult>,
    comparison: Option<Box<CanaryComparison>>,
    Circumstances { at, by, build }: Circumstances,
) -> CanaryRan {
    let verdict = gate::verdict(&checks);
    let mut ran = CanaryRan { id: "".into(), at_ns: at, mode, verdict, checks, by, comparison, build };
    ran.id = crate::identity(&json::bytes(&ran)).into();
    ran
}
