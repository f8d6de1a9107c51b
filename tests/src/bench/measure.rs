//! What is measured with: time on a core, memory of a process, quantiles, sizes on disk.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// Does `work` and says what it took on a core, by the calling thread alone; others that share the machine are not in it.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let begun = thread_time()?;
    let done = work()?;
    Ok((done, thread_time()?.saturating_sub(begun)))
}

/// The time that this thread spent on a core (Linux).
pub fn thread_time() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("read the thread's time from /proc")?;
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.map(Duration::from_nanos).context("the thread's time in /proc is no number")
}

/// The time that a process spent on cores, in the kernel included (Linux: in hundredths of a second).
pub fn process_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read the process's time from /proc")?;
    // The name before may have spaces; after it come the state and, eleven fields on, user and system time.
    let fields = stat.rsplit_once(')').context("no name in /proc")?.1;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    ensure!(ticks.len() == 2, "no times in /proc");
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

/// The resident memory of a process, in bytes (Linux).
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read the process's memory from /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).context("no VmRSS in /proc")
}

/// How much the files below `dir` hold, in bytes.
pub fn bytes_in(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("look into {}", dir.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_in(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// `count` in a second.
pub fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The `ppm` quantile of `samples`, by the nearest rank; zero when there are none.
pub fn quantile(samples: &mut [Duration], ppm: usize) -> Duration {
    samples.sort_unstable();
    let rank = (samples.len() * ppm).div_ceil(1_000_000).max(1);
    samples.get(rank - 1).copied().unwrap_or_default()
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
