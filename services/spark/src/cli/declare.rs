//! The command line of `spark maintenance` and `spark deploy`.

use clap::{Args, Subcommand};
use spark_core::units::DurationUs;
use spark_schemas::Name;

use super::{OutputFormat, ServerArgs};

/// `spark maintenance …`
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Declare a maintenance, also one that is over: a correction, which is shown as such.
    ///
    /// Observations of that time count for no objective, and targets that are in maintenance for no gate. Nothing is
    /// deleted: whoever calls the maintenance off has the figures back. docs/maintenance.md says what counts at its edges.
    Add(MaintenanceAddArgs),
    /// Call a maintenance off, as if it had never been: what was observed meanwhile counts again.
    Cancel(MaintenanceCancelArgs),
    /// List maintenances: those declared until a month after they ended, and those called off lately.
    List(ListArgs),
}

/// `spark maintenance add`
#[derive(Debug, Args)]
pub struct MaintenanceAddArgs {
    /// A target that it covers; can be given more than once. By default every target.
    #[arg(long = "target", value_name = "NAME")]
    pub targets: Vec<Name>,
    /// When it begins: `now`, or an instant such as 2026-11-23T20:00:00Z, at most 32 days ago.
    #[arg(long, value_name = "INSTANT", default_value = "now")]
    pub from: String,
    /// When it ends; at most 30 days after it began.
    #[arg(long, value_name = "INSTANT", conflicts_with = "length", required_unless_present = "length")]
    pub to: Option<String>,
    /// How long it takes, such as 30m.
    #[arg(long = "for", value_name = "DURATION")]
    pub length: Option<DurationUs>,
    /// Why, for who looks at the figures later.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Its id, for scripts that may run twice: the same maintenance again changes nothing. Made by default.
    #[arg(long, value_name = "ID")]
    pub id: Option<Name>,
    #[command(flatten)]
    pub declaring: DeclaringArgs,
}

/// `spark maintenance cancel`
#[derive(Debug, Args)]
pub struct MaintenanceCancelArgs {
    /// The maintenance's id, as `spark maintenance list` says it.
    pub id: Name,
    /// Why, for who looks at the figures later.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub declaring: DeclaringArgs,
}

/// `spark deploy …`
#[derive(Debug, Subcommand)]
pub enum DeployCommand {
    /// Mark that a version went out.
    ///
    /// Then `spark canary compare --target T --deployment SERVICE` holds what came after against what was before.
    Mark(DeployMarkArgs),
    /// List the latest deployments.
    List(ListArgs),
}

/// `spark deploy mark`
#[derive(Debug, Args)]
pub struct DeployMarkArgs {
    /// The service.
    #[arg(long, value_name = "NAME")]
    pub service: Name,
    /// Its version, as your team names it.
    #[arg(long, value_name = "TEXT")]
    pub version: String,
    /// When it went out: `now`, or an instant such as 2026-11-23T20:00:00Z, at most 32 days ago.
    #[arg(long, value_name = "INSTANT", default_value = "now")]
    pub at: String,
    #[command(flatten)]
    pub declaring: DeclaringArgs,
}

/// Where, as whom, and how something is declared.
#[derive(Debug, Args)]
pub struct DeclaringArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Who says so; recorded.
    #[arg(long, value_name = "WHO", env = "USER", hide_env_values = true)]
    pub by: Option<String>,
    /// How to print what was declared.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}

/// A list that is asked for.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// How to print the list.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}
