//! `spark evidence`: a day's bundle, fetched from a running Spark, and verified by whoever has it and a key.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use spark_aggregator::follow::describe;
use spark_core::report::{Day, Report};
use spark_eventlog::archive::View;
use spark_evidence::Vkey;
use spark_evidence::verify::{Listener, Refused, Step, Verifying, directory_of};

use super::client;
use super::progress::Progress;
use crate::cli::{EvidenceExportArgs, EvidenceVerifyArgs, OutputFormat};
use crate::exit::{self, Unusable};
use crate::output::{complain, say};

/// Both the web service and an aggregator's admin endpoint have it.
const PATH: &str = "/evidence/bundles";

/// Runs `spark evidence export`.
pub fn export(args: &EvidenceExportArgs) -> anyhow::Result<ExitCode> {
    let day: Option<Day> = args.date.as_deref().map(str::parse).transpose().map_err(unusable("--date"))?;
    let asked = day.map_or_else(|| "draft".to_owned(), |day| day.to_string());
    let url = client::api_url(&args.url, &format!("{PATH}/{asked}"), &[]);
    let answer = match client::download(&url) {
        Ok(answer) => answer,
        Err(why) => {
            complain!("spark evidence export: {}", describe(why.as_ref()));
            return Ok(exit::NO_DATA.into());
        }
    };
    let client::Download { name, mut body } = answer;
    if args.out.as_deref() == Some(Path::new("-")) {
        io::copy(&mut body, &mut io::stdout().lock()).context("write the bundle to standard output")?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(name));
    // Half a bundle under its name would look like one.
    let part = path.with_added_extension("part");
    let bytes = File::create(&part)
        .and_then(|mut file| {
            let bytes = io::copy(&mut body, &mut file)?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            Ok(bytes)
        })
        .inspect_err(|_| drop(fs::remove_file(&part)))
        .with_context(|| format!("write {}", path.display()))?;
    say!("{}: {bytes} bytes", path.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `spark evidence verify`.
pub fn verify_bundle(args: &EvidenceVerifyArgs) -> anyhow::Result<ExitCode> {
    if !args.bundle.exists() {
        return Err(Unusable::Setting(format!("there is no bundle {}", args.bundle.display())).into());
    }
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path);
        text.map_err(|error| Unusable::Setting(format!("--witnessed: can't read {}: {error}", path.display())))
    };
    let witnessed = args.witnessed.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let log = args.log.as_ref().map(View::open).transpose();
    let log = log.map_err(|error| Unusable::Setting(format!("--log: {}", describe(&error))))?;
    let verifying = Verifying { trusted: trusted(&args.keys)?, replay: args.replay, witnessed, log };
    let scratch = tempfile::tempdir().context("make a directory to unpack in")?;
    let mut steps = Steps { shown: args.format == OutputFormat::Text, said: Vec::new(), progress: None };
    let verified = match directory_of(&args.bundle, scratch.path()) {
        Ok(dir) => verifying.verify(&dir, &mut steps),
        Err(error) => {
            let fault = spark_evidence::verify::Fault::Tampered;
            Err(Refused { step: Step::Files, fault, reason: format!("it can't be unpacked: {}", describe(&error)) })
        }
    };
    let code = verified.as_ref().err().map_or(0, |refused| refused.fault.exit_code());
    match args.format {
        OutputFormat::Text => tell(args, &verified)?,
        OutputFormat::Json => {
            let (refused, report) = (verified.as_ref().err(), verified.as_ref().ok());
            let outcome = json!({
                "result": refused.map_or("verified", |refused| refused.fault.as_str()),
                "failedStep": refused.map(|refused| refused.step.to_string()),
                "reason": refused.map(|refused| refused.reason.clone()),
                "steps": steps.said,
                "replayed": args.replay && refused.is_none(),
                "date": report.map(|report| report.date),
                "risk": report.map(|report| report.risk.level),
                "draft": report.map(|report| report.draft),
            });
            say!("{}", serde_json::to_string_pretty(&outcome)?)?;
        }
    }
    Ok(code.into())
}

fn tell(args: &EvidenceVerifyArgs, verified: &Result<Report, Refused>) -> io::Result<()> {
    match verified {
        Err(refused) => {
            say!("{:<13} {}", refused.step, refused.reason)?;
            say!("NOT VERIFIED: {}", refused.fault.as_str())
        }
        Ok(report) => {
            let draft = if report.draft { " (a draft)" } else { "" };
            say!("VERIFIED: the report of {}{draft}, risk {}", report.date, report.risk.level.as_str())?;
            if !args.replay {
                say!("The figures were not computed again; --replay does that.")?;
            }
            if args.witnessed.is_empty() {
                say!("Who holds the key could have rewritten the log before; --witnessed rules that out.")?;
            }
            Ok(())
        }
    }
}

/// Keys as they stand on the command line, or in files.
fn trusted(keys: &[String]) -> Result<Vec<Vkey>, Unusable> {
    let mut trusted = Vec::new();
    for given in keys {
        if let Ok(key) = given.parse() {
            trusted.push(key);
            continue;
        }
        let wrong = |error: &dyn std::fmt::Display| {
            Unusable::Setting(format!(
                "--key: {given:?} is neither a key (`spark keys show` prints it) nor a file of keys: {error}"
            ))
        };
        let text = fs::read_to_string(given).map_err(|error| wrong(&error))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            trusted.push(line.trim().parse().map_err(|error: spark_evidence::vkey::VkeyError| wrong(&error))?);
        }
    }
    Ok(trusted)
}

fn unusable<E: std::fmt::Display>(flag: &str) -> impl Fn(E) -> Unusable {
    move |error| Unusable::Setting(format!("{flag}: {error}"))
}

/// What was verified, said as it is.
struct Steps {
    shown: bool,
    said: Vec<String>,
    progress: Option<(Step, Progress)>,
}

impl Listener for Steps {
    fn verified(&mut self, step: Step, found: String) {
        if self.shown {
            let _the_result_is_printed_again = say!("{step:<13} {found}");
        }
        self.said.push(format!("{step}: {found}"));
    }

    fn leaf(&mut self, step: Step, of: u64) {
        let progress = self.progress.take().filter(|(of, _)| *of == step);
        let what = if step == Step::Replay { "folded" } else { "hashed" };
        let (_, counting) = self.progress.insert(progress.unwrap_or_else(|| (step, Progress::new(what, of))));
        counting.count();
    }
}
