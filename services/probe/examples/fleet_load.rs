//! A whole probe under load: lateness of its schedule, processor time and memory. `cargo run --release --example
//! fleet_load -p spark-probe [targets] [interval in ms] [seconds]`; the server runs on a thread of its own, not counted.

use std::error::Error;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use spark_core::config::{Probe, Target};
use spark_core::units::DurationUs;
use spark_eventlog::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError, clock};
use spark_probe::check::CheckContext;
use spark_probe::{ProbeOptions, run};
use spark_schemas::{Event, Frame, Name};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        connections.spawn(async move {
            let mut request = [0; 1024];
            let _read = stream.read(&mut request).await;
            let _written = stream.write_all(ANSWER).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The processor time of the probe's threads: those whose name says so.
fn probe_cpu() -> Option<Duration> {
    let mut sum = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        let spent = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        if name.starts_with("probe") {
            sum += Duration::from_nanos(spent.split(' ').next()?.parse().ok()?);
        }
    }
    Some(sum)
}

#[derive(Default)]
struct Lateness(Mutex<Vec<u64>>);

#[async_trait]
impl EventLog for Lateness {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        let frames_in = frames.iter().filter_map(|frame| Frame::decode_alone(&frame.payload).ok());
        let late = frames_in.flat_map(|frame| frame.events).filter_map(|event| match event {
            Event::Observed(observed) => Some(observed.started_ns.since_us(observed.slot_ns)),
            _ => None,
        });
        if let Ok(mut all) = self.0.lock() {
            all.extend(late);
        }
        Ok(frames.iter().map(|_| Appended { seq: 1, duplicate: false }).collect())
    }

    async fn read(&self, _from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        Err(ReadError::Closed)
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        Err(ReadError::Closed)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (count, interval_ms) = (numbers.next().unwrap_or(1_000), numbers.next().unwrap_or(500));
    let seconds = numbers.next().unwrap_or(10);
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            serve(TcpListener::from_std(listener)?).await;
            Ok::<_, std::io::Error>(())
        })
    });
    let mut targets = Vec::new();
    for n in 0..count {
        let mut target = Target::new(Name::new(&format!("target-{n}"))?, format!("http://{address}/").parse()?);
        target.interval = DurationUs::from_ms(interval_ms);
        targets.push(target);
    }
    let (_list, targets) = watch::channel(Arc::new(targets));
    let dir = tempfile::tempdir_in(".")?;
    let options = ProbeOptions {
        agent: Name::new("bench")?,
        partition: 0,
        dir: dir.path().to_owned(),
        clock: clock::system(),
        settings: Probe::default(),
        context: Arc::new(CheckContext::new(|_| None)),
        targets,
    };
    let log = Arc::new(Lateness::default());
    let shutdown = CancellationToken::new();
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("probe").enable_all().build()?;
    let (summary, cpu) = runtime.block_on(async {
        let probe = tokio::spawn(run(options, Arc::clone(&log) as Arc<dyn EventLog>, shutdown.clone()));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let cpu = probe_cpu();
        shutdown.cancel();
        (probe.await, cpu)
    });
    let mut late = log.0.lock().map_err(|_poisoned| "the log panicked")?.clone();
    late.sort_unstable();
    let quantile = |q: usize| late.get(late.len() * q / 1_000).copied().unwrap_or(0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown");
    let mut out = std::io::stdout();
    writeln!(out, "lateness us: p50 {}, p99 {}, p99.9 {}", quantile(500), quantile(990), quantile(999))?;
    writeln!(out, "probe's processor time: {cpu:?} in {seconds} s; {memory}")?;
    writeln!(out, "{:?}", summary??)?;
    Ok(())
}
