//! DNS: real datagrams and connections to a server of the test's own, which answers exactly what a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use simple_dns::rdata::{A, AAAA, CNAME, MX, NS, RData, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};
use spark_core::units::DurationUs;
use spark_schemas::event::FailReason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::{assert_failed, assert_ok, run, target};

const NAME: &str = "shop.example";

struct Server {
    address: SocketAddr,
    udp_queries: Arc<Mutex<u32>>,
    _tasks: JoinSet<()>,
}

impl Server {
    fn url(&self, question: &str) -> String {
        format!("dns://{}/{question}", self.address)
    }
}

fn record(data: RData<'static>) -> ResourceRecord<'static> {
    ResourceRecord::new(Name::new_unchecked(NAME), CLASS::IN, 60, data)
}

/// Every datagram is answered with what `udp` makes of it, every query over TCP with what `tcp` makes of it.
async fn serve(
    udp: impl Fn(u32, &Packet<'_>) -> Vec<Vec<u8>> + Send + 'static,
    tcp: impl Fn(&Packet<'_>) -> Vec<u8> + Send + 'static,
) -> Server {
    // One port for both; what is free for one need not be for the other.
    let (socket, listener) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let address = socket.local_addr().unwrap();
    let udp_queries = Arc::new(Mutex::new(0));
    let (counted, mut tasks) = (Arc::clone(&udp_queries), JoinSet::new());
    tasks.spawn(async move {
        let mut query = [0; 2_048];
        loop {
            let (length, peer) = socket.recv_from(&mut query).await.unwrap();
            let answers = {
                let mut count = counted.lock().unwrap();
                *count += 1;
                udp(*count, &Packet::parse(&query[..length]).unwrap())
            };
            for answer in answers {
                socket.send_to(&answer, peer).await.unwrap();
            }
        }
    });
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut query).await.unwrap();
            let answer = tcp(&Packet::parse(&query).unwrap());
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    Server { address, udp_queries, _tasks: tasks }
}

fn reply(query: &Packet<'_>, change: impl FnOnce(&mut Packet<'static>)) -> Vec<u8> {
    let mut packet = Packet::new_reply(query.id());
    packet.questions = query.questions.iter().map(|question| question.clone().into_owned()).collect();
    change(&mut packet);
    packet.build_bytes_vec_compressed().unwrap()
}

async fn serve_records(records: Vec<RData<'static>>) -> Server {
    let records = move |packet: &mut Packet<'static>| packet.answers.extend(records.clone().into_iter().map(record));
    serve(move |_, query| vec![reply(query, &records)], |_| Vec::new()).await
}

#[tokio::test]
async fn each_type_of_record_is_asked_for_and_compared() {
    let name = |text: &'static str| Name::new_unchecked(text);
    let (exchange, host) = (name("Mail.shop.example"), name("sip.shop.example"));
    let txt = TXT::new().with_string("v=spf1 ").unwrap().with_string("-all").unwrap();
    for (kind, data, good, bad) in [
        ("A", RData::A(A { address: 0xc000_0201 }), "192.0.2.1", "192.0.2.2"),
        ("AAAA", RData::AAAA(AAAA { address: 1 }), "0:0::1", "::2"),
        ("CNAME", RData::CNAME(CNAME(name("www.Shop.example"))), "WWW.shop.example.", "shop.example"),
        ("MX", RData::MX(MX { preference: 10, exchange }), "10  mail.shop.example.", "20 mail.shop.example"),
        ("TXT", RData::TXT(txt), "v=spf1 -all", "v=spf1"),
        ("NS", RData::NS(NS(name("ns1.example"))), "ns1.example", "ns2.example"),
        ("SRV", RData::SRV(SRV { priority: 1, weight: 2, port: 5060, target: host }), "1 2 5060 sip.shop.example", "x"),
    ] {
        // An alias on the way is no record of the wanted type.
        let alias = RData::CNAME(CNAME(name("alias.example")));
        let server = serve_records(if kind == "CNAME" { vec![data] } else { vec![alias, data] }).await;
        let mut target = target(&server.url(&format!("{NAME}?type={kind}")));
        let seen = run(&target).await;
        assert_ok(&seen);
        assert!(seen.phases.dns_us.unwrap() > 0 && seen.phases.connect_us.is_none() && seen.status.is_none());
        target.expect_records = vec![good.to_owned()];
        assert_ok(&run(&target).await);
        target.expect_records = vec![good.to_owned(), bad.to_owned()];
        assert_failed(&run(&target).await, FailReason::Dns, &format!("expected {bad} among it"));
    }
}

#[tokio::test]
async fn a_name_that_is_not_there_and_a_server_that_refuses_are_told_apart() {
    for (code, words) in [
        (RCODE::NameError, "NXDOMAIN: shop.example does not exist"),
        (RCODE::ServerFailure, "SERVFAIL"),
        (RCODE::Refused, "REFUSED"),
        (RCODE::NotImplemented, "NotImplemented"),
    ] {
        let server =
            serve(move |_, query| vec![reply(query, |packet| *packet.rcode_mut() = code)], |_| Vec::new()).await;
        assert_failed(&run(&target(&server.url(NAME))).await, FailReason::Dns, words);
    }
    let empty = serve_records(Vec::new()).await;
    assert_failed(
        &run(&target(&empty.url("shop.example?type=MX"))).await,
        FailReason::Dns,
        "MX of shop.example has no record",
    );
}

#[tokio::test]
async fn a_long_answer_is_asked_for_again_over_tcp() {
    let long = || (0..3_000).map(|n| record(RData::A(A { address: n })));
    let cut = |_, query: &Packet<'_>| vec![reply(query, |packet| packet.set_flags(PacketFlag::TRUNCATION))];
    let server = serve(cut, move |query| reply(query, |packet| packet.answers.extend(long()))).await;
    let mut target = target(&server.url(NAME));
    target.expect_records = vec!["0.0.11.183".to_owned()];
    let seen = run(&target).await;
    assert_ok(&seen);
    assert!(seen.phases.connect_us.is_some(), "{seen:?}");
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again_and_silence_times_out() {
    let answer =
        |query: &Packet<'_>| vec![reply(query, |packet| packet.answers.push(record(RData::A(A { address: 1 }))))];
    let server = serve(move |count, query| if count > 1 { answer(query) } else { Vec::new() }, |_| Vec::new()).await;
    let mut asked = target(&server.url(NAME));
    asked.timeout = Some(DurationUs::from_ms(600));
    let seen = run(&asked).await;
    assert_ok(&seen);
    assert!(seen.latency_us >= 200_000, "{seen:?}");
    let silent = serve(|_, _| Vec::new(), |_| Vec::new()).await;
    asked.url = silent.url(NAME).parse().unwrap();
    let seen = run(&asked).await;
    assert_failed(&seen, FailReason::Timeout, "while waiting for the DNS server");
    assert_eq!(*silent.udp_queries.lock().unwrap(), 3);
}

#[tokio::test]
async fn forged_answers_are_passed_over_and_garbage_is_none() {
    let good = |query: &Packet<'_>| reply(query, |packet| packet.answers.push(record(RData::A(A { address: 1 }))));
    let forged = move |_, query: &Packet<'_>| {
        let mut other = good(query);
        other[0] ^= 1;
        vec![other, good(query)]
    };
    let server = serve(forged, |_| Vec::new()).await;
    let mut asked = target(&server.url(NAME));
    asked.expect_records = vec!["0.0.0.1".to_owned()];
    assert_ok(&run(&asked).await);
    let garbage = serve(|_, _| vec![b"garbage".to_vec()], |_| Vec::new()).await;
    assert_failed(&run(&target(&garbage.url(NAME))).await, FailReason::Protocol, "not of DNS");
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let seen = run(&target(&format!("dns://{address}/{NAME}"))).await;
    assert_failed(&seen, FailReason::Connect, "connection refused");
}
