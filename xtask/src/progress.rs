//! Progress of a command: one header for each step, with the seconds since the command began.
//!
//! It goes to standard error, so that a command's output can be piped or evaluated.

use std::time::{Duration, Instant};

/// A command under way.
pub struct Progress {
    started: Instant,
}

impl Progress {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "a stopwatch for people; nothing is decided by it")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Announces the step that begins now.
    pub fn step(&self, name: &str) {
        eprintln!("{}", header(self.elapsed(), name));
    }

    /// How long the command is under way.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Says that the last step is over.
    pub fn done(&self) {
        self.step("done");
    }
}

fn header(elapsed: Duration, name: &str) -> String {
    format!("[{:6.1} s] {name}", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_line_up() {
        assert_eq!(header(Duration::from_millis(340), "tools"), "[   0.3 s] tools");
        assert_eq!(header(Duration::from_secs(1234), "tests"), "[1234.0 s] tests");
    }
}
