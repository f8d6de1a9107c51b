//! Servers that mean harm: each check ends within its timeout, with a reason, and takes no more memory than its bounds.

use std::time::Duration;

use spark_core::config::Target;
use spark_core::units::DurationUs;
use spark_probe::check::CheckOutcome;
use spark_schemas::event::FailReason;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::servers::{Server, accept, answer, read_head};
use crate::{assert_failed, assert_ok, run, target};

const TIMEOUT: DurationUs = DurationUs::from_ms(400);

async fn server<F: Future<Output = ()> + Send>(speak: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> Server {
    accept(move |mut stream, _| {
        let speak = speak.clone();
        async move {
            if read_head(&mut stream).await.is_some() {
                speak(stream).await;
            }
        }
    })
    .await
}

fn hasty(server: &Server) -> Target {
    let mut target = target(&server.url("/"));
    target.timeout = Some(TIMEOUT);
    target
}

async fn run_in_time(target: &Target) -> CheckOutcome {
    let begun = Instant::now();
    let seen = run(target).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?} {seen:?}", begun.elapsed());
    assert!(seen.latency_us <= TIMEOUT.0, "{seen:?}");
    seen
}

/// Writes `piece` for ever, until nobody reads.
async fn for_ever(mut stream: TcpStream, head: &'static [u8], piece: Vec<u8>, pause: Duration) {
    let mut gone = stream.write_all(head).await;
    while gone.is_ok() {
        gone = stream.write_all(&piece).await;
        sleep(pause).await;
    }
}

#[tokio::test]
async fn an_endless_body_is_read_to_the_bound() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let server = server(move |stream| for_ever(stream, head, chunk.clone(), Duration::ZERO)).await;
    let mut target = hasty(&server);
    target.timeout = Some(DurationUs::from_secs(5));
    assert_ok(&run(&target).await);
    target.expect_body = Some("needle".to_owned());
    assert_failed(&run(&target).await, FailReason::Body, "the body's first 1048576 bytes");
}

#[tokio::test]
async fn a_drip_of_bytes_times_out_where_it_drips() {
    let drip = |head: &'static [u8]| move |stream| for_ever(stream, head, b"a".to_vec(), Duration::from_millis(20));
    let in_body = server(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")).await;
    assert_failed(&run_in_time(&hasty(&in_body)).await, FailReason::Timeout, "while reading the body");
    let in_head = server(drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")).await;
    assert_failed(&run_in_time(&hasty(&in_head)).await, FailReason::Timeout, "while waiting for the answer");
}

#[tokio::test]
async fn endless_headers_are_cut_off() {
    let line = b"X-Header: value\r\n".repeat(100);
    let many = server(move |stream| for_ever(stream, b"HTTP/1.1 200 OK\r\n", line.clone(), Duration::ZERO)).await;
    assert_failed(&run_in_time(&hasty(&many)).await, FailReason::Protocol, "");
    let long = server(|stream| for_ever(stream, b"HTTP/1.1 200 OK\r\nX: ", vec![b'a'; 10_000], Duration::ZERO)).await;
    assert_failed(&run_in_time(&hasty(&long)).await, FailReason::Protocol, "");
    let informed = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    let informing = server(move |stream| for_ever(stream, b"", informed.clone(), Duration::ZERO)).await;
    let seen = run_in_time(&hasty(&informing)).await;
    assert!(matches!(seen.reason, Some(FailReason::Timeout | FailReason::Protocol)), "{seen:?}");
}

#[tokio::test]
async fn broken_framing_breaks_the_protocol() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in ["zz\r\nhi\r\n", "-1\r\n", "fffffffffffffffff\r\n", "5\r\nhello", "3\r\nabcdef\r\n0\r\n\r\n", "5;"] {
        let server = answer(format!("{chunked}{body}")).await;
        assert_failed(&run_in_time(&hasty(&server)).await, FailReason::Protocol, "");
    }
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let server = answer(head).await;
        let seen = run_in_time(&hasty(&server)).await;
        assert!(seen.reason.is_some() && seen.detail.is_some(), "{head:?}: {seen:?}");
    }
}

#[tokio::test]
async fn random_answers_are_always_an_observation() {
    let mut state = 42_u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let pieces: [&[u8]; 10] = [
        b"HTTP/1.1 ",
        b"200",
        b" OK",
        b"\r\n",
        b"\r\n\r\n",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"\xff\0",
    ];
    for _ in 0..300 {
        let start: &[u8] = if draw(4) > 0 { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        let mut bytes = start.to_vec();
        for _ in 0..draw(12) {
            bytes.extend_from_slice(pieces[usize::try_from(draw(10)).unwrap()]);
        }
        let server = answer(bytes.clone()).await;
        let mut target = hasty(&server);
        target.expect_body = Some("hello".to_owned());
        let seen = run_in_time(&target).await;
        let is_whole = seen.reason.is_none() == (seen.detail.is_none());
        assert!(is_whole, "{:?}: {seen:?}", String::from_utf8_lossy(&bytes));
    }
}
