//! From a host and port to a TCP connection: resolve, then try the addresses in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use spark_schemas::event::FailReason;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use url::Host;

use super::resolve::{Lookups, Resolver};
use super::{Failure, Seen, Stage, add_us, us_since};

/// Where a check connects to.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// The URL has a literal address: nothing to resolve.
    Address(SocketAddr),
    /// The URL has a name.
    Name(Resolver),
}

/// The literal address of a host, if it is one; schemes other than HTTP's leave IPv4 addresses as text.
pub(super) fn literal<S: AsRef<str>>(host: &Host<S>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        Host::Domain(name) => name.as_ref().parse().ok(),
    }
}

impl Endpoint {
    pub(super) fn new<S: AsRef<str>>(host: &Host<S>, port: u16, lookups: &Lookups) -> Self {
        match (literal(host), host) {
            (Some(address), _) => Self::Address(SocketAddr::new(address, port)),
            (None, Host::Domain(name)) => Self::Name(Resolver::new(name.as_ref(), port, lookups.clone())),
            (None, Host::Ipv4(address)) => Self::Address((*address, port).into()),
            (None, Host::Ipv6(address)) => Self::Address((*address, port).into()),
        }
    }

    /// Connects within `limit`, what is left of the check's timeout.
    pub(super) async fn connect(&self, limit: Duration, seen: &mut Seen) -> Result<TcpStream, Failure> {
        if let Self::Address(address) = self {
            return connect_to(&[*address], limit, seen).await;
        }
        let begun = Instant::now();
        let addresses = self.addresses(seen).await?;
        connect_to(&addresses, limit.saturating_sub(begun.elapsed()), seen).await
    }

    /// At least one address.
    pub(super) async fn addresses(&self, seen: &mut Seen) -> Result<Vec<SocketAddr>, Failure> {
        let resolver = match self {
            Self::Address(address) => return Ok(vec![*address]),
            Self::Name(resolver) => resolver,
        };
        seen.stage = Stage::Resolving;
        let begun = Instant::now();
        let addresses = resolver.addresses().await;
        add_us(&mut seen.phases.dns_us, us_since(begun));
        match addresses {
            Ok(addresses) if addresses.is_empty() => {
                Err(Failure::new(FailReason::Dns, format_args!("{} has no address", resolver.host())))
            }
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(Failure::new(FailReason::Dns, format_args!("{}: {error}", resolver.host()))),
        }
    }
}

/// Tries one address after the other; each gets an equal share of the time that is left, so that a silent one
/// does not use it all up.
async fn connect_to(addresses: &[SocketAddr], limit: Duration, seen: &mut Seen) -> Result<TcpStream, Failure> {
    seen.stage = Stage::Connecting;
    let begun = Instant::now();
    let mut last_error = None;
    for (tried, address) in (0_u32..).zip(addresses) {
        let others_left = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_sub(tried).saturating_sub(1);
        let attempt = TcpStream::connect(*address);
        let connected = if others_left == 0 {
            attempt.await
        } else {
            let share = limit.saturating_sub(begun.elapsed()) / (others_left + 1);
            timeout_at(Instant::now() + share, attempt).await.unwrap_or_else(|elapsed| Err(io::Error::from(elapsed)))
        };
        match connected {
            Ok(stream) => {
                add_us(&mut seen.phases.connect_us, us_since(begun));
                return Ok(stream);
            }
            Err(error) => last_error = Some((address, error)),
        }
    }
    Err(match last_error {
        Some((address, error)) => no_connection(*address, &error),
        None => Failure::new(FailReason::Dns, "the name has no address"),
    })
}

/// Why there is none; when the fault is this machine's, it says so.
pub(super) fn no_connection(address: SocketAddr, error: &io::Error) -> Failure {
    if is_out_of_files(error) {
        let advice = "raise its limit (ulimit -n) or lower [probe] concurrency";
        return Failure::new(FailReason::Other, format_args!("the probe may open no more files: {advice}"));
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Failure::new(FailReason::Connect, format_args!("{address}: connection refused"))
        }
        _ => Failure::new(FailReason::Connect, format_args!("{address}: {error}")),
    }
}

/// EMFILE and ENFILE have no kind of their own.
fn is_out_of_files(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_is_out_of_files_does_not_blame_the_target() {
        let address = SocketAddr::from(([192, 0, 2, 1], 80));
        let failure = no_connection(address, &io::Error::from_raw_os_error(24));
        assert_eq!(failure.reason, if cfg!(unix) { FailReason::Other } else { FailReason::Connect });
        let refused = no_connection(address, &io::ErrorKind::ConnectionRefused.into());
        assert_eq!(
            (refused.reason, refused.detail.as_str()),
            (FailReason::Connect, "192.0.2.1:80: connection refused")
        );
    }
}
