//! The command line of `spark canary` and `spark verify canary`.

use clap::{Args, Subcommand, ValueEnum};
use spark_core::units::DurationUs;
use spark_schemas::Name;

use super::{OutputFormat, ServerArgs};

/// `spark canary`
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct CanaryArgs {
    #[command(subcommand)]
    pub command: Option<CanaryCommand>,
    /// What is checked now.
    #[arg(long, value_enum, required = true)]
    pub mode: Option<CanaryModeArg>,
    /// How often each target is checked, from 1 to 20; for --mode real.
    #[arg(long, value_name = "NUMBER")]
    pub runs: Option<u32>,
    /// A target to check; can be given more than once. By default all of the profile, none of which is a demo. For --mode
    /// real.
    #[arg(long = "target", value_name = "NAME")]
    pub targets: Vec<Name>,
    /// The profile whose targets and limit of latency are used; by default the running Spark's. For --mode real.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<Name>,
    #[command(flatten)]
    pub asking: CanaryAsking,
}

/// Where, as whom, and how a canary is asked for.
#[derive(Debug, Args)]
pub struct CanaryAsking {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Who asks; recorded.
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
    /// How to print the verdict.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
    /// A warning is a failure.
    #[arg(long)]
    pub strict: bool,
}

/// What a canary checks now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CanaryModeArg {
    /// A built-in target, healthy and sick, whose verdicts are known.
    Mock,
    /// The configured endpoints.
    Real,
}

/// `spark canary …`
#[derive(Debug, Subcommand)]
pub enum CanaryCommand {
    /// Compare two targets, or one target before and after a deployment or an instant.
    ///
    /// The samples are what the log has: exact latencies, each slot once. Latency is judged by the Mann-Whitney test and
    /// the Hodges-Lehmann shift, slow answers and errors by their shares; `[canary]` in the configuration says how sure
    /// the judge must be, and what is large enough to matter. docs/canary.md has examples and measured rates.
    #[command(group = clap::ArgGroup::new("what").required(true).args(["baseline", "target"]))]
    Compare(CanaryCompareArgs),
}

/// `spark canary compare`
#[derive(Debug, Args)]
pub struct CanaryCompareArgs {
    /// The target that the candidate is held against.
    #[arg(long, value_name = "TARGET", requires = "candidate", conflicts_with_all = ["target", "deployment", "at"])]
    pub baseline: Option<Name>,
    /// The target that is judged.
    #[arg(long, value_name = "TARGET", requires = "baseline")]
    pub candidate: Option<Name>,
    /// Over how long, up to now; by default 30m.
    #[arg(long, value_name = "DURATION", requires = "baseline")]
    pub window: Option<DurationUs>,
    /// The target that is compared with itself before.
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Name>,
    /// Before and after the latest deployment of this service, of that version if one is named.
    #[arg(long, value_name = "SERVICE[@VERSION]", requires = "target", conflicts_with = "at")]
    pub deployment: Option<String>,
    /// Before and after this instant, such as 2026-07-30T14:03:00Z.
    #[arg(long, value_name = "INSTANT", requires = "target", required_unless_present_any = ["deployment", "baseline"])]
    pub at: Option<String>,
    /// How long before; by default 30m.
    #[arg(long, value_name = "DURATION", requires = "target")]
    pub before: Option<DurationUs>,
    /// How long after, at most up to now; by default 10m.
    #[arg(long, value_name = "DURATION", requires = "target")]
    pub after: Option<DurationUs>,
    #[command(flatten)]
    pub asking: CanaryAsking,
}

/// `spark verify canary`
#[derive(Debug, Args)]
pub struct VerifyCanaryArgs {
    /// The canary's id, as `spark canary compare` says it.
    pub id: String,
    #[command(flatten)]
    pub server: ServerArgs,
    /// How to print what was found.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}
