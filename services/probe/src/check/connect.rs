//! From a host and port to a TCP connection: resolve, then try the addresses in order.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use spark_schemas::event::FailReason;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::resolve::Resolver;
use super::{Failure, Seen, Stage, us_since};

/// Where a check connects to.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// The URL has a literal address: nothing to resolve.
    Address(SocketAddr),
    /// The URL has a name.
    Name(Resolver),
}

impl Endpoint {
    /// Connects within `limit`, the whole check's timeout.
    pub(super) async fn connect(&self, limit: Duration, seen: &mut Seen) -> Result<TcpStream, Failure> {
        match self {
            Self::Address(address) => connect_to(&[*address], limit, seen).await,
            Self::Name(resolver) => {
                let begun = Instant::now();
                let addresses = resolver.addresses().await;
                seen.phases.dns_us = Some(us_since(begun));
                match addresses {
                    Ok(addresses) if addresses.is_empty() => {
                        Err(Failure::new(FailReason::Dns, format_args!("{} has no address", resolver.host())))
                    }
                    Ok(addresses) => connect_to(&addresses, limit.saturating_sub(begun.elapsed()), seen).await,
                    Err(error) => Err(Failure::new(FailReason::Dns, format_args!("{}: {error}", resolver.host()))),
                }
            }
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
                seen.phases.connect_us = Some(us_since(begun));
                return Ok(stream);
            }
            Err(error) => last_error = Some((address, error)),
        }
    }
    Err(match last_error {
        Some((address, error)) => Failure::new(FailReason::Connect, format_args!("{address}: {error}")),
        None => Failure::new(FailReason::Dns, "the name has no address"),
    })
}
