//! Objectives in sentences: what is promised, how much may fail, and what happens when it fails too fast.

use super::{Budgeting, BurnAlert, CalendarUnit, Config, Objective, Sli, SloWindow};
use crate::units::{RatioPpm, decimal};

const SECOND_US: u64 = 1_000_000;
const DAY_US: u64 = 86_400 * SECOND_US;
const PPM: u64 = 1_000_000;

impl Objective {
    /// Its promise, its budget and each alert, a sentence each. Figures are rounded down: a budget is not exceeded by
    /// believing them.
    pub fn explained(&self, config: &Config) -> Vec<String> {
        let mut sentences = vec![self.promise(), self.budget(config)];
        sentences.extend(self.alerts.iter().map(|alert| self.alert(alert)));
        if self.alerts.is_empty() {
            sentences.push("It has no alerts.".to_owned());
        }
        sentences
    }

    fn promise(&self) -> String {
        let good = match self.sli {
            Sli::Availability => "do not fail".to_owned(),
            Sli::Latency(limit) => format!("do not fail and take at most {limit}"),
        };
        let names: Vec<&str> = self.targets.iter().map(|name| name.as_str()).collect();
        let whose = if names.is_empty() { "all targets that are not demo".to_owned() } else { names.join(", ") };
        let over = self.window.in_words();
        match self.budgeting {
            Budgeting::Occurrences => {
                format!("{} of the observations of {whose} {good}, over {over}.", self.objective)
            }
            Budgeting::Timeslices(slices) => format!(
                "{} of the slices of {} are good, over {over}: those in which {} of the observations of {whose} {good}.",
                self.objective, slices.slice, slices.objective
            ),
        }
    }

    fn budget(&self, config: &Config) -> String {
        let budget = self.budget_ppm();
        let (length_us, about) = self.window.length_us();
        let time = in_words(part_of(length_us, budget));
        let share = RatioPpm(budget);
        match self.budgeting {
            Budgeting::Timeslices(slices) => {
                let count = length_us / slices.slice.0.max(1);
                format!("Budget: {share}, {about}{} of {count} slices, or {time}.", part_of(count, budget))
            }
            Budgeting::Occurrences => {
                let expected = self.observations_in(length_us, config);
                if expected == 0 {
                    return format!("Budget: {share}, {about}{time} of everything failing.");
                }
                let failed = part_of(expected, budget);
                format!("Budget: {share}, {about}{time} of everything failing, or {failed} of {expected} observations.")
            }
        }
    }

    fn alert(&self, alert: &BurnAlert) -> String {
        let BurnAlert { severity, long, short, burn_rate, .. } = alert;
        let mut sentence =
            format!("Alert {severity}: when it burns over {burn_rate} times too fast for {long} and {short}");
        if alert.hold.0 > 0 {
            sentence += &format!(", for {}", alert.hold);
        }
        let budget = self.budget_ppm().max(1);
        // Everything fails: a thousand thousandths of all, against the budget's share.
        if u128::from(burn_rate.0) * u128::from(budget) >= u128::from(PPM * 1_000) {
            let fastest = decimal(PPM * 1_000 / budget, 3);
            return sentence + &format!("; it can't fire: at {}, the fastest is {fastest} times.", self.objective);
        }
        let gone_us = u128::from(self.window.length_us().0) * 1_000 / u128::from(burn_rate.0.max(1));
        let gone = in_words(u64::try_from(gone_us).unwrap_or(u64::MAX));
        sentence + &format!(" (all of it in {gone}), with {} observations at least.", alert.events_min)
    }

    fn budget_ppm(&self) -> u64 {
        PPM.saturating_sub(self.objective.0)
    }

    /// What its targets' schedules give, with one agent where none is named; 0 when its targets are not known here.
    fn observations_in(&self, length_us: u64, config: &Config) -> u64 {
        let is_meant = |target: &&super::Target| match self.targets.as_slice() {
            [] => !target.demo,
            named => named.contains(&target.name),
        };
        let of_target = |target: &super::Target| {
            (length_us / target.interval.0.max(1)).saturating_mul(config.agents_of(target).len().max(1) as u64)
        };
        config.targets.iter().filter(is_meant).map(of_target).fold(0, u64::saturating_add)
    }
}

