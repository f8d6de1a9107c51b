//! HTTP checks on one core, a fresh connection each, beside a client that only connects, asks and reads, and beside
//! blackbox_exporter, asked as Prometheus asks it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, ensure};
use spark_core::config::Target;
use spark_core::units::DurationUs;
use spark_probe::check::{CheckContext, PreparedCheck};
use spark_schemas::TimeNs;
use spark_schemas::event::Outcome;
use spark_tests::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::Options;
use super::blackbox::Blackbox;
use super::load::target_name;
use super::measure::{median, per_second, timed};
use super::table::{Figure, amount};

const AT_ONCE: u64 = 50;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// The row.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let (checks, rounds) = options.pick((40_000, 3), (10_000, 3));
    let address = serve()?;
    let mut target = Target::new(target_name(0), format!("http://{address}/").parse()?);
    target.timeout = Some(DurationUs::from_secs(5));
    let check = Arc::new(PreparedCheck::new(&target, &CheckContext::new(|_| None))?);
    let (mut rates, mut plain, mut ratios, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let world = World::new();
    let blackbox = Blackbox::start(&world)?;
    for _ in 0..rounds {
        let check = Arc::clone(&check);
        let checked = in_one_thread(checks, move || {
            let check = Arc::clone(&check);
            async move { Ok(check.run(TimeNs(0)).await.outcome == Outcome::Ok) }
        })?;
        let asked = in_one_thread(checks, move || ask(address))?;
        times.push(checked / blackbox.checks_per_core_second(checks / 4, AT_ONCE, &format!("http://{address}/"))?);
        rates.push(checked);
        plain.push(asked);
        ratios.push(checked / asked);
    }
    let (rate, times) = (median(rates), median(times));
    let limit = format!("a bare connect, request and read, {}", amount(median(plain)));
    Ok(vec![
        Figure::new("HTTP checks, a fresh connection each", format!("{} per core-second", amount(rate)), "")
            .beside(limit, median(ratios)),
        Figure::new("  of what blackbox_exporter did in the same run", format!("{times:.1} times"), "3 times")
            .reached(times >= 3.0, "most of a check is the kernel's connect and close; the limit is in the row above"),
    ])
}

/// A server on a thread of its own, until the program ends.
pub fn serve() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = one_thread()?;
    std::thread::spawn(move || runtime.block_on(answer(listener)));
    Ok(address)
}

async fn answer(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _peer) = listener.accept().await?;
        connections.spawn(async move {
            let mut request = [0; 1_024];
            // The requests are small: the first read has all of one.
            let _length = stream.read(&mut request).await?;
            stream.write_all(ANSWER).await
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn ask(address: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::with_capacity(128);
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

/// Runs `once` so many times, fifty at a time, and says how often in a second on this thread's core.
fn in_one_thread<F>(times: u64, once: impl Fn() -> F + Clone + Send + 'static) -> Result<f64>
where
    F: Future<Output = Result<bool>> + Send + 'static,
{
    let runtime = one_thread()?;
    let (good, took) = timed(|| {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..AT_ONCE {
                let once = once.clone();
                tasks.spawn(async move {
                    let mut good = 0;
                    for _ in 0..times / AT_ONCE {
                        good += u64::from(once().await?);
                    }
                    Ok::<_, anyhow::Error>(good)
                });
            }
            let each = tasks.join_all().await.into_iter().collect::<Result<Vec<u64>>>()?;
            Ok(each.into_iter().sum::<u64>())
        })
    })?;
    ensure!(good == times, "only {good} of {times} went well");
    Ok(per_second(times, took))
}

fn one_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
