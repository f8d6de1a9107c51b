//! The command line of what proves the log: keys and the archive.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OutputFormat;

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
