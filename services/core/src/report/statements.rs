//! What a reader has to know to read a report: how its figures come about, and what can't be known from them.

use super::model::Report;
use crate::config::ReportPolicy;

pub(super) fn statements(report: &Report, policy: &ReportPolicy) -> Vec<String> {
    let ReportPolicy { grace, incident_errors, incident_gap, silence, gate_max_age, .. } = policy;
    let mut said = vec![
        format!(
            "Figures of targets are those of the UTC day, by when a check was due. A report closes {grace} after the \
             day's end; what comes later is an amendment in a later report, and this one stays as it is."
        ),
        "Decisions, deployments, alerts and remarks are those that the log received within this report's leaves: each \
         is in exactly one report."
            .to_owned(),
        format!(
            "An incident is a run of minutes in which at least {incident_errors} of a target's observations failed; runs \
             less than {incident_gap} apart are one, also of different judged targets. Only judged targets outside of \
             maintenance count for the risk."
        ),
        format!(
            "A target was silent when for {silence} or longer something was due and nothing came from any agent. A \
             timeout is an observation that failed, never a silence."
        ),
        "What lies in maintenance is left out of targets' figures by whole minutes, of objectives to the slot, and of \
         earlier days' figures by whole quarters of an hour."
            .to_owned(),
        format!("The gate lets a deployment through when it passed no longer than {gate_max_age} before."),
        "The risk is that of the worst rule, in the order LOW, MEDIUM, UNKNOWN, HIGH. Missing data is never LOW.".to_owned(),
        "Latencies are the upper ends of HdrHistogram's classes of two significant digits. Error rates are rounded up, \
         completeness is rounded down."
            .to_owned(),
        "Numbers after # are sequence numbers of the log; the leaves are in the evidence bundle.".to_owned(),
        "Who holds the signing key could write another history, unless checkpoints of this log are kept elsewhere: \
         compare with one that a second party kept."
            .to_owned(),
    ];
    if report.draft {
        said.insert(0, "This is a draft: the day is not closed, and figures will change.".to_owned());
    }
    said
}
