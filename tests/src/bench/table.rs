//! The table: what was measured, beside its limit in the same run and the least it should be.

use std::time::Duration;

/// A figure's fate.
#[derive(Debug, Clone)]
enum Standing {
    /// As good as it should be.
    Reached,
    /// Not as good; the text says why.
    Short(&'static str),
    /// Nothing is asked of it: it explains another.
    Aside,
    /// Not measured; the text says why.
    Absent(&'static str),
}

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Figure {
    what: String,
    measured: String,
    limit: String,
    ratio: Option<f64>,
    target: String,
    standing: Standing,
}

impl Figure {
    /// A figure that explains another.
    pub fn aside(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            limit: String::new(),
            ratio: None,
            target: String::new(),
            standing: Standing::Aside,
        }
    }

    /// A row that can't be measured yet.
    pub fn absent(what: impl Into<String>, target: impl Into<String>, why: &'static str) -> Self {
        Self { target: target.into(), standing: Standing::Absent(why), ..Self::aside(what, "") }
    }

    /// A figure of which something is asked; `why_short` is said when it does not reach it.
    pub fn new(what: impl Into<String>, measured: impl Into<String>, target: impl Into<String>) -> Self {
        Self { target: target.into(), ..Self::aside(what, measured) }
    }

    /// With what it was held against in the same run, and its ratio to that.
    pub fn beside(self, limit: impl Into<String>, ratio: f64) -> Self {
        Self { limit: limit.into(), ratio: Some(ratio), ..self }
    }

    /// Whether it is what it should be; `why_short` is said when it is not.
    pub fn reached(self, reached: bool, why_short: &'static str) -> Self {
        Self { standing: if reached { Standing::Reached } else { Standing::Short(why_short) }, ..self }
    }

    /// Whether something was asked of it that it did not reach.
    pub fn is_short(&self) -> bool {
        matches!(self.standing, Standing::Short(_))
    }

    /// Prints the line.
    pub fn print(&self) {
        let mut line = format!("  {}", self.what);
        if !self.measured.is_empty() {
            line.push_str(&format!(": {}", self.measured));
        }
        if let Some(ratio) = self.ratio {
            line.push_str(&format!("; {:.0} % of {}", 100.0 * ratio, self.limit));
        }
        if !self.target.is_empty() {
            line.push_str(&format!("; asked: {}", self.target));
        }
        match self.standing {
            Standing::Reached => line.push_str(" - reached"),
            Standing::Short(why) => line.push_str(&format!(" - NOT REACHED: {why}")),
            Standing::Absent(why) => line.push_str(&format!(" - not measured: {why}")),
            Standing::Aside => {}
        }
        println!("{line}");
    }
}

/// `1234567.0` as `1.23 M`.
pub fn amount(figure: f64) -> String {
    match figure {
        f if f >= 1e6 => format!("{:.2} M", f / 1e6),
        f if f >= 1e4 => format!("{:.0} k", f / 1e3),
        f if f >= 100.0 => format!("{f:.0}"),
        f => format!("{f:.1}"),
    }
}

/// A duration in milliseconds.
pub fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Bytes as KB or MB (of 1,024).
pub fn bytes(count: u64) -> String {
    match count {
        b if b >= 10 << 20 => format!("{:.1} MB", b as f64 / f64::from(1 << 20)),
        b => format!("{:.1} KB", b as f64 / 1024.0),
    }
}
