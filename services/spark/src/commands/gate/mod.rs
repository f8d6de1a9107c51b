//! `spark gate`: asks for a decision and turns it into an exit code. Anything that is not a clear answer is no pass.

mod ask;
mod decision;
mod junit;
mod markdown;
mod replay;
mod text;

use std::process::ExitCode;

use anyhow::Context as _;
use spark_schemas::event::Verdict;

use crate::cli::{GateArgs, GateCommand, ReportFile, ReportFormat};
use crate::exit;
use crate::output::{complain, say};
use ask::{Answered, ask};

/// Runs `spark gate`.
pub fn gate(args: &GateArgs) -> anyhow::Result<ExitCode> {
    if let Some(GateCommand::Replay(args)) = &args.command {
        return replay::replay(args);
    }
    let answered = ask(args)?;
    let code = match &answered {
        Answered::Decision(decision, _) => exit_code(decision.verdict(), args.strict),
        Answered::Refused(_) => exit::USAGE,
        Answered::Nobody(_) => exit::NO_DATA,
    };
    if let Answered::Refused(why) | Answered::Nobody(why) = &answered {
        complain!("spark gate: {why}");
    }
    for ReportFile { format, file } in &args.reports {
        if let Some(report) = report(*format, args, &answered)? {
            std::fs::write(file, report + "\n").with_context(|| format!("write the report {}", file.display()))?;
        }
    }
    if let Some(report) = report(args.format, args, &answered)? {
        say!("{report}")?;
    }
    Ok(code.into())
}

/// What is printed: where there is no decision, the formats that programs read say that, too.
fn report(format: ReportFormat, args: &GateArgs, answered: &Answered) -> anyhow::Result<Option<String>> {
    let host = args.server.url.host_str().unwrap_or("localhost");
    Ok(match (format, answered) {
        (_, Answered::Refused(_)) | (ReportFormat::Text, Answered::Nobody(_)) => None,
        (ReportFormat::Text, Answered::Decision(decision, _)) => Some(text::of(decision)),
        (ReportFormat::Json, Answered::Decision(_, raw)) => Some(serde_json::to_string_pretty(raw)?),
        (ReportFormat::Json, Answered::Nobody(why)) => {
            let nothing = serde_json::json!({"verdict": Verdict::NoData, "checks": [], "reason": why});
            Some(serde_json::to_string_pretty(&nothing)?)
        }
        (ReportFormat::Junit, Answered::Decision(decision, _)) => Some(junit::of(decision, host, args.strict)?),
        (ReportFormat::Junit, Answered::Nobody(why)) => Some(junit::of_nothing(why, host)?),
        (ReportFormat::Markdown, Answered::Decision(decision, _)) => Some(markdown::of(decision)),
        (ReportFormat::Markdown, Answered::Nobody(why)) => Some(markdown::of_nothing(why)),
    })
}

/// What a verdict is to a script.
pub(super) const fn exit_code(verdict: Verdict, strict: bool) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Warn if !strict => 0,
        Verdict::Warn | Verdict::Fail => exit::FAILED,
        Verdict::NoData => exit::NO_DATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_a_failure_only_where_it_is_asked_for() {
        for (verdict, lenient, strict) in
            [(Verdict::Pass, 0, 0), (Verdict::Warn, 0, 1), (Verdict::Fail, 1, 1), (Verdict::NoData, 2, 2)]
        {
            assert_eq!((exit_code(verdict, false), exit_code(verdict, true)), (lenient, strict), "{verdict:?}");
        }
    }
}
