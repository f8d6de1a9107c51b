//! The HTTP check: connect or take the connection left open, ask, follow redirects if wanted, judge the last answer.
//!
//! Redirects are off unless the target says how many: then a 3xx is a status like any other. Each hop is a connection of
//! its own within the one timeout; the latency is that of all hops, and so is each phase. Of their certificates the one
//! that expires first counts.

mod conditions;
mod exchange;
mod redirect;
mod request;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use spark_core::config::{Connection, Target};
use tokio::time::Instant;

use super::connect::Endpoint;
use super::tls::TlsPart;
use super::{Failure, Seen};
use conditions::{Conditions, Judged};
use exchange::{Line, Stream};
pub(super) use redirect::Redirects;
pub(super) use request::{Asked, Parts};

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) endpoint: Endpoint,
    pub(super) tls: Option<TlsPart>,
}

impl Origin {
    async fn connect(&self, limit: Duration, seen: &mut Seen) -> Result<Line, Failure> {
        let stream = self.endpoint.connect(limit, seen).await?;
        match &self.tls {
            None => Line::new(Stream::Left(stream), None).await,
            Some(tls) => {
                let stream = Stream::Right(tls.handshake(stream, seen).await?);
                Line::new(stream, seen.certificate_expires_ns).await
            }
        }
    }
}

/// A target's check with everything that does not change between runs.
pub(super) struct HttpCheck {
    origin: Origin,
    parts: Parts,
    first: Asked,
    /// Of the first hop: the same each time.
    request: Request<Full<Bytes>>,
    conditions: Conditions,
    redirects: Option<Redirects>,
    connection: Connection,
    idle: Mutex<Option<Box<Line>>>,
}

/// What came of one hop.
enum Hop {
    /// The last answer.
    Done(Judged),
    /// Go on there.
    Elsewhere(Box<Asked>),
}

impl HttpCheck {
    pub(super) fn new(
        origin: Origin,
        parts: Parts,
        first: Asked,
        redirects: Option<Redirects>,
        target: &Target,
    ) -> Result<Self, hyper::http::Error> {
        let (request, conditions) = (parts.try_request(&first)?, Conditions::new(target));
        let (connection, idle) = (target.connection, Mutex::default());
        Ok(Self { origin, parts, first, request, conditions, redirects, connection, idle })
    }

    pub(super) async fn run(&self, limit: Duration, seen: &mut Seen) -> Result<(), Failure> {
        let begun = Instant::now();
        let Some(mut asked) = self.first_hop(limit, seen).await? else { return Ok(()) };
        let Some(redirects) = &self.redirects else { return Ok(()) };
        for hops in 1.. {
            let origin = redirects.origin(&asked)?;
            let mut line = origin.connect(limit.saturating_sub(begun.elapsed()), seen).await?;
            match self.hop(&mut line, self.parts.request(&asked)?, &asked, hops, seen).await? {
                Hop::Elsewhere(next) => asked = next,
                Hop::Done(judged) => return judged.result,
            }
        }
        Ok(())
    }

    /// Asks the target itself; gives where it leads on to, if it does.
    async fn first_hop(&self, limit: Duration, seen: &mut Seen) -> Result<Option<Box<Asked>>, Failure> {
        let begun = Instant::now();
        if let Some(line) = self.left_open(seen).await {
            match self.first_hop_over(line, seen).await {
                // Closed at the very moment: nobody answered, so the target is asked anew.
                Err(_) if seen.phases.first_byte_us.is_none() && self.first.method.is_safe() => {}
                result => return result,
            }
        }
        seen.certificate_expires_ns = None;
        let line = self.origin.connect(limit.saturating_sub(begun.elapsed()), seen).await?;
        self.first_hop_over(Box::new(line), seen).await
    }

    async fn first_hop_over(&self, mut line: Box<Line>, seen: &mut Seen) -> Result<Option<Box<Asked>>, Failure> {
        match self.hop(&mut line, self.request.clone(), &self.first, 0, seen).await? {
            Hop::Elsewhere(asked) => Ok(Some(asked)),
            Hop::Done(Judged { is_whole, result }) => {
                // Also when a condition is broken: what is wrong with the answer is not wrong with its connection.
                self.leave_open(line, is_whole).await;
                result.map(|()| None)
            }
        }
    }

    async fn hop(
        &self,
        line: &mut Line,
        request: Request<Full<Bytes>>,
        asked: &Asked,
        hops: u32,
        seen: &mut Seen,
    ) -> Result<Hop, Failure> {
        let work = async |response: Response<Incoming>| {
            let next = self.redirects.as_ref().and_then(|redirects| redirects.next(asked, hops, &response));
            match next {
                Some(next) => next.map(|next| Hop::Elsewhere(Box::new(next))),
                None => self.conditions.judge(response).await.map(Hop::Done),
            }
        };
        line.ask(request, seen, work).await
    }

    fn idle(&self) -> MutexGuard<'_, Option<Box<Line>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection of the check before, if it is still open.
    async fn left_open(&self, seen: &mut Seen) -> Option<Box<Line>> {
        let mut line = self.idle().take()?;
        if !line.is_ready().await {
            return None;
        }
        seen.certificate_expires_ns = line.certificate_expires_ns;
        Some(line)
    }

    async fn leave_open(&self, mut line: Box<Line>, is_whole: bool) {
        if self.connection == Connection::Reuse && is_whole && line.is_ready().await {
            *self.idle() = Some(line);
        }
    }
}
