//! Verdicts and modes as they are written everywhere.

use super::{CanaryMode, CheckVerdict, Verdict};

impl CheckVerdict {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NoData => "no_data",
        }
    }
}

impl Verdict {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NoData => "no_data",
        }
    }
}

impl CanaryMode {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Real => "real",
            Self::Compare => "compare",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As serde writes it, where an event has it.
    fn in_json(value: impl serde::Serialize) -> serde_json::Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn they_are_written_as_events_have_them() {
        for verdict in [CheckVerdict::Pass, CheckVerdict::Warn, CheckVerdict::Fail, CheckVerdict::NoData] {
            assert_eq!(verdict.as_str(), in_json(verdict));
        }
        for verdict in [Verdict::Pass, Verdict::Warn, Verdict::Fail, Verdict::NoData] {
            assert_eq!(verdict.as_str(), in_json(verdict));
        }
        for mode in [CanaryMode::Mock, CanaryMode::Real, CanaryMode::Compare] {
            assert_eq!(mode.as_str(), in_json(mode));
        }
    }
}
