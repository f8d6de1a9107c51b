//! Debian's blackbox_exporter: started, asked for probes as Prometheus does, and what they take on a core.

use anyhow::{Result, ensure};
use spark_tests::{Process, World, blackbox_exporter, free_port};

use super::connection::{Connection, until_listening};
use super::measure::{per_second, process_time};

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
        until_listening("blackbox_exporter", &address)?;
        Ok(Self { process, address })
    }

    /// Has it check `url` so many times, some at once, each asked for over a connection that stays open.
    pub fn checks_per_core_second(&self, checks: u64, at_once: u64, url: &str) -> Result<f64> {
        let before = process_time(self.process.id())?;
        std::thread::scope(|scope| {
            let ask = || {
                let mut connection = Connection::open(&self.address)?;
                (0..checks / at_once).try_for_each(|_| probe(&mut connection, url))
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
fn probe(connection: &mut Connection, url: &str) -> Result<()> {
    let body = connection.get(&format!("/probe?module=http&target={url}"))?;
    ensure!(String::from_utf8_lossy(&body).contains("\nprobe_success 1\n"), "blackbox_exporter's check failed");
    Ok(())
}
