//! A TCP proxy that can hold, lose and cut what it carries.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of bytes in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    Pass,
    /// They wait, and pass later.
    Hold,
    /// They are gone; the connection ends when bytes would pass again.
    Lose,
}

#[derive(Debug)]
struct Switch {
    to_server: watch::Sender<Flow>,
    to_client: watch::Sender<Flow>,
    cuts: watch::Sender<u64>,
}

pub struct Proxy {
    switch: Arc<Switch>,
    port: u16,
    _task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy before `nats://127.0.0.1:<port>`.
    pub async fn before(url: &str) -> Self {
        let server = url.trim_start_matches("nats://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sender = || watch::Sender::new(Flow::Pass);
        let switch = Arc::new(Switch { to_server: sender(), to_client: sender(), cuts: watch::Sender::new(0) });
        let shared = Arc::clone(&switch);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A server that is away hangs up at once.
                if let Ok(server) = TcpStream::connect(&server).await {
                    tokio::spawn(carry(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { switch, port, _task: task }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn requests(&self, flow: Flow) {
        self.switch.to_server.send_replace(flow);
    }

    pub fn answers(&self, flow: Flow) {
        self.switch.to_client.send_replace(flow);
    }

    pub fn cut(&self) {
        self.switch.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn carry(client: TcpStream, server: TcpStream, switch: Arc<Switch>) {
    let mut cuts = switch.cuts.subscribe();
    cuts.mark_unchanged();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, switch.to_server.subscribe()) => {}
        () = pass(from_server, to_client, switch.to_client.subscribe()) => {}
        _ = cuts.changed() => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flow: watch::Receiver<Flow>) {
    let (mut buffer, mut lost) = (vec![0; 64 * 1024], false);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = flow.wait_for(|flow| *flow != Flow::Hold).await.map(|flow| *flow) else { return };
        match now {
            Flow::Lose => lost = true,
            _ if lost => return,
            _ => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
