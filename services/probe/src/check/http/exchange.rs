//! One HTTP/1.1 request and the head of its answer, over a connection that is polled by whoever uses it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use spark_schemas::TimeNs;
use spark_schemas::event::FailReason;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tokio_util::io::InspectReader;

use super::super::{Failure, Seen, Stage, add_us, us_since};

/// The longest head of an answer, and so what a connection buffers.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What bytes go over: encrypted or not.
pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;
/// A stream that says when something was read.
type Timed = InspectReader<Stream, Box<dyn FnMut(&[u8]) + Send>>;

/// A connection that requests go over, one after the other.
pub(super) struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: http1::Connection<TokioIo<Timed>, Full<Bytes>>,
    first_byte: Arc<FirstByte>,
    /// When the certificate that was shown expires.
    pub(super) certificate_expires_ns: Option<TimeNs>,
}

impl Line {
    pub(super) async fn new(stream: Stream, certificate_expires_ns: Option<TimeNs>) -> Result<Self, Failure> {
        let first_byte = Arc::new(FirstByte { base: Instant::now(), at_us: AtomicU64::new(0) });
        let noted = Arc::clone(&first_byte);
        let note = move |bytes: &[u8]| {
            // At the end of the stream there is no byte.
            if !bytes.is_empty() {
                noted.note();
            }
        };
        let io: Timed = InspectReader::new(stream, Box::new(note));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(|error| broken(&error))?;
        Ok(Self { sender, connection, first_byte, certificate_expires_ns })
    }

    /// Sends `request`, and has `work` on the answer's head while the connection is polled.
    pub(super) async fn ask<T>(
        &mut self,
        request: Request<Full<Bytes>>,
        seen: &mut Seen,
        work: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        seen.stage = Stage::Waiting;
        let first_byte = &*self.first_byte;
        let asked_us = first_byte.begin();
        let sent = self.sender.send_request(request);
        let answer = async {
            let answered = sent.await;
            // Also when the answer's head never came whole.
            if let Some(us) = first_byte.us_since(asked_us) {
                add_us(&mut seen.phases.first_byte_us, us);
            }
            let response = answered.map_err(|error| broken(&error))?;
            seen.status = Some(response.status().as_u16());
            seen.stage = Stage::Reading;
            work(response).await
        };
        drive(&mut self.connection, answer).await
    }

    /// Whether another request can go over it: the answer before was read to its end, and nobody closed it.
    pub(super) async fn is_ready(&mut self) -> bool {
        let sender = &mut self.sender;
        let mut has_ended = false;
        let ready = poll_fn(|cx| {
            has_ended |= Pin::new(&mut self.connection).poll(cx).is_ready();
            // One look is enough: what is not ready now is not waited for.
            Poll::Ready(!has_ended && matches!(sender.poll_ready(cx), Poll::Ready(Ok(()))))
        });
        ready.await
    }
}

/// Polls the connection beside the work that needs it, in one task.
async fn drive<C: Future + Unpin, F: Future>(connection: &mut C, work: F) -> F::Output {
    let mut work = pin!(work);
    let mut is_open = true;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        if is_open {
            // The connection's own error reaches the work too.
            is_open = Pin::new(&mut *connection).poll(cx).is_pending();
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// What broke the exchange, in one sentence.
pub(super) fn broken(error: &hyper::Error) -> Failure {
    match std::error::Error::source(error) {
        Some(source) => Failure::new(FailReason::Protocol, format_args!("{error}: {source}")),
        None => Failure::new(FailReason::Protocol, error),
    }
}

/// When the current answer's first byte came.
struct FirstByte {
    base: Instant,
    /// Counted from `base`; 0 until it came.
    at_us: AtomicU64,
}

impl FirstByte {
    /// Forgets the answer before; gives when this one was asked for.
    fn begin(&self) -> u64 {
        self.at_us.store(0, Relaxed);
        us_since(self.base)
    }

    fn note(&self) {
        if self.at_us.load(Relaxed) == 0 {
            self.at_us.store(us_since(self.base).max(1), Relaxed);
        }
    }

    fn us_since(&self, asked_us: u64) -> Option<u64> {
        let at_us = Some(self.at_us.load(Relaxed)).filter(|us| *us > 0)?;
        Some(at_us.saturating_sub(asked_us).max(1))
    }
}
