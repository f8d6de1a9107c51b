//! What is watched, and the conditions that make an observation good.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use spark_schemas::Name;
use url::Url;

use crate::schedule::Schedule;
use crate::units::DurationUs;

/// One thing to watch. The URL's scheme picks the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name on pages, in subjects and metrics.
    pub name: Name,
    /// Where it is: `http://`, `https://` or `tcp://host:port`.
    #[serde(deserialize_with = "url_from_text")]
    pub url: Url,
    /// From one check to the next.
    #[serde(default = "default_interval")]
    pub interval: DurationUs,
    /// How long a check may take, at most the interval; by default the interval, but no more than 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationUs>,
    /// What the target is to the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// It is a demonstration: badged, and left out of the default selection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
    /// The agents expected to probe it; empty: the configuration's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Name>,
    /// The HTTP method.
    #[serde(default = "default_method", skip_serializing_if = "is_default_method")]
    pub method: String,
    /// HTTP request headers. A value `env:NAME` is taken from the environment and never recorded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The HTTP statuses that are good; by default 200 to 299.
    #[serde(default, skip_serializing_if = "StatusRanges::is_default")]
    pub expect_status: StatusRanges,
    /// A text the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// A slower answer is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_max: Option<DurationUs>,
    /// A certificate that expires sooner than this is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_days_min: Option<u32>,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// What a target is to the gate's `ui.up` and `executor.up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A user interface.
    Ui,
    /// The trading executor.
    Executor,
}

/// Which check a URL's scheme picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// `http://`
    Http,
    /// `https://`
    Https,
    /// `tcp://host:port`
    Tcp,
}

impl CheckKind {
    /// The schemes that name a check.
    pub const SCHEMES: [&'static str; 3] = ["http", "https", "tcp"];

    /// The check of a scheme.
    pub fn from_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "tcp" => Some(Self::Tcp),
            _ => None,
        }
    }
}

impl Target {
    /// A target with the defaults that `spark.toml` has.
    pub fn new(name: Name, url: Url) -> Self {
        Self {
            name,
            url,
            interval: default_interval(),
            timeout: None,
            role: None,
            demo: false,
            agents: Vec::new(),
            method: default_method(),
            headers: BTreeMap::new(),
            expect_status: StatusRanges::default(),
            expect_body: None,
            latency_max: None,
            certificate_days_min: None,
            ca_file: None,
        }
    }

    /// How long a check may take.
    pub fn timeout(&self) -> DurationUs {
        self.timeout.unwrap_or(self.interval.min(DurationUs::from_secs(5)))
    }

    /// When its slots begin.
    pub fn schedule(&self) -> Schedule {
        Schedule::of_target(&self.name, self.interval.0)
    }
}

fn url_from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    // The text is not repeated: it may hold a password, and messages are logged and recorded.
    Url::parse(&String::deserialize(deserializer)?).map_err(|error| {
        let write = "write one such as https://shop.example/health or tcp://db.example:5432";
        de::Error::custom(format!("not a URL ({error}): {write}"))
    })
}

const fn default_interval() -> DurationUs {
    DurationUs::from_secs(15)
}

fn default_method() -> String {
    "GET".to_owned()
}

pub(super) fn is_default_method(method: &str) -> bool {
    method == "GET"
}

/// A status such as `204`, or a range such as `200-299`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The first status that is good.
    pub first: u16,
    /// The last status that is good.
    pub last: u16,
}

/// The statuses that are good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusRanges(pub Vec<StatusRange>);

impl Default for StatusRanges {
    fn default() -> Self {
        Self(vec![StatusRange { first: 200, last: 299 }])
    }
}

impl StatusRanges {
    /// Whether `status` is good.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&status))
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The text is no status and no range of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an HTTP status: write one such as 204 or a range such as \"200-299\", from 100 to 599")]
pub struct StatusRangeError(String);

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl FromStr for StatusRange {
    type Err = StatusRangeError;

    fn from_str(text: &str) -> Result<Self, StatusRangeError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..=599).contains(status));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(StatusRangeError(text.to_owned())),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrRange;

        impl de::Visitor<'_> for NumberOrRange {
            type Value = StatusRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an HTTP status such as 204 or a range such as \"200-299\"")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<StatusRange, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<StatusRange, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<StatusRange, E> {
                value.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrRange)
    }
}
