//! The DNS check: one question to one server, over UDP and, when the answer is too long for that, over TCP.
//!
//! Nothing is cached and no system library asked: what is measured is the server's own answer.

mod message;
mod server;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use spark_core::config::DnsQuestion;
use spark_schemas::event::FailReason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use self::message::Read;
use super::connect::{Endpoint, no_connection};
use super::{Failure, Seen, Stage, add_us, us_since};
pub(super) use message::Question;
pub(super) use server::{ServerError, system_server};

/// A lost datagram is sent again after this share of the timeout.
const SENDS_MAX: u32 = 3;

/// A target's check with everything that does not change between runs.
pub(super) struct DnsCheck {
    server: Endpoint,
    question: Question,
    expected: Vec<String>,
}

impl DnsCheck {
    pub(super) fn new(server: Endpoint, question: &DnsQuestion, expected: &[String]) -> Self {
        let question = Question::new(&question.name, question.record);
        let expected = expected.iter().map(|text| question.in_plain_form(text)).collect();
        Self { server, question, expected }
    }

    pub(super) async fn run(&self, limit: Duration, seen: &mut Seen) -> Result<(), Failure> {
        let addresses = self.server.addresses(seen).await?;
        let Some(address) = addresses.first() else {
            return Err(Failure::new(FailReason::Dns, "the DNS server's name has no address"));
        };
        seen.stage = Stage::Asking;
        let begun = Instant::now();
        let records = self.ask(*address, limit, seen).await;
        add_us(&mut seen.phases.dns_us, us_since(begun));
        self.judge(&records?)
    }

    async fn ask(&self, address: SocketAddr, limit: Duration, seen: &mut Seen) -> Result<Vec<String>, Failure> {
        let mut id = [0; 2];
        getrandom::fill(&mut id).map_err(|error| Failure::new(FailReason::Other, error))?;
        let id = u16::from_be_bytes(id);
        let query = self.question.query(id).map_err(|error| Failure::new(FailReason::Other, error))?;
        let read = over_udp(address, limit, &query, |answer| self.question.read(id, answer)).await?;
        let read = match read {
            Read::Truncated => {
                let answer = over_tcp(address, limit, &query, seen).await?;
                self.question.read(id, &answer)
            }
            read => read,
        };
        match read {
            Read::Records(records) => Ok(records),
            Read::Refused(sentence) => Err(Failure::new(FailReason::Dns, sentence)),
            Read::Truncated => Err(Failure::new(FailReason::Protocol, "the answer is cut short even over TCP")),
            Read::Foreign => Err(Failure::new(FailReason::Protocol, "the server answered another question")),
            Read::Broken(error) => {
                Err(Failure::new(FailReason::Protocol, format_args!("the answer is not of DNS: {error}")))
            }
        }
    }

    fn judge(&self, records: &[String]) -> Result<(), Failure> {
        if records.is_empty() {
            return Err(Failure::new(FailReason::Dns, format_args!("{} has no record", self.question)));
        }
        let Some(missing) = self.expected.iter().find(|wanted| !records.contains(wanted)) else { return Ok(()) };
        let found = records.join(", ");
        Err(Failure::new(FailReason::Dns, format_args!("{} is {found}; expected {missing} among it", self.question)))
    }
}

/// Sends the query, again while nothing comes, until `read` says that an answer is to it.
async fn over_udp(
    address: SocketAddr,
    limit: Duration,
    query: &[u8],
    read: impl Fn(&[u8]) -> Read,
) -> Result<Read, Failure> {
    let failed = |error: io::Error| no_connection(address, &error);
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    // Only that server's datagrams come in, and its refusals as errors.
    socket.connect(address).await.map_err(failed)?;
    let mut answer = vec![0; message::UDP_BYTES_MAX];
    loop {
        socket.send(query).await.map_err(failed)?;
        let answered = timeout(limit / SENDS_MAX, async {
            loop {
                let length = socket.recv(&mut answer).await?;
                match read(&answer[..length]) {
                    // Late, or somebody else's guess.
                    Read::Foreign => {}
                    read => return Ok(read),
                }
            }
        });
        if let Ok(read) = answered.await {
            return read.map_err(failed);
        }
    }
}

async fn over_tcp(address: SocketAddr, limit: Duration, query: &[u8], seen: &mut Seen) -> Result<Vec<u8>, Failure> {
    let mut stream = Endpoint::Address(address).connect(limit, seen).await?;
    seen.stage = Stage::Asking;
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
    let exchange = async {
        stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    exchange.await.map_err(|error| Failure::new(FailReason::Protocol, format_args!("{address} over TCP: {error}")))
}
