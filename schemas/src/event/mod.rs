//! Every event kind of version 1, and the rules each keeps on its own.
//!
//! An event is `{kind: {fields}}`. Readers ignore fields they don't know; an unknown kind is kept in the log, counted,
//! and otherwise passed over.

mod control;
mod decision;
mod observation;
mod trading;
mod wire;
mod words;

use compact_str::CompactString;

pub use control::{
    Alert, AlertState, Audit, ConfigApplied, ConfigRejected, Deployment, LogRepaired, Maintenance, MaintenanceAction,
    Note, Notified, Rejected, ReportIssued,
};
pub use decision::{
    AppliedWaiver, CanaryComparison, CanaryMode, CanaryRan, CanarySide, CheckResult, CheckVerdict, ComponentState,
    ComponentStatus, GateDecided, StreamPosition, TimeSpan, Verdict,
};
pub use observation::{FailReason, Heartbeat, Missed, MissedWhy, Observed, Outcome, Phases, TargetSchedule, Targets};
pub use trading::{Portfolio, Position, Strategy};

use crate::Class;

/// Calls `$callback!` with every kind: variant, payload type and wire name; a new one goes to its
/// group, or to the end.
macro_rules! for_each_kind {
    ($callback:ident) => {
        $callback! {
            Observed(Observed) = "observed",
            Missed(Missed) = "missed",
            Heartbeat(Heartbeat) = "heartbeat",
            Targets(Targets) = "targets",
            ConfigApplied(ConfigApplied) = "config_applied",
            ConfigRejected(ConfigRejected) = "config_rejected",
            Maintenance(Maintenance) = "maintenance",
            Deployment(Deployment) = "deployment",
            CanaryRan(CanaryRan) = "canary_ran",
            GateDecided(GateDecided) = "gate_decided",
            Alert(Alert) = "alert",
            Notified(Notified) = "notified",
            Audit(Audit) = "audit",
            Rejected(Rejected) = "rejected",
            LogRepaired(LogRepaired) = "log_repaired",
            ReportIssued(ReportIssued) = "report_issued",
            Portfolio(Portfolio) = "portfolio",
            Strategy(Strategy) = "strategy",
            Note(Note) = "note",
        }
    };
}
pub(crate) use for_each_kind;

macro_rules! define_event {
    ($($variant:ident($payload:ty) = $kind:literal,)+) => {
        /// Something that happened.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $(
                #[doc = concat!("`", $kind, "`")]
                $variant($payload),
            )+
            /// A kind that this build does not know; its fields stay in the log.
            Unknown {
                /// The kind's name as published.
                kind: CompactString,
            },
        }

        impl Event {
            /// The names of all kinds this build knows.
            pub const KINDS: &'static [&'static str] = &[$($kind),+];

            /// The kind's name on the wire; `unknown` for one that this build does not know.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)+
                    Self::Unknown { .. } => "unknown",
                }
            }
        }

        $(
            impl From<$payload> for Event {
                fn from(payload: $payload) -> Self {
                    Self::$variant(payload)
                }
            }
        )+
    };
}
for_each_kind!(define_event);

impl Event {
    /// Whether a subject of `class` may carry this event. Unknown kinds may travel anywhere: they change no figure.
    pub fn may_travel_in(&self, class: Class) -> bool {
        match self {
            Self::Heartbeat(_) | Self::Unknown { .. } => true,
            Self::Observed(_) | Self::Missed(_) | Self::Targets(_) => class == Class::Obs,
            _ => class == Class::Ctl,
        }
    }

    /// The event's own rules, beyond its shape; `Err` says which one it breaks.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Missed(missed) => missed.check(),
            Self::Targets(targets) => targets.check(),
            Self::ConfigApplied(config) => config.check(),
            Self::Maintenance(maintenance) => maintenance.check(),
            _ => Ok(()),
        }
    }
}
