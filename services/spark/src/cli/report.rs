//! `spark report`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use url::Url;

use crate::configuration::web_url;

/// `spark report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The UTC day, YYYY-MM-DD; by default the one that is not closed yet, as a draft.
    #[arg(long, value_name = "DAY")]
    pub date: Option<String>,
    /// As the log was at this instant, RFC 3339: of what it received later the report knows nothing.
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value = "text")]
    pub format: DailyFormat,
    /// Where to write it, instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The data directory of `spark up` or of an aggregator; a service may be running there.
    #[arg(long, value_name = "DIR", env = "SPARK_DATA", default_value = "spark-data")]
    pub data: PathBuf,
    /// Ask a running Spark for it, instead of reading a data directory.
    #[arg(long, value_name = "URL", value_parser = web_url)]
    pub url: Option<Url>,
}

/// How a daily report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DailyFormat {
    /// A few lines for a terminal.
    Text,
    /// `report.json`, canonical (RFC 8785).
    Json,
    /// A page that needs nothing else, for the screen and for paper.
    Html,
    /// For pull requests, chats and mail.
    Markdown,
}
