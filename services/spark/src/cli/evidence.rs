//! The command line of what proves the log: keys and the archive.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use spark_schemas::Name;

use url::Url;

use super::OutputFormat;
use super::gate::Since;
use crate::configuration::web_url;

/// What signs the log.
#[derive(Debug, Args)]
pub struct SigningArgs {
    /// A private key (Ed25519, PKCS#8 PEM) that signs the log's checkpoints, beside those in the data directory; several
    /// are separated by commas. SPARK_SIGNING_KEY may hold one itself.
    ///
    /// Without any, the first start makes one in the data directory, under `keys`.
    #[arg(long = "signing-key", value_name = "FILE", env = "SPARK_SIGNING_KEY_FILE", value_delimiter = ',')]
    pub signing_keys: Vec<PathBuf>,
}

/// `spark keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key, which signs beside those that are there.
    New(KeysArgs),
    /// Print the public keys: for verifiers of notes (vkey), of DSSE envelopes (keyid), and for OpenSSL (PEM).
    Show(KeysShowArgs),
    /// Let a key sign no more. Its public part stays, so that what it signed can be verified.
    Retire(KeysRetireArgs),
}

/// Whose keys.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// Where Spark keeps its data.
    #[arg(long, value_name = "DIR", env = "SPARK_DATA", default_value = "spark-data")]
    pub data: PathBuf,
}

/// `spark keys show`
#[derive(Debug, Args)]
pub struct KeysShowArgs {
    #[command(flatten)]
    pub keys: KeysArgs,
    /// How to print them.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}

/// `spark keys retire`
#[derive(Debug, Args)]
pub struct KeysRetireArgs {
    /// The key, as `spark keys show` names it.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub keys: KeysArgs,
}

/// `spark archive …`
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Compute every hash anew from the leaves, and hold it against the tiles, the checkpoint and what was signed.
    ///
    /// Tiles, partial tiles and the checkpoint follow from what is there still, and --repair writes them again. A leaf does
    /// not: it is restored from a copy. May look while Spark runs, not repair.
    ///
    /// Exit code: 0 sound, or repaired; 1 not sound, or it can't be examined; 64 there is no archive.
    Fsck(ArchiveFsckArgs),
    /// Print the log, a line of JSON for each frame: its position, leaf hash, and events.
    ///
    /// Every leaf is held against the tree on the way. Exit code: 0 done; 1 the archive is damaged; 64 there is none.
    Cat(ArchiveCatArgs),
}

/// Which archive.
#[derive(Debug, Args)]
pub struct ArchiveArgs {
    /// Where Spark keeps its data.
    #[arg(long, value_name = "DIR", env = "SPARK_DATA", default_value = "spark-data")]
    pub data: PathBuf,
    /// One log of several, such as `EVENTS@1767225600000000000`; by default all of them.
    #[arg(long, value_name = "LOG")]
    pub log: Option<String>,
}

/// `spark archive fsck`
#[derive(Debug, Args)]
pub struct ArchiveFsckArgs {
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// Write again what can be.
    #[arg(long)]
    pub repair: bool,
}

/// `spark archive cat`
#[derive(Debug, Args)]
pub struct ArchiveCatArgs {
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// Frames that the log received from then on: an instant (RFC 3339), or so long ago (`2h`).
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Frames that the log received before then.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Since>,
    /// Frames of this agent.
    #[arg(long, value_name = "NAME")]
    pub agent: Option<Name>,
    /// Events of these kinds, such as `gate_decided,observed`.
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Events about this target.
    #[arg(long, value_name = "NAME")]
    pub target: Option<Name>,
}

/// `spark evidence …`
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Fetch a day's bundle from a running Spark; without --date, a draft of the day that is not over.
    ///
    /// Exit code: 0 written; 1 it can't be written; 2 Spark can't be reached, or there is no such day; 64 wrong usage.
    Export(EvidenceExportArgs),
    /// Verify a bundle with a key that you got from its owner: needs no network, no data directory and no other file.
    ///
    /// Exit code: 0 verified; 1 tampered with; 2 incomplete: something is missing and the log does not say so; 3 the
    /// figures do not follow from the leaves; 4 nobody who is trusted has signed it; 64 wrong usage.
    Verify(EvidenceVerifyArgs),
}

/// `spark evidence export`
#[derive(Debug, Args)]
pub struct EvidenceExportArgs {
    /// Where Spark answers: the web service of `spark up`, or an aggregator's admin endpoint.
    #[arg(long, value_name = "URL", env = "SPARK_URL", default_value = "http://127.0.0.1:3003", value_parser = web_url)]
    pub url: Url,
    /// The day in UTC, such as 2026-11-22.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<String>,
    /// Where to write it: a file, or `-` for standard output; by default as the bundle is called, in this directory.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `spark evidence verify`
#[derive(Debug, Args)]
pub struct EvidenceVerifyArgs {
    /// The bundle: a directory, or a `.tar.zst` file.
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// The key that is trusted, as `spark keys show` prints it (vkey), or a file with such keys; may be given several times.
    #[arg(long = "key", value_name = "VKEY|FILE", required = true)]
    pub keys: Vec<String>,
    /// Fold the leaves again, and compare state and report byte for byte.
    #[arg(long)]
    pub replay: bool,
    /// A checkpoint of this log that somebody else kept; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub witnessed: Vec<PathBuf>,
    /// The log's archive directory, for a witnessed checkpoint of a size outside of the bundle.
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// How to print the outcome.
    #[arg(long, value_enum, default_value = "text")]
    pub format: OutputFormat,
}
