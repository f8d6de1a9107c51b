//! The command line.

mod canary;
mod declare;
mod evidence;
mod gate;
mod report;

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use spark_schemas::Name;
use url::Url;

pub use canary::{CanaryArgs, CanaryAsking, CanaryCommand, CanaryCompareArgs, CanaryModeArg, VerifyCanaryArgs};
pub use declare::{
    DeployCommand, DeployMarkArgs, ListArgs, MaintenanceAddArgs, MaintenanceCancelArgs, MaintenanceCommand,
};
pub use evidence::{
    ArchiveCatArgs, ArchiveCommand, ArchiveFsckArgs, EvidenceCommand, EvidenceExportArgs, EvidenceVerifyArgs, KeysArgs,
    KeysCommand, KeysRetireArgs, KeysShowArgs, SigningArgs,
};
pub use gate::{GateArgs, GateCommand, GateReplayArgs, ReportFile, ReportFormat, VerifyGateArgs};

pub use report::{DailyFormat, ReportArgs};

use crate::configuration::web_url;

/// Is it safe to deploy, and can you prove it?
///
/// Without a command, starts everything on this machine (`spark up`): probe, event log, aggregator and web, with no
/// server to install. Open http://127.0.0.1:3003 then, and ask `spark gate` before you deploy.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Without a command: `up`.
    #[command(flatten)]
    pub up: UpArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine: probe, event log, aggregator and web.
    Up(UpArgs),
    /// Start a probe agent that publishes to NATS JetStream.
    Probe(ProbeArgs),
    /// Start the aggregator: fold the log into windows, record it into the archive, publish what it derives.
    Aggregator(AggregatorArgs),
    /// Start the web service: pages, API, deploy gate.
    Web(WebArgs),
    /// Prepare NATS.
    #[command(subcommand)]
    Nats(NatsCommand),
    /// Ask a running Spark whether it is safe to deploy.
    ///
    /// Exit code: 0 safe; 1 a check failed (or warned, with --strict); 2 no data, or Spark can't be reached or is still
    /// reading its log; 64 wrong usage. Missing data is never a pass.
    Gate(GateArgs),
    /// Have a running Spark look whether something works, or compare how a target answers with how it did.
    ///
    /// `--mode real` checks the configured endpoints now; `--mode mock` checks a built-in target and proves that canaries
    /// work; `compare` judges latencies and errors that the log has. Every run is an event on the log.
    ///
    /// Exit code: 0 passed; 1 a check failed (or warned, with --strict); 2 no data, or Spark can't be reached; 64 wrong
    /// usage.
    Canary(CanaryArgs),
    /// Declare times whose observations don't count: for budgets, the gate, canaries.
    ///
    /// Exit code: 0 done; 2 Spark can't be reached; 64 refused, with what to do.
    #[command(subcommand)]
    Maintenance(MaintenanceCommand),
    /// Mark that a version of a service went out: charts show it, canaries compare before and after.
    ///
    /// Exit code: 0 done; 2 Spark can't be reached; 64 refused, with what to do.
    #[command(subcommand)]
    Deploy(DeployCommand),
    /// Make a day's risk report from the log: how risky, why, and what it rests on.
    ///
    /// Reads the archive in the data directory, also beside a running service, or asks one with --url. A day is closed by
    /// the first frame that the log received after its end and a grace (`[report] grace`); before that it is a draft.
    ///
    /// Exit code: 0 here it is, whatever the risk; 2 there is no such report, or Spark can't be reached; 64 wrong usage.
    Report(ReportArgs),
    /// Make again, from the log alone, what Spark once said, and compare.
    #[command(subcommand)]
    Verify(VerifyCommand),
    /// The keys that sign the log's checkpoints.
    ///
    /// Exit code: 0 done; 1 the keys can't be read or written; 64 there is no such key, or it is the last one.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The log on this machine's disk.
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// A day's report with all that it follows from: shipped as one file, and verified by whoever gets it.
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Ask a running Spark for its five pages and its health.
    ///
    /// Exit code: 0 all answered 200; 1 some did not; 2 Spark can't be reached.
    Smoke(SmokeArgs),
    /// Check a configuration file and explain what it says; or OpenSLO documents (*.yaml) without one.
    ///
    /// Exit code: 0 it can be used; 64 it can't, with line, column and what is allowed.
    Check(CheckArgs),
    /// Print what a shell needs to complete Spark's commands and flags.
    ///
    /// For example `spark completions bash > /etc/bash_completion.d/spark`.
    Completions(CompletionsArgs),
    /// Write man pages, one for each command.
    Man(ManArgs),
    /// Answer like a healthy executor and say that it is none, for a first start without one.
    #[command(hide = true)]
    StandIn(StandInArgs),
}

