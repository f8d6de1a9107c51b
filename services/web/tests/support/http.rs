//! Requests over real sockets, as bytes, so that nothing is prettified on the way.
#![allow(dead_code, reason = "each user takes what it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the report")]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing in these tests takes this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The head, its names in lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends `request` as it is and reads until the server closes.
pub async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        // A server that refuses may close before it has read everything.
        let _reset = stream.read_to_end(&mut bytes).await;
        bytes
    };
    let bytes = timeout(PATIENCE, exchange).await.expect("an answer in time");
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head:?}"));
    let head = head.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}\n", name.to_ascii_lowercase()),
        None => format!("{line}\n"),
    });
    Answer { status, head: head.collect(), body: body.to_owned() }
}

/// A request without a body.
pub async fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    raw(address, format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).await
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path).await
}

/// A POST of `body`, with more header lines if need be.
pub async fn post(address: SocketAddr, path: &str, more: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n"
    );
    raw(address, (head + body).as_bytes()).await
}

/// An open stream of events.
pub struct Events {
    stream: TcpStream,
    read: String,
}

impl Events {
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, read: String::new() }
    }

    /// Reads on until `wanted` has come; everything up to it is taken.
    pub async fn until(&mut self, wanted: &str) -> String {
        let search = async {
            loop {
                if let Some(at) = self.read.find(wanted) {
                    return self.read.drain(..at + wanted.len()).collect();
                }
                let mut bytes = [0; 16 * 1024];
                let length = self.stream.read(&mut bytes).await.unwrap();
                assert!(length > 0, "the stream ended before {wanted:?}");
                self.read += &String::from_utf8_lossy(&bytes[..length]);
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_elapsed| panic!("{wanted:?} did not come"))
    }

    /// Waits for the server to end the stream.
    pub async fn end(mut self) {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the end in time").unwrap();
    }
}
