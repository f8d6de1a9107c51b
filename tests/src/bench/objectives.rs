//! What counting objectives costs the fold: the same leaves with and without, one after the other, on one core.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use spark_core::bucket::MemoryBuckets;
use spark_core::config::Config;
use spark_core::fold::{Applied, Declarations, Policy, State};
use spark_core::ledger::Spec;
use spark_eventlog::archive::leaves;
use spark_schemas::{Leaf, TimeNs};

use super::Options;
use super::measure::{median, per_second, timed};
use super::replay::write_archive;
use super::table::{Figure, amount};

const ONE: &str = "[[slo]]\nname = \"all\"\nsli = \"availability\"\nobjective = \"99.9%\"\nwindow = \"30d\"\n";
/// Three more, of every kind, and hours and maintenances to look up.
const FOUR: &str = r#"
    [[slo]]
    name = "fast"
    sli = { latency = "50ms" }
    objective = "99%"
    window = "28d"
    [[slo]]
    name = "month"
    sli = "availability"
    objective = "99.9%"
    window = { calendar = "month", time_zone = "Europe/Istanbul" }
    [[slo]]
    name = "slices"
    sli = "availability"
    objective = "99%"
    window = "28d"
    budgeting = { timeslices = { slice = "5m", objective = "95%" } }
    [[service_hours]]
    name = "office"
    days = ["mon", "tue", "wed", "thu", "fri"]
    from = "08:00"
    to = "20:00"
    time_zone = "Europe/Istanbul"
"#;

/// The rows.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let (observations, rounds) = options.pick((2_000_000, 3), (300_000, 3));
    let dir = tempfile::tempdir()?;
    write_archive(dir.path(), observations)?;
    let leaves: Vec<Bytes> = leaves(dir.path(), 1)?.collect::<Result<_, _>>()?;
    let mut figures = Vec::new();
    for (what, is_live) in [("replay", false), ("fold, live", true)] {
        let fold =
            |toml: &str| Ok::<_, anyhow::Error>(per_second(observations, fold(&leaves, toml, is_live, observations)?));
        let (mut without, mut one, mut four) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let plain = fold("")?;
            without.push(plain);
            one.push(fold(ONE)? / plain);
            four.push(fold(&format!("{ONE}{FOUR}"))? / plain);
        }
        let without = median(without);
        let beside = || format!("{} events/s without objectives", amount(without));
        let speed = |ratio: f64| format!("{} events/s", amount(ratio * without));
        let (one, four) = (median(one), median(four));
        figures.push(Figure::aside(format!("{what}, one objective on all targets"), speed(one)).beside(beside(), one));
        figures.push(
            Figure::aside(format!("{what}, four objectives on all targets within service hours"), speed(four))
                .beside(beside(), four),
        );
    }
    Ok(figures)
}

fn fold(leaves: &[Bytes], toml: &str, is_live: bool, observations: u64) -> Result<Duration> {
    let mut declarations = Declarations::default();
    let config = Config::from_toml(toml)?;
    declarations.policy = Some(Policy { since: TimeNs(0), digest: config.digest(), config });
    let specs = Spec::all(&declarations);
    let (counted, took) = timed(|| {
        let (mut state, mut store, mut counted) = (State::default(), MemoryBuckets::default(), 0);
        state.set_objectives(&specs, &mut store);
        if is_live {
            state.go_live(&store);
        }
        for bytes in leaves {
            if let Applied::Counted { observations } = state.apply(&Leaf::decode(bytes)?, &mut store) {
                counted += observations;
            }
        }
        Ok(counted)
    })?;
    anyhow::ensure!(counted == observations, "{counted} of {observations} observations were counted");
    Ok(took)
}
