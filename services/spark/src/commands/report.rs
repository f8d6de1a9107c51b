//! `spark report`: a day's risk report, made from the archive or asked of a running Spark.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use spark_aggregator::daily::{self, Wanted};
use spark_aggregator::follow::describe;
use spark_aggregator::rebuild::Archives;
use spark_core::report::Report;
use spark_core::view::parse_rfc3339;
use url::Url;

use super::client;
use super::progress::Progress;
use crate::cli::{DailyFormat, ReportArgs};
use crate::exit::{self, Unusable};
use crate::output::complain;

const PATH: &str = "/api/tools/risk-report";

/// Runs `spark report`.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let wanted = wanted(args)?;
    let report = match &args.url {
        Some(url) => ask(url, args),
        None => make(args, wanted),
    };
    let report = match report {
        Ok(report) => report,
        Err(why) => {
            complain!("spark report: {why}");
            return Ok(exit::NO_DATA.into());
        }
    };
    let mut bytes = match args.format {
        DailyFormat::Json => report.to_json()?,
        DailyFormat::Html => report.to_html().into_bytes(),
        DailyFormat::Markdown => report.to_markdown().into_bytes(),
        DailyFormat::Text => report.to_text().into_bytes(),
    };
    // Written to a file, report.json has the bytes that its digest is of.
    match &args.out {
        Some(file) => fs::write(file, bytes).with_context(|| format!("write {}", file.display()))?,
        None => {
            if !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            std::io::stdout().lock().write_all(&bytes)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn wanted(args: &ReportArgs) -> Result<Wanted, Unusable> {
    let day = args.date.as_deref().map(str::parse).transpose();
    let day = day.map_err(|error| Unusable::Setting(format!("--date: {error}")))?;
    let instant = |text: &str| {
        let example = "such as 2026-11-22T14:03:00Z";
        parse_rfc3339(text)
            .ok_or_else(|| Unusable::Setting(format!("--at: {text:?} is no instant; write RFC 3339, {example}")))
    };
    Ok(Wanted { day, at: args.at.as_deref().map(instant).transpose()? })
}

fn make(args: &ReportArgs, wanted: Wanted) -> Result<Report, String> {
    let leaves = Archives::find(&args.data).and_then(|archives| archives.leaves()).map_err(|error| describe(&error))?;
    let mut progress = Progress::new("folded", leaves);
    daily::report(&args.data, wanted, || progress.count()).map_err(|error| describe(&error))
}

fn ask(url: &Url, args: &ReportArgs) -> Result<Report, String> {
    let date = args.date.iter().map(|date| ("date", date.as_str()));
    let at = args.at.iter().map(|at| ("at", at.as_str()));
    let query: Vec<(&str, &str)> = date.chain(at).collect();
    let answer = client::get(&client::api_url(url, PATH, &query)).map_err(|error| describe(error.as_ref()))?;
    match answer.status {
        200 => serde_json::from_value(answer.body).map_err(|error| format!("the answer is no report: {error}")),
        _ => Err(answer.problem()),
    }
}
