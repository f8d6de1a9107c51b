//! Servers that answer exactly what a test wants, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A server on a port of its own that ends with the test.
pub struct Server {
    pub address: SocketAddr,
    /// The head of each request, as it came.
    pub requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Handles each connection with `handle`, which gets the connection right after it was accepted.
pub async fn accept<F, Fut>(handle: F) -> Server
where
    F: Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(handle(stream, Arc::clone(&seen)));
        }
    });
    Server { address, requests, _tasks: tasks }
}

/// Answers every request with `answer` and closes.
pub async fn answer(answer: impl Into<Vec<u8>>) -> Server {
    let answer = Arc::new(answer.into());
    accept(move |mut stream, requests| {
        let answer = Arc::clone(&answer);
        async move { answer_once(&mut stream, &requests, &answer).await }
    })
    .await
}

/// Reads a request's head, writes `answer`, closes.
pub async fn answer_once<S>(stream: &mut S, requests: &Mutex<Vec<String>>, answer: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(head) = read_head(stream).await else { return };
    requests.lock().unwrap().push(head);
    // The client may be content before it has read everything.
    let _gone = stream.write_all(answer).await;
    let _gone = stream.shutdown().await;
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest).await, Ok(1..)) {}
}

pub async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A whole answer with a length.
pub fn http(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Word\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A port that nobody listens on.
pub async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
