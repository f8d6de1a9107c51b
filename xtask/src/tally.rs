//! Adding up the summary lines of test runners into the one closing line of a test run.
//!
//! It knows two forms: libtest's `test result:` line and nextest's `Summary` line.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed, perhaps at a later attempt.
    pub passed: u64,
    /// Tests that failed, timed out or could not be started.
    pub failed: u64,
    /// Tests marked as ignored.
    pub skipped: u64,
}

impl Tally {
    /// Reads libtest's summary line, one for each test program; `None` for every other line.
    ///
    /// It stands at the start of its line. An indented one is quoted in the report of a failed test.
    pub fn from_libtest(line: &str) -> Option<Self> {
        // "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.10s"
        let line = without_colours(line);
        let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        Some(Self::from_counts(counts))
    }

    /// Reads nextest's summary line, the last of its kind in a run; `None` for every other line.
    pub fn from_nextest(line: &str) -> Option<Self> {
        // "     Summary [   1.234s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped"
        let line = without_colours(line);
        let (_elapsed, rest) = line.trim_start().strip_prefix("Summary [")?.split_once(']')?;
        let (_run, counts) = rest.split_once("run:")?;
        Some(Self::from_counts(counts))
    }

    fn from_counts(counts: &str) -> Self {
        let mut tally = Self::default();
        for (count, what) in counts.split([',', ';']).filter_map(count_and_what) {
            match what {
                "passed" => tally.passed += count,
                "failed" | "timed out" | "exec failed" => tally.failed += count,
                "ignored" | "skipped" => tally.skipped += count,
                // Benchmarks, filters, and the asides in brackets (slow, flaky, leaky) count nothing of their own.
                _ => {}
            }
        }
        tally
    }

    /// Counts a runner that ended badly although every summary it printed was good: a test program that crashed, or
    /// did not compile, prints none.
    pub fn note_end(&mut self, success: bool) {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
    }

    /// Success only when something ran and nothing failed.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.passed == 0 || self.failed > 0))
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Splits ` 10 passed (1 slow` into 10 and `passed`.
fn count_and_what(part: &str) -> Option<(u64, &str)> {
    let (count, what) = part.trim().split_once(' ')?;
    let what = what.split('(').next().unwrap_or(what);
    Some((count.parse().ok()?, what.trim()))
}

/// Takes out the escape sequences that colour a terminal's text (ECMA-48 SGR: `ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, text)| text));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped }
    }

    #[test]
    fn reads_the_line_of_libtest() {
        let good = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.10s";
        assert_eq!(Tally::from_libtest(good), Some(tally(3, 0, 1)));
        let bad = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s";
        assert_eq!(Tally::from_libtest(bad), Some(tally(1, 2, 0)));
    }

    #[test]
    fn reads_the_line_of_nextest() {
        let line = "     Summary [   0.003s] 2 tests run: 2 passed, 0 skipped";
        assert_eq!(Tally::from_nextest(line), Some(tally(2, 0, 0)));
        let line = "     Summary [  61.203s] 12/14 tests run: 8 passed (1 slow, 2 flaky), 2 failed (1 due to being leaky), \
                    1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(Tally::from_nextest(line), Some(tally(8, 4, 3)));
    }

    #[test]
    fn reads_a_coloured_line() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.003s] \u{1b}[1m1\u{1b}[0m test run: \
                    \u{1b}[1m1\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m";
        assert_eq!(Tally::from_nextest(line), Some(tally(1, 0, 0)));
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "",
            "running 3 tests",
            "test tally::reads ... ok",
            "Summary of the day",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.09s",
        ] {
            assert_eq!(Tally::from_libtest(line), None, "{line}");
            assert_eq!(Tally::from_nextest(line), None, "{line}");
        }
    }

    #[test]
    fn adds_up_and_closes_plainly() {
        let mut sum = tally(3, 0, 0);
        sum += tally(4, 0, 0);
        assert_eq!(sum.to_string(), "7 passed, 0 failed");
        sum += tally(0, 2, 1);
        assert_eq!(sum.to_string(), "7 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_crash_without_a_summary_is_a_failure() {
        let mut crashed = tally(3, 0, 0);
        crashed.note_end(false);
        assert_eq!(crashed, tally(3, 1, 0));
        let mut failed = tally(3, 2, 0);
        failed.note_end(false);
        assert_eq!(failed, tally(3, 2, 0));
    }

    #[test]
    fn nothing_run_is_not_success() {
        assert_eq!(tally(0, 0, 4).exit_code(), ExitCode::FAILURE);
        assert_eq!(tally(1, 1, 0).exit_code(), ExitCode::FAILURE);
        assert_eq!(tally(1, 0, 0).exit_code(), ExitCode::SUCCESS);
    }
}
