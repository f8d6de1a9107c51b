//! `spark up` as users start it: how soon it answers, and what it takes when nothing happens.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use spark_tests::{Setup, World};
use tokio::time::Instant;

use super::Options;
use super::measure::{quantile, resident_bytes};
use super::table::{Figure, bytes, ms};

/// How long anything may take before the row gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is killed at the latest when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The rows.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let (starts, idle) = options.pick((5, Duration::from_secs(30)), (3, Duration::from_secs(5)));
    let mut times = Vec::new();
    for _ in 0..starts {
        times.push(start(&World::new())?.1);
    }
    let slowest = quantile(&mut times, 1_000_000);
    let world = World::new();
    let (process, _) = start(&world)?;
    std::thread::sleep(idle);
    let resident = resident_bytes(process.0.id())?;
    let what = format!("start to the first healthy answer, slowest of {starts} on an empty directory");
    Ok(vec![
        Figure::new(what, ms(slowest), "1 s").reached(slowest <= Duration::from_secs(1), "the machine was busy"),
        Figure::new(format!("resident memory {} s later", idle.as_secs()), bytes(resident), "40 MB")
            .reached(resident <= 40 << 20, "not profiled yet: what the start allocates was not looked at"),
    ])
}

/// Starts `spark up`, and says how long it took until `/api/healthz` answered 200.
fn start(world: &World) -> Result<(Running, Duration)> {
    let setup = Setup::new(world);
    let begun = Instant::now();
    let child = setup.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let process = Running(child.context("start spark up")?);
    while !is_healthy(&setup.listen) {
        ensure!(begun.elapsed() < PATIENCE, "spark up does not answer");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((process, begun.elapsed()))
}

fn is_healthy(address: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /api/healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