impl SloWindow {
    /// Its length, and a word if it varies.
    fn length_us(&self) -> (u64, &'static str) {
        match self {
            Self::Rolling(window) => (window.length_ns() / 1_000, ""),
            Self::Calendar(window) => match window.calendar {
                CalendarUnit::Day => (DAY_US, "about "),
                CalendarUnit::Week => (7 * DAY_US, "about "),
                CalendarUnit::Month => (30 * DAY_US, "about "),
            },
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Rolling(window) => format!("the last {window}"),
            Self::Calendar(window) => {
                let unit = match window.calendar {
                    CalendarUnit::Day => "day",
                    CalendarUnit::Week => "week",
                    CalendarUnit::Month => "month",
                };
                format!("each calendar {unit} in {}", window.time_zone)
            }
        }
    }
}

fn part_of(whole: u64, ppm: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(ppm) / u128::from(PPM)).unwrap_or(u64::MAX)
}

/// The two greatest units of a duration, such as `1d 22h`.
fn in_words(us: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", DAY_US), ("h", 3_600 * SECOND_US), ("m", 60 * SECOND_US), ("s", SECOND_US)];
    let Some(first) = UNITS.iter().position(|(_, size)| us >= *size) else { return "less than 1s".to_owned() };
    let (unit, size) = UNITS[first];
    let mut words = format!("{}{unit}", us / size);
    if let Some((unit, smaller)) = UNITS.get(first + 1)
        && us % size >= *smaller
    {
        words += &format!(" {}{unit}", us % size / smaller);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECTIVE: &str = "name = 'a'\nsli = 'availability'\nobjective = '99.9%'\nwindow = '28d'\n";

    fn explained(objective: &str) -> Vec<String> {
        let target = "[[target]]\nname = 'shop'\nurl = 'http://shop.example/'\ninterval = '5s'\n";
        let config = Config::from_toml(&format!("agents = ['x', 'y']\n{target}[[slo]]\n{objective}")).unwrap();
        config.objectives[0].explained(&config)
    }

    #[test]
    fn an_objective_says_what_it_promises_and_what_that_allows() {
        // 28 d are 483,840 slots of 5 s; two agents. A thousandth of 28 d is 2,419.2 s.
        let sentences = explained(OBJECTIVE);
        assert_eq!(
            sentences[..3],
            [
                "99.9% of the observations of all targets that are not demo do not fail, over the last 28d.",
                "Budget: 0.1%, 40m 19s of everything failing, or 967 of 967680 observations.",
                "Alert page: when it burns over 14.4 times too fast for 1h and 5m (all of it in 1d 22h), with 10 \
                 observations at least.",
            ]
        );
        assert_eq!(sentences.len(), 6);
    }

    #[test]
    fn slices_calendar_windows_and_alerts_that_never_fire_are_named() {
        let sentences = explained(
            "name = 'a'\ntargets = ['shop']\nsli = { latency = '300ms' }\nobjective = '90%'\n\
             window = { calendar = 'month', time_zone = 'Europe/Istanbul' }\n\
             budgeting = { timeslices = { slice = '5m', objective = '95%' } }\n\
             alerts = [{ severity = 'page', long = '1h', short = '5m', burn_rate = '10', for = '2m' }]\n",
        );
        assert_eq!(
            sentences,
            [
                "90% of the slices of 5m are good, over each calendar month in Europe/Istanbul: those in which 95% of \
                 the observations of shop do not fail and take at most 300ms.",
                "Budget: 10%, about 864 of 8640 slices, or 3d.",
                "Alert page: when it burns over 10 times too fast for 1h and 5m, for 2m; it can't fire: at 90%, the \
                 fastest is 10 times.",
            ]
        );
        // 300 parts per million are burned 3,333.33… times too fast when everything fails.
        for (burn_rate, can_fire) in [("3333.333", true), ("3333.334", false)] {
            let alert = format!("{{ severity = 'page', long = '1h', short = '5m', burn_rate = '{burn_rate}' }}");
            let text = format!("{}alerts = [{alert}]\n", OBJECTIVE.replace("99.9%", "99.97%"));
            assert_eq!(explained(&text)[2].contains("it can't fire"), !can_fire, "{burn_rate}");
        }
        let quiet = format!("{OBJECTIVE}alerts = []\n");
        assert_eq!(explained(&quiet)[2], "It has no alerts.");
    }
}
