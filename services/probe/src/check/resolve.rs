//! Host names to addresses by the system's resolver, which blocks a thread and can't be cancelled.
//!
//! So a name whose lookup hangs holds one thread, never more, and all lookups together hold at most
//! [`LOOKUPS_MAX`]: the rest of the runtime's blocking threads stay free for the outbox.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How many lookups may run at once; less than the 512 blocking threads a runtime has by default.
pub(super) const LOOKUPS_MAX: usize = 256;

type Lookup = JoinHandle<io::Result<Vec<SocketAddr>>>;

/// One host name and port, looked up anew for each check.
#[derive(Debug)]
pub(super) struct Resolver {
    host: Arc<str>,
    port: u16,
    limit: Arc<Semaphore>,
    unfinished: Mutex<Option<Lookup>>,
}

impl Resolver {
    pub(super) fn new(host: &str, port: u16, limit: Arc<Semaphore>) -> Self {
        Self { host: host.into(), port, limit, unfinished: Mutex::new(None) }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The addresses in the system's order. When a check was cancelled during its lookup, the next one waits for that.
    pub(super) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let left_over = self.unfinished().take().filter(|lookup| !lookup.is_finished());
        let lookup = match left_over {
            Some(lookup) => lookup,
            None => self.start().await?,
        };
        let mut current = Current { resolver: self, lookup: Some(lookup) };
        let Some(lookup) = current.lookup.as_mut() else { return Ok(Vec::new()) };
        let result = lookup.await;
        current.lookup = None;
        result.map_err(io::Error::other)?
    }

    async fn start(&self) -> io::Result<Lookup> {
        let permit = Arc::clone(&self.limit).acquire_owned().await.map_err(io::Error::other)?;
        let (host, port) = (Arc::clone(&self.host), self.port);
        Ok(tokio::task::spawn_blocking(move || {
            let _held_until_done = permit;
            (&*host, port).to_socket_addrs().map(Iterator::collect)
        }))
    }

    fn unfinished(&self) -> std::sync::MutexGuard<'_, Option<Lookup>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the lookup for the next check when this one is cancelled.
struct Current<'a> {
    resolver: &'a Resolver,
    lookup: Option<Lookup>,
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        if let Some(lookup) = self.lookup.take() {
            *self.resolver.unfinished() = Some(lookup);
        }
    }
}
