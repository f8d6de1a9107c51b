//! Reading what libFuzzer says while it runs and at the end. Pure: lines in, figures out.

/// What came of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Inputs that were tried.
    executions: u64,
    /// Inputs a second.
    per_second: u64,
    /// Edges between blocks of code that some input went along.
    edges: u64,
    /// Inputs that it keeps, because each reaches something that the others don't.
    corpus: u64,
    /// Inputs that broke the property, took too long, or too much memory. The first ends a run.
    pub findings: u64,
}

impl Figures {
    /// Takes the figures that a line has.
    pub fn read(&mut self, line: &str) {
        if line.contains("Test unit written to ") {
            self.findings += 1;
        } else if let Some(stat) = line.strip_prefix("stat::") {
            match stat.split_once(':').map(|(name, value)| (name, value.trim().parse())) {
                Some(("number_of_executed_units", Ok(executions))) => self.executions = executions,
                Some(("average_exec_per_sec", Ok(per_second))) => self.per_second = per_second,
                _ => {}
            }
        } else if is_progress(line) {
            let mut words = line.split_whitespace();
            while let Some(word) = words.next() {
                let figure = match word {
                    "cov:" => &mut self.edges,
                    "corp:" => &mut self.corpus,
                    "exec/s:" => &mut self.per_second,
                    _ => continue,
                };
                // "corp: 214/12Kb" is a count and a size.
                let value = words.next().and_then(|value| value.split('/').next());
                *figure = value.and_then(|value| value.parse().ok()).unwrap_or(*figure);
            }
            let executions = line[1..].split_whitespace().next().and_then(|number| number.parse().ok());
            self.executions = executions.unwrap_or(self.executions);
        }
    }

    /// The names of the columns.
    pub fn header() -> String {
        row(["target", "executions", "exec/s", "edges", "corpus", "findings"].map(str::to_owned))
    }

    /// A target's row.
    pub fn line(&self, target: &str) -> String {
        let Self { executions, per_second, edges, corpus, findings } = self;
        row([
            target.to_owned(),
            executions.to_string(),
            per_second.to_string(),
            edges.to_string(),
            corpus.to_string(),
            findings.to_string(),
        ])
    }
}

fn row([target, executions, per_second, edges, corpus, findings]: [String; 6]) -> String {
    format!("{target:<10} {executions:>12} {per_second:>8} {edges:>7} {corpus:>7} {findings:>9}")
}

/// Whether a line is one of the thousands such as `#4096 pulse  cov: 1200 ft: 3000 corp: 214/12Kb …`.
pub fn is_progress(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) && line.contains(" cov: ")
}

/// A line of progress without what only the fuzzer's authors look at.
pub fn short(line: &str) -> String {
    let mut figures = Figures::default();
    figures.read(line);
    let Figures { executions, per_second, edges, corpus, .. } = figures;
    format!("{executions} executions, {per_second}/s, {edges} edges, corpus {corpus}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str =
        "#91310\tNEW    cov: 2214 ft: 6613 corp: 611/28Kb lim: 849 exec/s: 18262 rss: 96Mb L: 60/849 MS: 1";

    #[test]
    fn reads_progress_and_the_figures_at_the_end() {
        let mut figures = Figures::default();
        figures.read("INFO: Seed: 1");
        assert_eq!(figures, Figures::default());
        figures.read(NEW);
        let expected = Figures { executions: 91_310, per_second: 18_262, edges: 2_214, corpus: 611, findings: 0 };
        assert_eq!(figures, expected);
        figures.read("stat::number_of_executed_units: 100000");
        figures.read("stat::average_exec_per_sec:     16666");
        figures.read("stat::peak_rss_mb:              404");
        assert_eq!(figures, Figures { executions: 100_000, per_second: 16_666, ..expected });
        figures.read("artifact_prefix='fuzz/artifacts/'; Test unit written to fuzz/artifacts/decoder/crash-0a1b");
        assert_eq!(figures.findings, 1);
    }

    #[test]
    fn a_line_before_there_is_a_rate_keeps_the_rest() {
        let mut figures = Figures::default();
        figures.read("#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb");
        assert_eq!((figures.executions, figures.edges, figures.corpus), (2, 12, 1));
    }

    #[test]
    fn only_progress_is_shortened() {
        assert_eq!(short(NEW), "91310 executions, 18262/s, 2214 edges, corpus 611");
        assert!(is_progress(NEW));
        for line in ["", "#", "# a comment with cov: 1", "==7== ERROR: libFuzzer: timeout", "#0 0x5 in main"] {
            assert!(!is_progress(line), "{line}");
        }
    }

    #[test]
    fn columns_line_up() {
        let line = Figures { executions: 12_345_678, per_second: 20_576, edges: 1_402, corpus: 812, findings: 1 };
        assert_eq!(Figures::header().len(), line.line("condition").len());
    }
}
