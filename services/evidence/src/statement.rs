//! What is attested: in-toto statements (version 1) about reports, gate decisions and canaries.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use spark_core::merkle::Hash;

/// The type of a statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The predicate of a daily report.
pub const RISK_REPORT: &str = "https://spark.dev/attestation/risk-report/v1";
/// The predicate of a gate decision or a canary (in-toto attestation framework, test results).
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// A statement about some things, identified by their digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// What kind of thing is said.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Value,
}

/// A thing that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its name: in a bundle, that of a file.
    pub name: String,
    /// What identifies it.
    pub digest: Digest,
}

/// SHA-256, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// In hex.
    pub sha256: String,
}

impl Subject {
    /// A thing with this digest.
    pub fn new(name: impl Into<String>, digest: &Hash) -> Self {
        Self { name: name.into(), digest: Digest { sha256: spark_core::hex(digest) } }
    }
}

impl Statement {
    /// A statement.
    pub fn new(subject: Vec<Subject>, predicate_type: &str, predicate: Value) -> Self {
        Self { kind: STATEMENT.to_owned(), subject, predicate_type: predicate_type.to_owned(), predicate }
    }

    /// Its one spelling (RFC 8785).
    #[expect(clippy::expect_used, reason = "texts and values that are JSON already")]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("texts and values that are JSON already")
    }

    /// A statement in its one spelling; the text says what is wrong with another.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let statement: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if statement.kind != STATEMENT {
            return Err(format!("a statement of type {:?}", statement.kind));
        }
        match statement.to_bytes() == bytes {
            true => Ok(statement),
            false => Err("it is not in canonical JSON".to_owned()),
        }
    }
}
