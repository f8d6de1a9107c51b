//! What is watched, and the conditions that make an observation good.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use spark_schemas::Name;
use url::Url;

use super::condition::{HeaderCondition, JsonCondition, Pattern};
use crate::schedule::Schedule;
use crate::units::DurationUs;

/// One thing to watch. The URL's scheme picks the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name on pages, in subjects and metrics.
    pub name: Name,
    /// Where it is: `http://`, `https://`, `tcp://host:port`, `tls://host:port` or `dns://server/name?type=A`.
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
    /// The HTTP request's body. `env:NAME` is taken from the environment and never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many HTTP redirects are followed, each within the same timeout; by default none: a 3xx is a status.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redirects_max: u32,
    /// Whether each HTTP check makes a connection of its own.
    #[serde(default, skip_serializing_if = "Connection::is_default")]
    pub connection: Connection,
    /// The HTTP statuses that are good; by default 200 to 299.
    #[serde(default, skip_serializing_if = "StatusRanges::is_default")]
    pub expect_status: StatusRanges,
    /// What response headers must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect_headers: Vec<HeaderCondition>,
    /// A text the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// A pattern that must be found in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body_matches: Option<Pattern>,
    /// What the body, as JSON, must say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect_json: Vec<JsonCondition>,
    /// How much of a body is read, in bytes; conditions look at that much.
    #[serde(default = "default_body_bytes_max", skip_serializing_if = "is_default_body_bytes_max")]
    pub body_bytes_max: u64,
    /// DNS records that must be among the answer's; none given: at least one record of the type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect_records: Vec<String>,
    /// A slower answer is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_max: Option<DurationUs>,
    /// A certificate that expires sooner than this is a failure; with redirects that of any hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_days_min: Option<u32>,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The name that TLS asks for and its certificate must be valid for, instead of the URL's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
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
    /// `tls://host:port`
    Tls,
    /// `dns://server/name?type=A`
    Dns,
}

impl CheckKind {
    /// The schemes that name a check.
    pub const SCHEMES: [&'static str; 5] = ["http", "https", "tcp", "tls", "dns"];

    /// The check of a scheme.
    pub fn from_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "tcp" => Some(Self::Tcp),
            "tls" => Some(Self::Tls),
            "dns" => Some(Self::Dns),
            _ => None,
        }
    }

    /// Whether it sends an HTTP request.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether it shakes hands by TLS.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
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
            body: None,
            redirects_max: 0,
            connection: Connection::default(),
            expect_status: StatusRanges::default(),
            expect_headers: Vec::new(),
            expect_body: None,
            expect_body_matches: None,
            expect_json: Vec::new(),
            body_bytes_max: default_body_bytes_max(),
            expect_records: Vec::new(),
            latency_max: None,
            certificate_days_min: None,
            ca_file: None,
            server_name: None,
        }
    }

    /// What makes an observation good, a short text for each condition.
    pub fn conditions(&self) -> Vec<String> {
        let mut all = match CheckKind::from_scheme(self.url.scheme()) {
            Some(CheckKind::Tcp) => vec!["it connects".to_owned()],
            Some(CheckKind::Tls) => vec!["the certificate is valid".to_owned()],
            Some(CheckKind::Dns) if self.expect_records.is_empty() => vec!["there is a record".to_owned()],
            Some(CheckKind::Dns) => vec![format!("the records have {}", self.expect_records.join(", "))],
            _ => vec![format!("status {}", self.expect_status)],
        };
        all.extend(self.expect_headers.iter().map(ToString::to_string));
        all.extend(self.expect_body.as_ref().map(|text| format!("body contains {text:?}")));
        all.extend(self.expect_body_matches.as_ref().map(|pattern| format!("body matches {:?}", pattern.as_str())));
        all.extend(self.expect_json.iter().map(ToString::to_string));
        all.extend(self.latency_max.map(|limit| format!("at most {limit}")));
        all.extend(self.certificate_days_min.map(|days| format!("certificate has {days} days left")));
        all
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

const fn default_body_bytes_max() -> u64 {
    1024 * 1024
}

pub(super) fn is_default_body_bytes_max(bytes: &u64) -> bool {
    *bytes == default_body_bytes_max()
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Whether checks share a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Each check connects anew: name, connection and handshake are part of what is measured.
    #[default]
    Fresh,
    /// A check uses the connection that the one before left open, if it still is.
    Reuse,
}

impl Connection {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
