//! One HTTP/1.1 request and its answer over a connection that is used once.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use spark_core::config::StatusRanges;
use spark_schemas::event::FailReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{Failure, Seen, Stage, us_since};

/// How much of a body is read, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The request to send each time, and the text to look for in the answer.
pub(super) struct HttpRequest {
    pub(super) request: Request<Empty<Bytes>>,
    pub(super) expect_body: Option<String>,
}

/// Sends the request, judges status and body.
pub(super) async fn exchange<S>(
    stream: S,
    http: &HttpRequest,
    expect_status: &StatusRanges,
    seen: &mut Seen,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    seen.stage = Stage::Waiting;
    let first_byte = FirstByte { begun: Instant::now(), at_us: AtomicU64::new(0) };
    let io = TokioIo::new(Timed { stream, first_byte: &first_byte });
    let (mut sender, connection) = http1::handshake(io).await.map_err(|error| broken(&error))?;
    let answer = async {
        let response = sender.send_request(http.request.clone()).await.map_err(|error| broken(&error))?;
        seen.phases.first_byte_us = first_byte.us();
        let status = response.status().as_u16();
        seen.status = Some(status);
        seen.stage = Stage::Reading;
        let found = read_body(response.into_body(), http.expect_body.as_deref()).await?;
        if !expect_status.contains(status) {
            let detail = format_args!("status {status}, expected {expect_status}");
            return Err(Failure::new(FailReason::Status, detail));
        }
        found
    };
    let result = drive(connection, answer).await;
    // Also when the answer's head never came whole.
    seen.phases.first_byte_us = first_byte.us();
    result
}

/// Reads the body to its end or to the bound. The outer error is a broken transfer, the inner the body's condition.
async fn read_body(mut body: Incoming, expect: Option<&str>) -> Result<Result<(), Failure>, Failure> {
    let mut text = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        if expect.is_some() {
            let room = BODY_BYTES_MAX - text.len();
            text.extend_from_slice(&data[..data.len().min(room)]);
        }
        length = length.saturating_add(data.len());
        if length >= BODY_BYTES_MAX {
            break;
        }
    }
    let Some(wanted) = expect else { return Ok(Ok(())) };
    if String::from_utf8_lossy(&text).contains(wanted) {
        return Ok(Ok(()));
    }
    let place = if length >= BODY_BYTES_MAX { "the body's first MiB" } else { "the body" };
    Ok(Err(Failure::new(FailReason::Body, format_args!("{place} does not contain {wanted:?}"))))
}

/// Polls the connection beside the work that needs it, in one task.
async fn drive<C: Future, F: Future>(connection: C, work: F) -> F::Output {
    let (mut connection, mut work) = (pin!(connection), pin!(work));
    let mut is_open = true;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        if is_open {
            // The connection's own error reaches the work too.
            is_open = connection.as_mut().poll(cx).is_pending();
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// What broke the exchange, in one sentence.
fn broken(error: &hyper::Error) -> Failure {
    match std::error::Error::source(error) {
        Some(source) => Failure::new(FailReason::Protocol, format_args!("{error}: {source}")),
        None => Failure::new(FailReason::Protocol, error),
    }
}

/// When the answer's first byte came, counted from the request.
struct FirstByte {
    begun: Instant,
    /// 0 until it came.
    at_us: AtomicU64,
}

impl FirstByte {
    fn us(&self) -> Option<u64> {
        Some(self.at_us.load(Relaxed)).filter(|us| *us > 0)
    }
}

/// A stream that notes when it was first read from with success.
struct Timed<'a, S> {
    stream: S,
    first_byte: &'a FirstByte,
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let filled = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > filled && self.first_byte.at_us.load(Relaxed) == 0 {
            self.first_byte.at_us.store(us_since(self.first_byte.begun).max(1), Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
