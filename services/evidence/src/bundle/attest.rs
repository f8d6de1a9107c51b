//! The statements that a bundle's maker signs: about the report, and about each gate decision and canary in its leaves.
//! They follow from the other files, so a verifier makes them again and compares.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use spark_core::merkle::Hash;
use spark_core::report::Report;
use spark_schemas::event::{CanaryRan, CheckResult, CheckVerdict, GateDecided, Verdict};
use spark_schemas::{Class, Event, EventSubject, Frame};

use super::sums::Sums;
use super::{CHECKPOINT, POLICY, REPORT_HTML, REPORT_JSON, SUMS};
use crate::statement::{RISK_REPORT, Statement, Subject, TEST_RESULT};
use crate::vkey::Vkey;

/// A verdict that the leaves hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// `gate/<id>` or `canary/<id>`.
    name: String,
    /// SHA-256 of the leaf that it is in.
    leaf: Hash,
    policy: Option<String>,
    verdict: Verdict,
    checks: Vec<CheckResult>,
}

/// The verdicts that a leaf brings, in order.
pub fn verdicts_of(leaf: &[u8], subject: &EventSubject, frame: Frame) -> Vec<Attested> {
    if subject.class != Class::Ctl {
        return Vec::new();
    }
    let digest: Hash = Sha256::digest(leaf).into();
    let attested = |event| match event {
        Event::GateDecided(GateDecided { id, verdict, checks, policy_digest, .. }) => Some(Attested {
            name: format!("gate/{id}"),
            leaf: digest,
            policy: Some(policy_digest.into()),
            verdict,
            checks,
        }),
        Event::CanaryRan(CanaryRan { id, verdict, checks, .. }) => {
            Some(Attested { name: format!("canary/{id}"), leaf: digest, policy: None, verdict, checks })
        }
        _ => None,
    };
    frame.events.into_iter().filter_map(attested).collect()
}

impl Attested {
    fn statement(&self) -> Statement {
        let of = |wanted: &[CheckVerdict]| {
            let ids =
                self.checks.iter().filter(|check| wanted.contains(&check.verdict)).map(|check| check.id.to_string());
            ids.collect::<Vec<_>>()
        };
        let configuration = self.policy.iter().map(|digest| json!({ "name": POLICY, "digest": { "sha256": digest } }));
        let result = match self.verdict {
            Verdict::Pass => "PASSED",
            Verdict::Warn => "WARNED",
            Verdict::Fail | Verdict::NoData => "FAILED",
        };
        let predicate = json!({
            "result": result,
            "configuration": configuration.collect::<Vec<Value>>(),
            "passedTests": of(&[CheckVerdict::Pass]),
            "warnedTests": of(&[CheckVerdict::Warn]),
            "failedTests": of(&[CheckVerdict::Fail, CheckVerdict::NoData]),
        });
        Statement::new(vec![Subject::new(&self.name, &self.leaf)], TEST_RESULT, predicate)
    }
}

/// What the statements are made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The report.
    pub report: &'a Report,
    /// The bundle's files.
    pub sums: &'a Sums,
    /// What `replay.json` says.
    pub replayer: &'a Value,
    /// Who signs.
    pub signers: &'a [Vkey],
    /// The verdicts in the leaves, in order.
    pub verdicts: &'a [Attested],
}

/// Every statement, in the order of the lines. `None` when a file is missing that they speak of.
pub fn statements(facts: Facts<'_>) -> Option<Vec<Statement>> {
    let Facts { report, sums, replayer, signers, verdicts } = facts;
    let file = |name: &str| Some(Subject::new(name, sums.get(name)?));
    let subjects = vec![
        file(REPORT_JSON)?,
        file(REPORT_HTML)?,
        file(CHECKPOINT)?,
        Subject::new(SUMS, &Sha256::digest(sums.to_string()).into()),
    ];
    let policy =
        sums.get(POLICY).map(|digest| json!({ "name": POLICY, "digest": { "sha256": spark_core::hex(digest) } }));
    let predicate = json!({
        "window": { "date": report.date, "from": report.from, "to": report.to },
        "draft": report.draft,
        "log": report.log,
        "policy": policy.into_iter().collect::<Vec<_>>(),
        "replayer": replayer,
        "stateFrom": { "sha256": report.state.from },
        "stateTo": { "sha256": report.state.to },
        "riskLevel": report.risk.level,
        "signers": signers.iter().map(Vkey::to_string).collect::<Vec<_>>(),
    });
    let of_report = Statement::new(subjects, RISK_REPORT, predicate);
    Some(std::iter::once(of_report).chain(verdicts.iter().map(Attested::statement)).collect())
}
