//! The command line of `spark gate` and `spark verify gate`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use spark_core::units::DurationUs;
use spark_core::view::parse_rfc3339;
use spark_schemas::{Name, TimeNs};

use super::{OutputFormat, ServerArgs};

/// How a decision is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// The API's answer.
    Json,
    /// JUnit's XML, for the test view of a pipeline: a failure for each failed check, an error for each without data.
    Junit,
    /// Markdown, for a job summary or a comment on a change.
    Markdown,
}

/// `spark gate`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct GateArgs {
    #[command(subcommand)]
    pub command: Option<GateCommand>,
    #[command(flatten)]
    pub server: ServerArgs,
    /// The profile of objectives; by default the running Spark's.
    #[arg(long, value_name = "NAME", env = "SPARK_PROFILE")]
    pub profile: Option<Name>,
    /// Judge a past instant (RFC 3339) as far as it is known, and record nothing.
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
    /// Ask again for so long while there is no data, Spark can't be reached or is still reading its log, such as 5m.
    ///
    /// A failure is an answer and ends the wait. What is asked meanwhile is not recorded; the answer is.
    #[arg(long, value_name = "DURATION", conflicts_with = "at")]
    pub wait: Option<DurationUs>,
    /// How to print the decision.
    #[arg(long, value_enum, default_value = "text")]
    pub format: ReportFormat,
    /// Also write the decision to a file, such as junit=gate.xml; can be given more than once.
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub reports: Vec<ReportFile>,
    /// A warning is a failure.
    #[arg(long)]
    pub strict: bool,
    /// Only look: the decision is not recorded in the log.
    #[arg(long)]
    pub dry_run: bool,
    /// Who asks, such as a pipeline's name and run; kept with the decision.
    #[arg(long, value_name = "TEXT", env = "SPARK_BY")]
    pub by: Option<String>,
}

/// `spark gate …`
#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Make past decisions again as another policy would have: which would have been others, and why.
    ///
    /// Each is judged at its own place in the log, over the targets that were configured then, by the profiles,
    /// objectives and service hours of the new file. Exit code: 0 done, whatever flipped; 2 no decision could be made again; 64 the policy
    /// can't be used.
    Replay(GateReplayArgs),
}

/// `spark gate replay`
#[derive(Debug, Args)]
pub struct GateReplayArgs {
    /// The configuration whose policy is asked.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Only decisions since then: an instant (RFC 3339), or so long ago, such as 90d.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// The data directory of `spark up` or `spark aggregator`, or a copy of it. The service may be running.
    #[arg(long, value_name = "DIR", env = "SPARK_DATA", default_value = "spark-data")]
    pub data: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}

/// `spark verify gate`
#[derive(Debug, Args)]
pub struct VerifyGateArgs {
    /// The decision's identity, as `spark gate` printed it.
    #[arg(value_name = "ID")]
    pub id: String,
    /// The data directory of `spark up` or `spark aggregator`, or a copy of it. The service may be running.
    #[arg(long, value_name = "DIR", env = "SPARK_DATA", default_value = "spark-data")]
    pub data: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}

/// A file for a decision, and how it is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// How.
    pub format: ReportFormat,
    /// Where.
    pub file: PathBuf,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text.split_once('=').ok_or("write FORMAT=FILE, such as junit=gate.xml")?;
        let format = ReportFormat::from_str(format, false).map_err(|_unknown| {
            let known: Vec<String> = ReportFormat::value_variants().iter().map(ReportFormat::name).collect();
            format!("no format {format:?}; there are: {}", known.join(", "))
        })?;
        match file {
            "" => Err("the file has no name".to_owned()),
            file => Ok(Self { format, file: file.into() }),
        }
    }
}

impl ReportFormat {
    fn name(&self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// An instant, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// That instant.
    Instant(TimeNs),
    /// So long before now.
    Ago(DurationUs),
}

impl Since {
    /// The instant, seen from `now`.
    pub fn instant(self, now: TimeNs) -> TimeNs {
        match self {
            Self::Instant(at) => at,
            Self::Ago(ago) => TimeNs(now.0.saturating_sub(ago.0.saturating_mul(1_000))),
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let instant = parse_rfc3339(text).map(Self::Instant);
        let ago = || text.parse().ok().map(Self::Ago);
        instant.or_else(ago).ok_or_else(|| {
            format!("{text:?} is neither an instant such as 2026-07-30T12:00:00Z nor a duration such as 90d")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_name_a_format_and_a_file() {
        let junit = ReportFile { format: ReportFormat::Junit, file: "a=b.xml".into() };
        assert_eq!("junit=a=b.xml".parse(), Ok(junit));
        for wrong in ["junit", "", "=x", "junit=", "xml=x", "JUNIT=x"] {
            assert!(wrong.parse::<ReportFile>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn since_is_an_instant_or_so_long_ago() {
        let now = TimeNs(100 * TimeNs::SECOND);
        assert_eq!("1970-01-01T00:00:07Z".parse::<Since>().unwrap().instant(now), TimeNs(7 * TimeNs::SECOND));
        assert_eq!("1m".parse::<Since>().unwrap().instant(now), TimeNs(40 * TimeNs::SECOND));
        assert_eq!("90d".parse::<Since>().unwrap().instant(now), TimeNs(0));
        for wrong in ["", "yesterday", "90", "-1d", "2026-07-30"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong:?}");
        }
    }
}
