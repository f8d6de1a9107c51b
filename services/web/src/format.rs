//! Figures, instants and spans as people read them. Each `<data>` also carries the exact figure that the API gives.

use maud::{Markup, html};
use spark_core::units::decimal;
use spark_core::view::rfc3339;
use spark_schemas::TimeNs;

/// A whole number with thin groups: `12 345`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A span of time in its two largest units, rounded down: `3 min 20 s`.
pub(crate) fn span(us: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let secs = us / 1_000_000;
    if secs == 0 {
        return "0 s".to_owned();
    }
    let (at, (size, unit)) =
        UNITS.into_iter().enumerate().find(|(_, (size, _))| secs >= *size).unwrap_or((3, (1, "s")));
    let whole = format!("{} {unit}", secs / size);
    match UNITS.get(at + 1).map(|(next, name)| (secs % size / next, name)) {
        Some((rest, name)) if rest > 0 => format!("{whole} {rest} {name}"),
        _ => whole,
    }
}

/// A latency in milliseconds or seconds with three significant digits, such as `12.3 ms`.
pub(crate) fn latency(us: u64) -> String {
    let (figure, unit) = latency_parts(us);
    format!("{figure} {unit}")
}

fn latency_parts(us: u64) -> (String, &'static str) {
    let (thousandths, unit) = if us >= 10_000_000 { (us / 1_000, "s") } else { (us, "ms") };
    let step = match thousandths {
        0..10_000 => 10,
        10_000..100_000 => 100,
        _ => 1_000,
    };
    (decimal(round_to(thousandths, step), 3), unit)
}

fn round_to(value: u64, step: u64) -> u64 {
    (value + step / 2) / step * step
}

/// What stands for a figure that does not exist.
pub(crate) fn none() -> Markup {
    html! { span .none { "no data" } }
}

/// A latency; its exact value is in milliseconds, as in `healthz`.
pub(crate) fn latency_ms(us: Option<u64>) -> Markup {
    let Some(us) = us else { return none() };
    let (figure, unit) = latency_parts(us);
    html! { data value=(decimal(us, 3)) data-unit="ms" { (figure) span .unit { (unit) } } }
}

/// A latency; its exact value is in microseconds, as in the windows API.
pub(crate) fn latency_us(us: Option<u64>) -> Markup {
    let Some(us) = us else { return none() };
    let (figure, unit) = latency_parts(us);
    html! { data value=(us) data-unit="us" { (figure) span .unit { (unit) } } }
}

/// A share in percent: exact to its last part per million.
pub(crate) fn percent(ppm: Option<u64>) -> Markup {
    let Some(ppm) = ppm else { return none() };
    html! { data value=(decimal(ppm, 4)) data-unit="%" { (percent_text(ppm)) span .unit { "%" } } }
}

/// A share in percent; its exact value is in parts per million, as in the windows API.
pub(crate) fn percent_ppm(ppm: Option<u64>) -> Markup {
    let Some(ppm) = ppm else { return none() };
    html! { data value=(ppm) data-unit="ppm" { (percent_text(ppm)) span .unit { "%" } } }
}

/// Two decimals are enough above 0.1 %; below, and right under 100 %, every one counts.
pub(crate) fn percent_text(ppm: u64) -> String {
    if (1_000..999_900).contains(&ppm) { decimal((ppm + 50) / 100, 2) } else { decimal(ppm, 4) }
}

/// A staleness; its exact value is in seconds, as in `healthz`.
pub(crate) fn staleness(us: Option<u64>) -> Markup {
    let Some(us) = us else { return none() };
    let exact = decimal(us / 1_000, 3);
    if us < 120_000_000 {
        let shown = if us < 10_000_000 { decimal(us / 100_000, 1) } else { (us / 1_000_000).to_string() };
        return html! { data value=(exact) data-unit="s" { (shown) span .unit { "s" } } };
    }
    html! { data value=(exact) data-unit="s" { (span(us)) } }
}

/// A whole number.
pub(crate) fn number(value: u64) -> Markup {
    html! { data value=(value) { (count(value)) } }
}

fn strftime(at: TimeNs, format: &str) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
        Ok(timestamp) => timestamp.strftime(format).to_string(),
        Err(_) => rfc3339(at), // Beyond the year 9999: nobody's clock.
    }
}

/// `14:03`, UTC.
pub(crate) fn minute_text(at: TimeNs) -> String {
    strftime(at, "%H:%M")
}

/// `14:03:22`, UTC.
pub(crate) fn clock_text(at: TimeNs) -> String {
    strftime(at, "%H:%M:%S")
}

/// `2026-07-30 14:03:22 UTC`.
pub(crate) fn stamp_text(at: TimeNs) -> String {
    strftime(at, "%Y-%m-%d %H:%M:%S UTC")
}

/// An instant: date and time.
pub(crate) fn stamp(at: TimeNs) -> Markup {
    html! { time datetime=(rfc3339(at)) { (stamp_text(at)) } }
}

/// How long ago `then` was at `at`.
pub(crate) fn ago(then: TimeNs, at: TimeNs) -> Markup {
    html! { time datetime=(rfc3339(then)) title=(stamp_text(then)) { (span(at.since_us(then))) " ago" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_three_digits_and_never_hide_a_failure() {
        for (us, text) in
            [(0, "0 ms"), (1_234, "1.23 ms"), (12_345, "12.3 ms"), (123_456, "123 ms"), (9_999_999, "10000 ms")]
        {
            assert_eq!(latency(us), text);
        }
        assert_eq!(latency(12_345_678), "12.3 s");
        for (ppm, text) in [(0, "0"), (1, "0.0001"), (16_667, "1.67"), (999_999, "99.9999"), (1_000_000, "100")] {
            assert_eq!(percent_text(ppm), text);
        }
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (secs, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (90_000, "1 d 1 h")] {
            assert_eq!(span(secs * 1_000_000), text);
        }
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
