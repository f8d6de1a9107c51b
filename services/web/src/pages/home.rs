//! `/`: the state of everything, for everyone; what is not known stands first.

use maud::{Markup, html};
use spark_core::series::NotKept;
use spark_core::view::{Figures, TargetView, View};
use spark_core::window::Window;
use spark_schemas::derived::TargetState;

use super::Region;
use super::facts::{HOUR_NS, TargetFacts, last_day, uptime_ppm};
use super::frame::Frame;
use super::panel::{badges, empty, icon, left_out, panel, state};
use crate::api::problem::Problem;
use crate::chart::{Marks, Point, uptime};
use crate::format::{self, latency_ms, percent};

pub(super) struct Model {
    targets: Vec<Card>,
}

struct Card {
    facts: TargetFacts,
    /// The last 24 hours.
    day: Result<Day, NotKept>,
    stand_in: bool,
}

struct Day {
    figures: Figures,
    points: Vec<Point>,
    marks: Marks,
}

/// The sentence that everyone reads.
struct Headline {
    class: &'static str,
    text: String,
    why: String,
}

impl Model {
    pub(super) fn take(view: &View<'_>, targets: &[TargetView<'_>], frame: &Frame) -> Self {
        let cards = targets.iter().map(|target| {
            let day = || {
                let figures = view.figures(Window::D1, target.series.iter())?;
                let marks = Marks::of(view, 24 * HOUR_NS, Some(target.name));
                Ok(Day { figures, points: last_day(view, std::slice::from_ref(target))?, marks })
            };
            let facts = TargetFacts::of(view, target);
            Card { stand_in: frame.is_stand_in(facts.role), facts, day: day() }
        });
        Self { targets: cards.collect() }
    }

    pub(super) fn is_demo(&self) -> bool {
        self.targets.iter().any(|card| card.facts.demo)
    }

    pub(super) fn render(&self, frame: &Frame) -> Vec<Region> {
        let body = if self.targets.is_empty() {
            empty("Nothing is watched yet", html! { "Name a target in " code { "spark.toml" } ", or start a probe." })
        } else {
            html! { ul .targets { @for card in &self.targets { (card.render(frame)) } } }
        };
        vec![
            Region { id: "state", class: "hero-region", label: "State now", body: self.hero(frame) },
            panel(frame, "targets", "panel wide", "Targets", Ok(body)),
        ]
    }

    fn hero(&self, frame: &Frame) -> Markup {
        let Headline { class, text, why } = self.headline(frame);
        html! {
            div class={ "hero " (class) } {
                (icon(class))
                div {
                    p .big { (text) }
                    p .why { (why) }
                    @if class != "bad" && !frame.health.reasons.is_empty() && frame.standing.is_live() {
                        ul .reasons { @for reason in &frame.health.reasons { li { (reason) } } }
                    }
                }
            }
        }
    }

    fn headline(&self, frame: &Frame) -> Headline {
        let counted: Vec<&TargetFacts> =
            self.targets.iter().map(|card| &card.facts).filter(|target| !target.demo).collect();
        let names = |state: TargetState| -> Vec<&str> {
            counted
                .iter()
                .filter(|target| target.state == state && target.is_judged())
                .map(|target| target.name.as_str())
                .collect()
        };
        let (down, unknown) = (names(TargetState::Down), names(TargetState::Unknown));
        let headline = |class, text: String, why: String| Headline { class, text, why };
        if !frame.standing.is_live() && !frame.pinned {
            let why = "Below is what was known last, and it is marked so.".to_owned();
            return headline("unknown", "Spark can’t say right now".to_owned(), why);
        }
        if counted.is_empty() {
            let why = match self.targets.is_empty() {
                true => "No target is configured, and no probe has spoken.",
                false => "Only demonstration targets are watched, and those count for nothing.",
            };
            return headline("unknown", "Nothing is watched yet".to_owned(), why.to_owned());
        }
        let maintained = counted.iter().filter(|target| target.maintenance.is_some()).count();
        let all = counted.iter().filter(|target| target.is_judged()).count();
        let outside = counted.len() - maintained - all;
        if all == 0 {
            let why = "What is observed meanwhile counts for no figure.".to_owned();
            let text = match (maintained, outside) {
                (_, 0) => "Everything is in maintenance",
                (0, _) => "Everything is outside of its service hours",
                _ => "Everything is in maintenance or outside of its service hours",
            };
            return headline("unknown", text.to_owned(), why);
        }
        if !down.is_empty() {
            let and_unknown = match unknown.as_slice() {
                [] => String::new(),
                names => format!(" Unknown: {}.", listed(names)),
            };
            let why = format!("Down: {}.{and_unknown}", listed(&down));
            return headline("bad", format!("{} of {} down", down.len(), targets(all)), why);
        }
        if !unknown.is_empty() {
            let why = format!("Nothing recent is known of {}.", listed(&unknown));
            return headline("unknown", format!("{} of {} unknown", unknown.len(), targets(all)), why);
        }
        let left_out = |number: usize, why: &str| match number {
            0 => String::new(),
            number => format!(", {number} {why}"),
        };
        let in_maintenance = left_out(maintained, "in maintenance");
        let outside = left_out(outside, "outside of service hours");
        let text = match (all, counted.len() - all) {
            (1, 0) => "The one target is up".to_owned(),
            (all, 0) => format!("All {} are up", targets(all)),
            (all, _) => format!("{} up{in_maintenance}{outside}", targets(all)),
        };
        match frame.health.reasons.as_slice() {
            [] => headline("ok", text, format!("Every figure is within the limits of profile {}.", frame.profile)),
            _ => headline(
                "warn",
                format!("{text}, but not as they should be"),
                "What is not as it should be:".to_owned(),
            ),
        }
    }
}

