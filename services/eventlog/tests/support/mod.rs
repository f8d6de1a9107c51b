//! A NATS server of the test's own: its own port, its own folder, gone when the test is.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use spark_eventlog::Outgoing;
use spark_eventlog::jetstream::{Client, ConnectOptions, InitOptions, JetStreamLog, connect, init};
use spark_schemas::{Boot, Class, EventSubject, MsgId, Name};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A running `nats-server` with JetStream on disk.
pub struct Server {
    folder: TempDir,
    extra_config: String,
    /// More settings of JetStream; `None` without it.
    jetstream: Option<&'static str>,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Starts a server that syncs every write, on a port that the system picks.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// As [`Server::start`], with more lines of configuration.
    pub async fn start_with(extra_config: &str) -> Self {
        let folder = tempfile::tempdir().expect("make a folder for the server");
        let jetstream = Some("");
        let mut server = Self { folder, extra_config: extra_config.to_owned(), jetstream, port: 0, process: None };
        server.start_again().await;
        server
    }

    /// Starts the server again with more settings of JetStream, or without it.
    pub async fn start_again_with_jetstream(&mut self, jetstream: Option<&'static str>) {
        self.jetstream = jetstream;
        self.start_again().await;
    }

    /// Starts the server again on the same folder and port.
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server still runs");
        let config = self.folder.path().join("server.conf");
        let store = self.folder.path().join("store");
        let ports = self.folder.path().join("ports");
        fs::create_dir_all(&ports).unwrap();
        fs::write(&config, self.config(&store, &ports)).unwrap();
        let log = fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let program = nats_server();
        let mut child = Command::new(&program)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
        let ports_file = ports.join(format!("nats-server_{}.ports", child.id()));
        let deadline = Instant::now() + DEADLINE;
        // Written when the server is ready for clients.
        self.port = loop {
            if let Some(port) = fs::read(&ports_file).ok().and_then(|json| port_in(&json)) {
                break port;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "the server did not start: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.process = Some(child);
    }

    /// Ends the server as a power cut would end it, as far as a process can tell.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().expect("kill the server");
            child.wait().expect("wait for the server's end");
        }
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A connection as services make it.
    pub async fn connect(&self) -> Client {
        connect(self.options()).await.expect("connect to the test's server")
    }

    /// What [`Server::connect`] uses.
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            servers: vec![self.url()],
            credentials: None,
            name: "spark-test".to_owned(),
            inbox_prefix: None,
            ca_file: None,
        }
    }

    /// A connection of the plain client, for what Spark itself never does.
    pub async fn admin(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(self.url()).await.expect("connect to the test's server"))
    }

    /// Partition 0 of a fresh log.
    pub async fn log_with_stream(&self) -> (Client, JetStreamLog) {
        let client = self.connect().await;
        init(&client, &InitOptions::default()).await.expect("make the stream");
        let log = JetStreamLog::open(&client, 0).await.expect("open the stream");
        (client, log)
    }

    /// Says `protocol` to the server word for word, and waits until it took it.
    pub async fn say(&self, protocol: &str) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let hello = "CONNECT {\"verbose\":false,\"headers\":true}\r\n";
        socket.write_all(format!("{hello}{protocol}PING\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("PONG") {
            let mut bytes = [0; 4096];
            let count = soon("the server's answer", socket.read(&mut bytes)).await.unwrap();
            assert!(count > 0, "the server hung up: {answer}");
            answer.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn config(&self, store: &Path, ports: &Path) -> String {
        let port = if self.port == 0 { -1 } else { i32::from(self.port) };
        let jetstream =
            self.jetstream.map(|more| format!("jetstream {{ store_dir: {store:?}, sync_interval: always\n{more} }}\n"));
        let (jetstream, more) = (jetstream.unwrap_or_default(), &self.extra_config);
        format!("listen: \"127.0.0.1:{port}\"\nports_file_dir: {ports:?}\n{jetstream}{more}\n")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `{"nats": ["nats://127.0.0.1:34567"], …}`
fn port_in(json: &[u8]) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_slice(json).ok()?;
    ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}

fn nats_server() -> PathBuf {
    if let Some(path) = std::env::var_os("SPARK_TEST_NATS_SERVER") {
        return path.into();
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace's folder");
    let programs = if cfg!(windows) { "Scripts/nats-server.exe" } else { "bin/nats-server" };
    let tool = workspace.join("target/tools/venv").join(programs);
    if tool.exists() {
        return tool;
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("nats-server{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&search)
        .map(|folder| folder.join(&name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no nats-server: run `cargo xtask tools`, or set SPARK_TEST_NATS_SERVER"))
}

/// Frame `seq` of the agent `ist-1` for partition 0; the payload names the frame.
pub fn frame(seq: u64) -> Outgoing {
    frame_of("ist-1", seq)
}

/// Frame `seq` of `agent` for partition 0; the log does not look into the payload.
pub fn frame_of(agent: &str, seq: u64) -> Outgoing {
    Outgoing {
        subject: EventSubject { partition: 0, agent: Name::new(agent).unwrap(), class: Class::Obs },
        msg_id: MsgId { boot: Boot([7; 16]), seq },
        payload: Bytes::from(format!("{agent} frame {seq}")),
    }
}

/// Frames `range` of the agent `ist-1`.
pub fn frames(range: std::ops::Range<u64>) -> Vec<Outgoing> {
    range.map(frame).collect()
}

/// Fails the test when `future` takes longer than [`DEADLINE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_elapsed| panic!("{what} took too long"))
}

/// Asks again until `condition` holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An error and everything behind it, as a user would see it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