/// `spark nats …`
#[derive(Debug, Subcommand)]
pub enum NatsCommand {
    /// Make the JetStream streams that hold the event log. Changes nothing that is there.
    Init(NatsInitArgs),
    /// Make a key for each program, and the accounts that let each do what it must and nothing else.
    ///
    /// Run it again with another --agent to add one: keys that are there stay as they are. To shut somebody out, delete
    /// its `.pub` and `.nk` files and run it again. `nats/secure.conf` is a server configuration that uses the result.
    Keys(NatsKeysArgs),
}

/// How programs log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What every service takes.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// The configuration file; without one, Spark watches its own pages and the executor.
    #[arg(long, value_name = "FILE", env = "SPARK_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where Spark keeps its data; made when missing.
    #[arg(long, value_name = "DIR", env = "SPARK_DATA", default_value = "spark-data")]
    pub data: PathBuf,
    /// The profile of objectives to use, instead of the configuration's.
    #[arg(long, value_name = "NAME", env = "SPARK_PROFILE")]
    pub profile: Option<Name>,
    /// Where this Spark watches, instead of the configuration's `environment`.
    #[arg(long, value_name = "NAME", env = "SPARK_ENVIRONMENT")]
    pub environment: Option<Name>,
    /// The trading executor that the built-in target watches.
    #[arg(long, value_name = "URL", env = "SPARK_EXECUTOR_URL")]
    pub executor_url: Option<Url>,
    /// How to log, on standard error. What to log is set by SPARK_LOG, such as `debug` or `spark_probe=trace`.
    #[arg(long, value_enum, env = "SPARK_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Where NATS is.
#[derive(Debug, Args)]
pub struct NatsArgs {
    /// The NATS servers, separated by commas.
    #[arg(
        long = "nats",
        value_name = "URL",
        env = "SPARK_NATS",
        value_delimiter = ',',
        default_value = "nats://127.0.0.1:4222"
    )]
    pub servers: Vec<String>,
    /// A file with this service's nkey seed.
    #[arg(long, value_name = "FILE", env = "SPARK_NKEY", conflicts_with = "creds")]
    pub nkey: Option<PathBuf>,
    /// A file with this service's NATS credentials.
    #[arg(long, value_name = "FILE", env = "SPARK_CREDS")]
    pub creds: Option<PathBuf>,
    /// A file with the certificates (PEM) of who signs the NATS servers', besides those that the system trusts. For
    /// servers at tls:// addresses.
    #[arg(long = "nats-ca", value_name = "FILE", env = "SPARK_NATS_CA")]
    pub ca: Option<PathBuf>,
}

/// `spark up`
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub signing: SigningArgs,
    /// Where the web service listens.
    #[arg(long, value_name = "ADDR", env = "SPARK_LISTEN", default_value = "127.0.0.1:3003")]
    pub listen: SocketAddr,
    /// Listen beyond this machine although nobody has to log in.
    #[arg(long, env = "SPARK_INSECURE")]
    pub insecure: bool,
    /// Add a demo service that misbehaves on a script, and its targets.
    #[arg(long, env = "SPARK_DEMO")]
    pub demo: bool,
}

/// `spark probe`
#[derive(Debug, Args)]
pub struct ProbeArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub nats: NatsArgs,
    /// This agent's name; each agent has its own.
    #[arg(long, value_name = "NAME", env = "SPARK_AGENT", default_value = "local")]
    pub agent: Name,
    /// How many partitions the log has; by default NATS is asked.
    ///
    /// For a start while NATS is away, where one partition is assumed otherwise. A wrong number ends the probe before it
    /// has sent anything.
    #[arg(long, value_name = "NUMBER", env = "SPARK_PARTITIONS")]
    pub partitions: Option<NonZeroU16>,
    /// Where metrics and health of this service are served.
    #[arg(long, value_name = "ADDR", env = "SPARK_ADMIN", default_value = "127.0.0.1:4003")]
    pub admin: SocketAddr,
    /// Where the web service is, for the built-in targets.
    #[arg(long, value_name = "URL", env = "SPARK_URL", value_parser = web_url, default_value = "http://127.0.0.1:3003")]
    pub url: Url,
}

