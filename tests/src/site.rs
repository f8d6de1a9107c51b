//! A web site under the test's control, for Spark to watch.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How a path of the site behaves.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// The HTTP status it answers.
    pub status: u16,
    /// How long it takes to.
    pub delay: Duration,
    /// It closes the connection instead of answering.
    pub hang_up: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { status: 200, delay: Duration::ZERO, hang_up: false }
    }
}

/// A web site; every path answers 200 unless told otherwise. It counts the requests for each.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    closed: AtomicBool,
    paths: Mutex<HashMap<String, (Behaviour, u64)>>,
}

impl Site {
    /// Opens a site on a free port.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn open() -> Self {
        Self::open_at("127.0.0.1")
    }

    /// The same on another address of this machine.
    ///
    /// # Panics
    /// When this machine does not have it.
    pub fn open_at(ip: &str) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port");
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if served.closed.load(Ordering::SeqCst) {
                    return;
                }
                let served = Arc::clone(&served);
                if let Ok(stream) = stream {
                    thread::spawn(move || served.answer(stream));
                }
            }
        });
        Self { address, shared }
    }

    /// The URL of a path, which starts with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on the path behaves so.
    pub fn set(&self, path: &str, behaviour: Behaviour) {
        self.shared.with(path, |entry| entry.0 = behaviour);
    }

    /// From now on the path answers this status.
    pub fn set_status(&self, path: &str, status: u16) {
        self.set(path, Behaviour { status, ..Behaviour::default() });
    }

    /// How often the path was asked for.
    pub fn hits(&self, path: &str) -> u64 {
        self.shared.with(path, |entry| entry.1)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn with<R>(&self, path: &str, change: impl FnOnce(&mut (Behaviour, u64)) -> R) -> R {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        change(paths.entry(path.to_owned()).or_default())
    }

    /// Answers one request; a client that goes away is its own business.
    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let request = lines.next()?.ok()?;
        let path = request.split(' ').nth(1)?.to_owned();
        lines.map_while(Result::ok).find(String::is_empty)?;
        let behaviour = self.with(&path, |(behaviour, hits)| {
            *hits += 1;
            behaviour.clone()
        });
        thread::sleep(behaviour.delay);
        if !behaviour.hang_up {
            let body = "{\"status\":\"ok\"}";
            let Behaviour { status, .. } = behaviour;
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} It\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n")
                .ok()?;
            write!(stream, "Connection: close\r\n\r\n{body}").ok()?;
        }
        Some(())
    }
}
