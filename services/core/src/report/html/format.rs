//! Figures as people read them. Each carries the exact one of `report.json` beside it.

use maud::{Markup, html};
use spark_schemas::{Name, TimeNs};

use super::super::day::Day;
use super::super::model::{Cite, Level};
use super::super::number::{I64, U64};
use crate::config::Instant;
use crate::units::decimal;

/// A whole number with thin groups.
pub(in crate::report) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A span of time in its two largest units, rounded down.
pub(in crate::report) fn span_text(secs: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let found = UNITS.iter().position(|(size, _)| secs >= *size).unwrap_or(UNITS.len() - 1);
    let (size, unit) = UNITS[found];
    let rest = UNITS.get(found + 1).map(|(next, name)| (secs % size / next, name)).filter(|(rest, _)| *rest > 0);
    let whole = format!("{}\u{a0}{unit}", secs / size);
    rest.map_or(whole.clone(), |(rest, name)| format!("{whole} {rest}\u{a0}{name}"))
}

/// A share in percent, with as many decimals as tell something. A share that is not whole never reads as 0 or 100.
pub(in crate::report) fn percent_text(ppm: u64) -> String {
    let is_near_an_end = ppm < 1_000 || (999_000..1_000_000).contains(&ppm);
    let step = if is_near_an_end { 1 } else { 100 };
    decimal((ppm + step / 2) / step * step, 4)
}

/// Microseconds as milliseconds or seconds with three digits.
pub(in crate::report) fn latency_text(us: u64) -> String {
    let (thousandths, unit) = if us >= 10_000_000 { (us / 1_000, "s") } else { (us, "ms") };
    let step = match thousandths {
        0..10_000 => 10,
        10_000..100_000 => 100,
        _ => 1_000,
    };
    format!("{}\u{a0}{unit}", decimal((thousandths + step / 2) / step * step, 3))
}

/// What stands for a figure that does not exist.
pub(super) fn none() -> Markup {
    html! { span .none { "no data" } }
}

pub(super) fn count(number: U64) -> Markup {
    html! { data value=(number) { (grouped(number.0)) } }
}

pub(super) fn percent(ppm: Option<U64>) -> Markup {
    match ppm {
        None => none(),
        Some(ppm) => html! { data value=(ppm) { (percent_text(ppm.0)) "\u{a0}%" } },
    }
}

pub(super) fn latency(us: U64) -> Markup {
    html! { data value=(us) { (latency_text(us.0)) } }
}

pub(super) fn seconds(secs: U64) -> Markup {
    html! { data value=(secs) { (span_text(secs.0)) } }
}

/// Thousandths.
pub(super) fn milli(number: Option<U64>) -> Markup {
    match number {
        None => none(),
        Some(number) => html! { data value=(number) { (decimal((number.0 + 5) / 10 * 10, 3)) } },
    }
}

/// Thousandths that may be below 0.
pub(super) fn milli_signed(number: Option<I64>) -> Markup {
    match number {
        None => none(),
        Some(number) => html! {
            data value=(number) { @if number.0 < 0 { "−" } (decimal((number.0.unsigned_abs() + 5) / 10 * 10, 3)) }
        },
    }
}

/// Microseconds that may be below 0, as milliseconds.
pub(super) fn offset(us: I64) -> Markup {
    html! { data value=(us) { @if us.0 < 0 { "−" } (decimal(us.0.unsigned_abs(), 3)) "\u{a0}ms" } }
}

/// An instant: the time of the report's day, or with its date.
pub(super) fn time(at: Instant, day: Day) -> Markup {
    html! { time datetime=(at) { (time_text(at, day)) } }
}

pub(in crate::report) fn time_text(at: Instant, day: Day) -> String {
    let text = at.to_string();
    let clock = text.get(11..19).unwrap_or_default();
    let clock = clock.strip_suffix(":00").unwrap_or(clock);
    match Day::of(at.0) {
        one if one == day => clock.to_owned(),
        // The day's end is midnight, and not of the next day.
        one if one == day.next() && at.0 == day.end() => "24:00".to_owned(),
        one => format!("{one} {clock}"),
    }
}

/// A stretch of time.
pub(super) fn from_to(from: Instant, to: Instant, day: Day) -> Markup {
    html! { (time(from, day)) "\u{2009}–\u{2009}" (time(to, day)) }
}

/// How long a stretch of time is.
pub(in crate::report) fn length_text(from: Instant, to: Instant) -> String {
    span_text(to.0.0.saturating_sub(from.0.0) / TimeNs::SECOND)
}

/// Sequence numbers.
pub(super) fn cite(cite: Option<Cite>) -> Markup {
    match cite {
        None => html! {},
        Some(Cite { first, last }) if first == last => seq(first),
        Some(Cite { first, last }) => html! { span .cite { "#" (first) "–" (last) } },
    }
}

pub(super) fn seq(seq: U64) -> Markup {
    html! { span .cite { "#" (seq) } }
}

pub(super) fn seq_or_earlier(number: Option<U64>) -> Markup {
    number.map_or_else(|| html! { span .cite { "earlier" } }, seq)
}

/// The class of a level's colour.
pub(super) const fn class_of(level: Level) -> &'static str {
    match level {
        Level::Low => "low",
        Level::Medium => "medium",
        Level::Unknown => "unknown",
        Level::High => "high",
    }
}

pub(super) fn badge(class: &str, text: &str) -> Markup {
    html! { span class={ "badge " (class) } { (text) } }
}

/// A list of names.
pub(in crate::report) fn names<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    names.into_iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