fn targets(number: usize) -> String {
    format!("{number} target{}", if number == 1 { "" } else { "s" })
}

/// At most five names.
fn listed(names: &[&str]) -> String {
    match names.len() {
        0..=5 => names.join(", "),
        all => format!("{} and {} more", names[..4].join(", "), all - 4),
    }
}

impl Card {
    fn render(&self, frame: &Frame) -> Markup {
        let TargetFacts { name, url, demo, reason, recent, .. } = &self.facts;
        html! {
            li .target {
                div .who {
                    a .name href={ "/targets/" (name) } { (name) }
                    (badges(*demo, self.stand_in))
                    @if let Some(url) = url { span .url { (url) } }
                }
                div .how {
                    (state(frame, self.facts.state))
                    (left_out(&self.facts))
                    @if self.facts.state != TargetState::Up { span .reason { (reason) } }
                }
                @match &self.day {
                    Ok(day) => (day.render(name)),
                    Err(error) => p .why { (Problem::from(*error).detail) },
                }
                dl .facts {
                    div { dt { "Uptime, 24 h" } dd { (self.uptime()) } }
                    div { dt { "p95, 5 min" } dd { (recent.as_ref().map_or_else(|_| format::none(), |figures| latency_ms(figures.latency_p95_us()))) } }
                    div { dt { "Errors, 5 min" } dd { (recent.as_ref().map_or_else(|_| format::none(), |figures| percent(figures.error_rate_ppm()))) } }
                }
            }
        }
    }

    fn uptime(&self) -> Markup {
        match &self.day {
            Ok(day) => percent(uptime_ppm(&day.figures)),
            Err(_) => format::none(),
        }
    }
}

impl Day {
    fn render(&self, name: &str) -> Markup {
        html! {
            div .day {
                (uptime(&self.points, name, &self.marks))
                div .ends aria-hidden="true" {
                    span { "24 h ago" }
                    @if let Some(ppm) = self.figures.completeness_ppm() {
                        span { "on " (format::percent_text(ppm)) " % of the expected checks" }
                    }
                    span { "now" }
                }
            }
        }
    }
}
