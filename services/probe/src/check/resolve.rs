//! Host names to addresses by the system's resolver, which blocks a thread and can't be cancelled.
//!
//! So a target whose lookup hangs holds one thread, never more, and all lookups together hold at most
//! [`LOOKUPS_MAX`]: the rest of the runtime's blocking threads stay free for the outbox.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How many lookups may run at once; less than the 512 blocking threads a runtime has by default.
pub(super) const LOOKUPS_MAX: usize = 256;

type Answer = io::Result<Vec<SocketAddr>>;

/// What the resolvers of one target share: wherever its redirects lead, one lookup runs at a time.
#[derive(Debug, Clone)]
pub(super) struct Lookups {
    limit: Arc<Semaphore>,
    unfinished: Arc<Mutex<Option<Lookup>>>,
}

#[derive(Debug)]
struct Lookup {
    host: Arc<str>,
    port: u16,
    work: JoinHandle<Answer>,
}

impl Lookups {
    pub(super) fn new(limit: Arc<Semaphore>) -> Self {
        Self { limit, unfinished: Arc::default() }
    }

    fn unfinished(&self) -> MutexGuard<'_, Option<Lookup>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One host name and port, looked up anew for each check.
#[derive(Debug)]
pub(super) struct Resolver {
    host: Arc<str>,
    port: u16,
    lookups: Lookups,
}

impl Resolver {
    pub(super) fn new(host: &str, port: u16, lookups: Lookups) -> Self {
        Self { host: host.into(), port, lookups }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The addresses in the system's order. When a check was cancelled during its lookup, the next one waits for that.
    pub(super) async fn addresses(&self) -> Answer {
        loop {
            let left_over = self.lookups.unfinished().take().filter(|lookup| !lookup.work.is_finished());
            let lookup = match left_over {
                Some(lookup) => lookup,
                None => self.start().await?,
            };
            let is_ours = lookup.host == self.host && lookup.port == self.port;
            let mut current = Current { lookups: &self.lookups, lookup: Some(lookup) };
            let Some(lookup) = current.lookup.as_mut() else { return Ok(Vec::new()) };
            let answer = (&mut lookup.work).await;
            current.lookup = None;
            if is_ours {
                return answer.map_err(io::Error::other)?;
            }
        }
    }

    async fn start(&self) -> io::Result<Lookup> {
        let permit = Arc::clone(&self.lookups.limit).acquire_owned().await.map_err(io::Error::other)?;
        let (host, port) = (Arc::clone(&self.host), self.port);
        let work = tokio::task::spawn_blocking(move || {
            let _held_until_done = permit;
            (&*host, port).to_socket_addrs().map(Iterator::collect)
        });
        Ok(Lookup { host: Arc::clone(&self.host), port, work })
    }
}

/// Keeps the lookup for the next check when this one is cancelled.
struct Current<'a> {
    lookups: &'a Lookups,
    lookup: Option<Lookup>,
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        if let Some(lookup) = self.lookup.take() {
            *self.lookups.unfinished() = Some(lookup);
        }
    }
}
