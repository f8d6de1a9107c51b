//! How many checks one core runs in a second, and what keeping a frame costs: `cargo run --release --example
//! checks_per_second -p spark-probe [directory]`. The server runs on a thread of its own; only the probe's is counted.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use spark_core::config::Target;
use spark_core::units::DurationUs;
use spark_probe::check::{CheckContext, PreparedCheck};
use spark_schemas::event::Outcome;
use spark_schemas::{Name, TimeNs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CHECKS: u32 = 40_000;
const AT_ONCE: u32 = 50;
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

/// The time this thread spent on a core, where the system tells.
fn cpu_time() -> Option<Duration> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    schedstat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn main() -> Result<(), Box<dyn Error>> {
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
    let mut out = std::io::stdout();
    for scheme in ["http", "tcp"] {
        let mut target = Target::new(Name::new("bench")?, format!("{scheme}://{address}").parse()?);
        target.timeout = Some(DurationUs::from_secs(5));
        let check = Arc::new(PreparedCheck::new(&target, &CheckContext::new(|_| None))?);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (cpu, begun) = (cpu_time(), Instant::now());
        let failed = runtime.block_on(rounds(&check));
        let (cpu, took) = (cpu_time().zip(cpu).map(|(now, before)| now - before), begun.elapsed());
        let per_second = f64::from(CHECKS) / took.as_secs_f64();
        let per_core_second = cpu.map_or(f64::NAN, |cpu| f64::from(CHECKS) / cpu.as_secs_f64());
        writeln!(out, "{scheme}: {per_second:.0} checks/s, {per_core_second:.0} per core-second, {failed} failed")?;
    }
    let dir = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    fsync_cost(&dir, &mut out)
}

async fn rounds(check: &Arc<PreparedCheck>) -> u32 {
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let check = Arc::clone(check);
        tasks.spawn(async move {
            let mut failed = 0;
            for _ in 0..CHECKS / AT_ONCE {
                failed += u32::from(check.run(TimeNs(0)).await.outcome == Outcome::Fail);
            }
            failed
        });
    }
    tasks.join_all().await.into_iter().sum()
}

fn fsync_cost(dir: &str, out: &mut std::io::Stdout) -> Result<(), Box<dyn Error>> {
    let path = std::path::Path::new(dir).join("fsync-cost.tmp");
    let mut file = std::fs::File::create(&path)?;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        file.write_all(&[7; 8_000])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    writeln!(out, "fdatasync after 8 kB: p50 {:?}, p99 {:?}", times[100], times[198])?;
    Ok(())
}
