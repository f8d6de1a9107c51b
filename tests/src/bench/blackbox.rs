//! Debian's blackbox_exporter: started, asked for probes as Prometheus does, and what they take on a core.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use spark_tests::{Process, World, blackbox_exporter, free_port};
use tokio::time::Instant;

use super::measure::{per_second, process_time};

const PATIENCE: Duration = Duration::from_secs(30);
/// As Spark checks: IPv4, no redirects followed, any 2xx is good.
const CONFIG: &str = "modules:\n  http:\n    prober: http\n    timeout: 5s\n    http:\n      preferred_ip_protocol: ip4\n      \
                      follow_redirects: false\n";

/// A running blackbox_exporter.
pub struct Blackbox {
    pub process: Process,
    pub address: String,
}

impl Blackbox {
    pub fn start(world: &World) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = blackbox_exporter();
        command.arg(format!("--config.file={}", world.file("blackbox.yml", CONFIG).display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start(command, "blackbox", &world.logs());
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            ensure!(begun.elapsed() < PATIENCE, "blackbox_exporter does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { process, address })
    }

    /// Has it check `url` so many times, some at once, each asked for over a connection that stays open.
    pub fn checks_per_core_second(&self, checks: u64, at_once: u64, url: &str) -> Result<f64> {
        let before = process_time(self.process.id())?;
        std::thread::scope(|scope| {
            let ask = || {
                let mut connection = BufReader::new(TcpStream::connect(&self.address)?);
                (0..checks / at_once).try_for_each(|_| probe(&mut connection, &self.address, url))
            };
            let askers: Vec<_> = (0..at_once).map(|_| scope.spawn(ask)).collect();
            askers
                .into_iter()
                .try_for_each(|asker| asker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        let took = process_time(self.process.id())?.saturating_sub(before);
        ensure!(!took.is_zero(), "too few checks to measure");
        Ok(per_second(checks / at_once * at_once, took))
    }
}

/// One probe, which must have been a success.
fn probe(connection: &mut BufReader<TcpStream>, host: &str, url: &str) -> Result<()> {
    let request = format!("GET /probe?module=http&target={url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut length, mut line) = (None, String::new());
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = Some(value.parse::<usize>()?),
            Some(("transfer-encoding", _)) => length = None,
            None if line == "\r\n" => break,
            None if line.is_empty() => anyhow::bail!("blackbox_exporter closed the connection"),
            _ => {}
        }
    }
    let body = match length {
        Some(length) => {
            let mut body = vec![0; length];
            connection.read_exact(&mut body)?;
            body
        }
        None => chunked(connection)?,
    };
    ensure!(String::from_utf8_lossy(&body).contains("\nprobe_success 1\n"), "blackbox_exporter's check failed");
    Ok(())
}

fn chunked(connection: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).context("no chunk's length")?;
        let mut chunk = vec![0; length + 2];
        connection.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..length]);
        if length == 0 {
            return Ok(body);
        }
    }
}
