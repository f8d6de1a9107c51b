//! The NATS subjects Spark uses, built and parsed in one place.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, NameError};

/// Where the copy of a rejected message goes.
pub const DEAD_LETTER: &str = "spark.dead";
/// Gate decisions, for subscribers (MessagePack); the JSON sibling is `spark.json.gate`.
pub const GATE: &str = "spark.gate";
/// New checkpoints of the log, for witnesses: the signed note itself.
pub const CHECKPOINT: &str = "spark.checkpoint";

/// Everything that an aggregator publishes beside the log.
pub const DERIVED: [&str; 7] =
    ["spark.window.*", "spark.health.*", "spark.alert.*", GATE, CHECKPOINT, "spark.json.>", DEAD_LETTER];

/// What a subject's publisher may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Observations: what a probe may say.
    Obs,
    /// Declarations and decisions: web, aggregator and admin.
    Ctl,
}

impl Class {
    /// The subject token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Obs => "obs",
            Self::Ctl => "ctl",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `spark.evt.<partition>.<agent>.<class>`, the subject of a frame.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventSubject {
    /// The partition, which is also the stream's number.
    pub partition: u16,
    /// Who publishes.
    pub agent: Name,
    /// What it may say.
    pub class: Class,
}

/// Why a subject is not an event subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Not five tokens that start with `spark.evt`.
    #[error("expected spark.evt.<partition>.<agent>.<class>")]
    Form,
    /// The partition is no number, or not in its shortest form.
    #[error("the partition is not a number from 0 to 65535")]
    Partition,
    /// The agent's token is no name.
    #[error("the agent's name is invalid")]
    Agent(#[source] NameError),
    /// Neither `obs` nor `ctl`.
    #[error("the class is neither obs nor ctl")]
    Class,
}

impl fmt::Display for EventSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spark.evt.{}.{}.{}", self.partition, self.agent, self.class)
    }
}

impl FromStr for EventSubject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let rest = text.strip_prefix("spark.evt.").ok_or(SubjectError::Form)?;
        let mut tokens = rest.split('.');
        let (Some(partition), Some(agent), Some(class), None) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return Err(SubjectError::Form);
        };
        let number: u16 = partition.parse().map_err(|_not_a_number| SubjectError::Partition)?;
        if (partition.len() > 1 && partition.starts_with('0')) || partition.starts_with('+') {
            return Err(SubjectError::Partition);
        }
        Ok(Self {
            partition: number,
            agent: Name::new(agent).map_err(SubjectError::Agent)?,
            class: match class {
                "obs" => Class::Obs,
                "ctl" => Class::Ctl,
                _ => return Err(SubjectError::Class),
            },
        })
    }
}

/// Where the window messages of `target` are published (MessagePack).
pub fn window(target: &Name) -> String {
    format!("spark.window.{target}")
}

/// Where the health messages of `target` are published (MessagePack).
pub fn health(target: &Name) -> String {
    format!("spark.health.{target}")
}

/// Where the alerts of an objective are published (MessagePack).
pub fn alert(slo: &Name) -> String {
    format!("spark.alert.{slo}")
}

/// The JSON sibling of a derived message's subject: `spark.window.x` has `spark.json.window.x`.
pub fn json_sibling(subject: &str) -> String {
    format!("spark.json.{}", subject.strip_prefix("spark.").unwrap_or(subject))
}

/// The stream that holds a partition: `EVENTS`, then `EVENTS-1`, `EVENTS-2` and so on.
pub fn stream(partition: u16) -> String {
    match partition {
        0 => "EVENTS".to_owned(),
        p => format!("EVENTS-{p}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back_as_it_was_written() {
        let subject = EventSubject { partition: 3, agent: Name::new("ist-1").unwrap(), class: Class::Obs };
        assert_eq!(subject.to_string(), "spark.evt.3.ist-1.obs");
        assert_eq!(subject.to_string().parse(), Ok(subject));
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (text, error) in [
            ("", SubjectError::Form),
            ("spark.evt.0.a", SubjectError::Form),
            ("spark.evt.0.a.obs.x", SubjectError::Form),
            ("spark.evt.x.a.obs", SubjectError::Partition),
            ("spark.evt.00.a.obs", SubjectError::Partition),
            ("spark.evt.+1.a.obs", SubjectError::Partition),
            ("spark.evt.70000.a.obs", SubjectError::Partition),
            ("spark.evt.0..obs", SubjectError::Agent(NameError::Empty)),
            ("spark.evt.0.a.OBS", SubjectError::Class),
        ] {
            assert_eq!(text.parse::<EventSubject>(), Err(error), "{text}");
        }
    }
}
