//! One check of one target: prepare it once, run it as often as wanted.
//!
//! A check never fails as a call: whatever goes wrong is an outcome, within the timeout.

mod connect;
mod dns;
mod http;
mod prepare;
mod resolve;
mod tls;

use std::fmt;
use std::time::Duration;

use compact_str::CompactString;
use spark_schemas::TimeNs;
use spark_schemas::event::{FailReason, Outcome, Phases};
use tokio::time::{Instant, timeout};

use self::connect::Endpoint;
use self::dns::DnsCheck;
use self::http::HttpCheck;
use self::tls::TlsPart;
pub use prepare::{CheckContext, PrepareError};

/// The longest detail sentence, in bytes.
const DETAIL_BYTES_MAX: usize = 200;
const DAY_NS: u64 = 86_400 * TimeNs::SECOND;

/// A target's check with everything that does not change between runs worked out.
pub struct PreparedCheck {
    work: Work,
    timeout: Duration,
    latency_max_us: Option<u64>,
    certificate_days_min: Option<u32>,
}

/// The work of each kind of check.
enum Work {
    Http(Box<HttpCheck>),
    Tcp(Endpoint),
    Tls(Endpoint, TlsPart),
    Dns(DnsCheck),
}

/// What one run of a check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOutcome {
    /// How long it took, whole, in microseconds; on a timeout the timeout.
    pub latency_us: u64,
    /// Whether every condition held.
    pub outcome: Outcome,
    /// What failed first.
    pub reason: Option<FailReason>,
    /// One sentence for people, at most 200 bytes.
    pub detail: Option<CompactString>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// Where the time went.
    pub phases: Phases,
    /// When the certificate that was shown expires; of several hops' the soonest.
    pub certificate_expires_ns: Option<TimeNs>,
}

/// Why a check failed.
#[derive(Debug)]
struct Failure {
    reason: FailReason,
    detail: CompactString,
}

impl Failure {
    fn new(reason: FailReason, detail: impl fmt::Display) -> Self {
        use fmt::Write as _;
        let mut text = CompactString::default();
        let _infallible = write!(text, "{detail}");
        let mut end = text.len().min(DETAIL_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Self { reason, detail: text }
    }
}

/// What a check has seen so far; kept outside the work so that a timeout does not lose it.
#[derive(Debug, Default)]
struct Seen {
    stage: Stage,
    phases: Phases,
    status: Option<u16>,
    certificate_expires_ns: Option<TimeNs>,
}

impl Seen {
    /// A certificate was shown that expires then. Of several, one for each hop, the first to expire breaks the check.
    fn shown(&mut self, expires: Option<TimeNs>) {
        self.certificate_expires_ns = self.certificate_expires_ns.into_iter().chain(expires).min();
    }
}

/// What a check is busy with, for the sentence about a timeout.
#[derive(Debug, Clone, Copy, Default)]
enum Stage {
    #[default]
    Resolving,
    Connecting,
    Handshaking,
    Asking,
    Waiting,
    Reading,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "while resolving the name",
            Self::Connecting => "while connecting",
            Self::Handshaking => "during the TLS handshake",
            Self::Asking => "while waiting for the DNS server",
            Self::Waiting => "while waiting for the answer",
            Self::Reading => "while reading the body",
        })
    }
}

impl PreparedCheck {
    /// Runs the check once; `started` is the wall time now, which certificates are held against.
    pub async fn run(&self, started: TimeNs) -> CheckOutcome {
        let begun = Instant::now();
        let mut seen = Seen::default();
        let result = timeout(self.timeout, self.work(&mut seen)).await;
        let latency = begun.elapsed().min(self.timeout);
        let (latency_us, failure) = match result {
            Err(_elapsed) => (us(self.timeout), Some(self.timed_out(&seen))),
            Ok(Err(failure)) => (us(latency), Some(failure)),
            Ok(Ok(())) => (us(latency), self.broken_condition(&seen, us(latency), started)),
        };
        let (reason, detail) = failure.map_or((None, None), |f| (Some(f.reason), Some(f.detail)));
        CheckOutcome {
            latency_us,
            outcome: if reason.is_none() { Outcome::Ok } else { Outcome::Fail },
            reason,
            detail,
            status: seen.status,
            phases: seen.phases,
            certificate_expires_ns: seen.certificate_expires_ns,
        }
    }

    async fn work(&self, seen: &mut Seen) -> Result<(), Failure> {
        match &self.work {
            Work::Http(http) => http.run(self.timeout, seen).await,
            Work::Tcp(endpoint) => endpoint.connect(self.timeout, seen).await.map(drop),
            Work::Tls(endpoint, tls) => {
                let stream = endpoint.connect(self.timeout, seen).await?;
                tls.handshake(stream, seen).await.map(drop)
            }
            Work::Dns(dns) => dns.run(self.timeout, seen).await,
        }
    }

    fn timed_out(&self, seen: &Seen) -> Failure {
        let limit = spark_core::units::DurationUs(us(self.timeout));
        Failure::new(FailReason::Timeout, format_args!("not done within {limit}, {}", seen.stage))
    }

    /// The conditions on a check that came to its end.
    fn broken_condition(&self, seen: &Seen, latency_us: u64, started: TimeNs) -> Option<Failure> {
        if let Some(limit) = self.latency_max_us.filter(|limit| latency_us > *limit) {
            let (took, limit) = (spark_core::units::decimal(latency_us, 3), spark_core::units::decimal(limit, 3));
            return Some(Failure::new(FailReason::Latency, format_args!("took {took} ms, limit {limit} ms")));
        }
        let (expires, days_min) = (seen.certificate_expires_ns?, self.certificate_days_min?);
        let left_ns = expires.0.saturating_sub(started.0);
        if left_ns >= u64::from(days_min).saturating_mul(DAY_NS) {
            return None;
        }
        let days = left_ns / DAY_NS;
        let word = if days == 1 { "day" } else { "days" };
        let detail = format_args!("the certificate expires in {days} {word}, expected at least {days_min}");
        Some(Failure::new(FailReason::Certificate, detail))
    }
}

impl fmt::Debug for PreparedCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the work: a request may be secret.
        f.debug_struct("PreparedCheck").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn us_since(begun: Instant) -> u64 {
    us(begun.elapsed())
}

/// A phase may take place more than once: each hop of a redirect has its own.
fn add_us(phase: &mut Option<u64>, us: u64) {
    *phase = Some(phase.unwrap_or(0).saturating_add(us));
}