/// `spark aggregator`
#[derive(Debug, Args)]
pub struct AggregatorArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub nats: NatsArgs,
    /// The partitions that this aggregator owns, such as `0,2`; by default all of them. Each is owned by one aggregator.
    ///
    /// An owner records its partitions into archives. The owner of partition 0 also applies the configuration, and
    /// publishes what is derived over all partitions.
    #[arg(long, value_name = "NUMBERS", env = "SPARK_OWNED_PARTITIONS", value_delimiter = ',')]
    pub partitions: Vec<u16>,
    #[command(flatten)]
    pub signing: SigningArgs,
    /// Where metrics, health and evidence (checkpoints, tiles, keys) of this service are served.
    #[arg(long, value_name = "ADDR", env = "SPARK_ADMIN", default_value = "127.0.0.1:4002")]
    pub admin: SocketAddr,
    /// Where the web service is, for the built-in targets.
    #[arg(long, value_name = "URL", env = "SPARK_URL", value_parser = web_url, default_value = "http://127.0.0.1:3003")]
    pub url: Url,
}

/// `spark web`
#[derive(Debug, Args)]
pub struct WebArgs {
    /// Where Spark keeps its data; made when missing.
    #[arg(long, value_name = "DIR", env = "SPARK_DATA", default_value = "spark-data")]
    pub data: PathBuf,
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Where the web service listens.
    #[arg(long, value_name = "ADDR", env = "SPARK_LISTEN", default_value = "127.0.0.1:3003")]
    pub listen: SocketAddr,
    /// Listen beyond this machine although nobody has to log in.
    #[arg(long, env = "SPARK_INSECURE")]
    pub insecure: bool,
    /// The trading executor. Without one, and as long as pages stay on this machine, a stand-in answers on port 4001 when
    /// nothing else does, and the pages say so.
    #[arg(long, value_name = "URL", env = "SPARK_EXECUTOR_URL")]
    pub executor_url: Option<Url>,
    /// Where the aggregator's admin endpoint is, which has the log's checkpoints and tiles.
    #[arg(long, value_name = "URL", env = "SPARK_EVIDENCE_URL", value_parser = web_url, default_value = "http://127.0.0.1:4002")]
    pub evidence_url: Url,
    /// How to log, on standard error.
    #[arg(long, value_enum, env = "SPARK_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// `spark nats init`
#[derive(Debug, Args)]
pub struct NatsInitArgs {
    #[command(flatten)]
    pub nats: NatsArgs,
    /// How many partitions the log has; fixed from the first day.
    #[arg(long, default_value = "1")]
    pub partitions: NonZeroU16,
    /// On how many servers each stream is kept: 1, or 3 on a cluster.
    #[arg(long, default_value = "1")]
    pub replicas: usize,
    /// When a stream refuses frames because it is full, in bytes; by default the disk is the limit.
    #[arg(long, value_name = "BYTES")]
    pub max_bytes: Option<i64>,
    /// Change replicas, max-bytes and the number of partitions where streams are there.
    #[arg(long)]
    pub update: bool,
}

/// `spark nats keys`
#[derive(Debug, Args)]
pub struct NatsKeysArgs {
    /// Where the keys are kept; made when missing.
    #[arg(long, value_name = "DIR", default_value = "nats/keys")]
    pub dir: PathBuf,
    /// A probe agent that is to have a key; can be given more than once.
    #[arg(long = "agent", value_name = "NAME")]
    pub agents: Vec<Name>,
}

/// Which running Spark is asked.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Where Spark's web service is.
    #[arg(long, value_name = "URL", env = "SPARK_URL", value_parser = web_url, default_value = "http://127.0.0.1:3003")]
    pub url: Url,
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// The API's answer.
    Json,
}

/// `spark smoke`
#[derive(Debug, Args)]
pub struct SmokeArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}

/// `spark check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration file, with the documents that it names; or files with OpenSLO documents, which may refer to
    /// each other and whose targets may be anything.
    #[arg(value_name = "FILE", env = "SPARK_CONFIG", default_value = "spark.toml")]
    pub files: Vec<PathBuf>,
}

/// `spark verify …`
#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Rebuild a past decision of the gate from the log, bit for bit, and compare every field.
    ///
    /// Exit code: 0 the same; 1 something differs; 2 it can't be rebuilt (no log, no such decision, another version's
    /// arithmetic); 64 wrong usage.
    Gate(VerifyGateArgs),
    /// Make a comparison of two samples again.
    ///
    /// Exit code: 0 the same; 1 it is not; 2 it can't be made again, or Spark can't be reached; 64 wrong usage.
    Canary(VerifyCanaryArgs),
}

/// `spark completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `spark man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where to write them; made when missing.
    #[arg(long, value_name = "DIR", default_value = "man")]
    pub out: PathBuf,
}

/// `spark stand-in`
#[derive(Debug, Args)]
pub struct StandInArgs {
    /// Where it listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4001")]
    pub listen: SocketAddr,
}
