//! `spark up` on 1,000 HTTP targets every 5 s, beside Prometheus and blackbox_exporter on the same targets in the same run.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use spark_tests::{Client, Process, Setup, World, free_port, prometheus, target_toml};
use tokio::time::Instant;

use super::blackbox::Blackbox;
use super::connection::until_listening;
use super::measure::{process_time, resident_bytes};
use super::table::{Figure, bytes};
use super::{Options, checks};

const TARGETS: usize = 1_000;
const BUSY: &str = "both sides and the server they ask share two cores with whatever else runs";

/// What a side takes.
struct Taken {
    cores: f64,
    resident: u64,
}

/// The row.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    // Both sides first get every target once, then are measured.
    let (settle, measured) = options.pick((Duration::from_secs(60), Duration::from_secs(120)), seconds(10, 20));
    let (world, address) = (World::new(), checks::serve()?);
    let mut toml = "builtin_targets = false\n\n".to_owned();
    (0..TARGETS).for_each(|n| toml.push_str(&target_toml(&format!("t{n}"), &url(address, n), "5s")));
    let up = Setup::with_config(&world, &toml).start();
    let blackbox = Blackbox::start(&world)?;
    let (prometheus, peer) = start_prometheus(&world, address, &blackbox.address)?;
    std::thread::sleep(settle);
    let (ours, theirs) = ([up.process.id()], [prometheus.id(), blackbox.process.id()]);
    let (before_ours, before_theirs) = (time_of(&ours)?, time_of(&theirs)?);
    let observed_before = observations(&up.api)?;
    let begun = Instant::now();
    std::thread::sleep(measured);
    let elapsed = begun.elapsed();
    let ours = taken(&ours, before_ours, elapsed)?;
    let theirs = taken(&theirs, before_theirs, elapsed)?;
    let observed = observations(&up.api)?.saturating_sub(observed_before);
    let wanted = TARGETS as u64 * elapsed.as_secs() / 5;
    ensure!(observed >= wanted * 95 / 100, "Spark observed {observed} of {wanted} slots");
    let good = succeeded(&peer)?;
    ensure!(good >= TARGETS as u64 * 95 / 100, "Prometheus has {good} successful probes of {TARGETS} targets");
    let (cpu, memory) = (ours.cores / theirs.cores, ours.resident as f64 / theirs.resident as f64);
    let core = |cores: f64| format!("{cores:.3} core");
    Ok(vec![
        Figure::new("spark up, 1,000 HTTP targets every 5 s: CPU", core(ours.cores), "1/5 (20 %)")
            .beside(format!("Prometheus and blackbox_exporter, {}", core(theirs.cores)), cpu)
            .reached(cpu <= 0.2, BUSY),
        Figure::new("  resident memory", bytes(ours.resident), "1/4 (25 %)")
            .beside(bytes(theirs.resident), memory)
            .reached(memory <= 0.25, "not profiled yet: what each target keeps in memory was not looked at"),
        Figure::aside("  observations in the time measured", format!("{observed} of {wanted}")),
    ])
}

const fn seconds(settle: u64, measured: u64) -> (Duration, Duration) {
    (Duration::from_secs(settle), Duration::from_secs(measured))
}

fn url(address: SocketAddr, n: usize) -> String {
    format!("http://{address}/t{n}")
}

/// Prometheus as its documentation has it with blackbox_exporter: each target a scrape of the exporter.
fn start_prometheus(world: &World, address: SocketAddr, blackbox: &str) -> Result<(Process, Client)> {
    let mut config = format!(
        "scrape_configs:\n- job_name: probes\n  scrape_interval: 5s\n  scrape_timeout: 5s\n  metrics_path: /probe\n  \
         params: {{ module: [http] }}\n  relabel_configs:\n  - {{ source_labels: [__address__], target_label: \
         __param_target }}\n  - {{ source_labels: [__param_target], target_label: instance }}\n  - {{ target_label: \
         __address__, replacement: \"{blackbox}\" }}\n  static_configs:\n  - targets:\n"
    );
    for n in 0..TARGETS {
        writeln!(config, "    - \"{}\"", url(address, n))?;
    }
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = prometheus();
    command.arg(format!("--config.file={}", world.file("prometheus.yml", &config).display()));
    command.arg(format!("--storage.tsdb.path={}", world.path("prometheus").display()));
    command.arg(format!("--web.listen-address={listen}"));
    let process = Process::start(command, "prometheus", &world.logs());
    until_listening("Prometheus", &listen)?;
    Ok((process, Client::new(&format!("http://{listen}"))))
}

fn time_of(processes: &[u32]) -> Result<Duration> {
    processes.iter().map(|pid| process_time(*pid)).sum()
}

fn taken(processes: &[u32], before: Duration, elapsed: Duration) -> Result<Taken> {
    let on_cores = time_of(processes)?.saturating_sub(before);
    let resident = processes.iter().map(|pid| resident_bytes(*pid)).sum::<Result<u64>>()?;
    Ok(Taken { cores: on_cores.as_secs_f64() / elapsed.as_secs_f64(), resident })
}

fn observations(api: &Client) -> Result<u64> {
    let log = api.try_json("/api/v1/log").map_err(anyhow::Error::msg)?;
    log["observations"].as_u64().ok_or_else(|| anyhow::anyhow!("no observations in {log}"))
}

/// Targets whose latest probe was a success, by Prometheus's own account.
fn succeeded(api: &Client) -> Result<u64> {
    let answer = api.try_json("/api/v1/query?query=sum(probe_success)").map_err(anyhow::Error::msg)?;
    let text = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0");
    Ok(text.parse()?)
}
