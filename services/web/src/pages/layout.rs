//! The document around a page's regions.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::frame::Frame;
use super::{Composed, Page, Region};
use crate::api::problem::Problem;
use crate::app::Server;

/// Leads to a page, and its name.
const NAVIGATION: [(&str, &str); 5] = [
    ("/", "Status"),
    ("/dashboard", "Dashboard"),
    ("/portfolio", "Portfolio"),
    ("/strategies", "Strategies"),
    ("/settings", "Settings"),
];

/// A page, whole.
pub(super) fn document(server: &Server, page: &Page, composed: &Composed) -> Markup {
    let Composed { frame, regions } = composed;
    let live = (!frame.pinned).then(|| format!("/api/v1/events?page={}", page.address()));
    let mut regions = regions.iter();
    let pulse = regions.next();
    let class = match page {
        Page::Home => "page-home",
        Page::Dashboard(_) => "page-dashboard",
        Page::Target(_) => "page-target",
        Page::Portfolio | Page::Strategies => "page-trading",
        Page::Settings => "page-settings",
    };
    let body = html! {
        main #main class={ "page " (class) } {
            div .page-head {
                @if let Page::Target(_) = page { p .crumb { a href="/dashboard" { "Dashboard" } } }
                h1 { (page.title()) }
                (subtitle(page, frame))
            }
            @for region in regions { (section(region)) }
        }
    };
    shell(server, frame, &page.title(), &page.address(), live.as_deref(), pulse, body)
}

fn subtitle(page: &Page, frame: &Frame) -> Markup {
    html! {
        @match page {
            Page::Home => p .sub { "Is everything up, and how do we know?" },
            Page::Dashboard(_) => p .sub { "The last five minutes against profile " strong { (frame.profile) } ", and the hour before" },
            Page::Target(_) => {},
            Page::Portfolio => p .sub { "Accounts as the executor publishes them" },
            Page::Strategies => p .sub { "Strategies as the executor publishes them" },
            Page::Settings => p .sub { "The configuration in force, and the parts that run" },
        }
    }
}

/// A page that says why there is no page.
pub(super) fn error(server: &Server, frame: &Frame, problem: &Problem) -> Markup {
    let body = html! {
        main #main .page.page-error {
            p .code { (problem.status.as_u16()) }
            h1 { (problem.title) }
            p .sub { (problem.detail) }
            p { a .button href="/" { "To the status page" } }
        }
    };
    let regions = frame.regions();
    shell(server, frame, problem.title, "", None, regions.first(), body)
}

fn section(region: &Region) -> Markup {
    html! { section id=(region.id) class=(region.class) aria-label=(region.label) data-live { (region.body) } }
}

fn shell(
    server: &Server,
    frame: &Frame,
    title: &str,
    address: &str,
    live: Option<&str>,
    pulse: Option<&Region>,
    body: Markup,
) -> Markup {
    let path = address.split('?').next().unwrap_or(address);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="spark-build" content=(server.build.id);
                @if let Some(live) = live { meta name="spark-live" content=(live); }
                title { (title) " · Spark" }
                link rel="icon" type="image/svg+xml" href=(server.assets.path("icon.svg"));
                link rel="stylesheet" href=(server.assets.path("spark.css"));
                @if live.is_some() { script type="module" src=(server.assets.path("live.js")) {} }
            }
            body {
                a .skip href="#main" { "Skip to content" }
                header .top {
                    div .bar {
                        a .brand href="/" { (bolt()) "Spark" }
                        nav aria-label="Pages" {
                            @for (href, name) in NAVIGATION {
                                a href=(href) aria-current=[(href == path).then_some("page")] { (name) }
                            }
                        }
                        @if let Some(pulse) = pulse { (section(pulse)) }
                    }
                }
                div #connection .connection role="status" hidden {}
                (body)
                footer .foot {
                    span { "Spark " (server.build.version) " · build " code { (server.build.id) } }
                    @match &frame.config_digest {
                        Some(digest) => span { "configuration " code title=(digest) { (&digest[..digest.len().min(12)]) } },
                        None => span { "no configuration in force yet" },
                    }
                    @if live.is_some() { noscript { span { "Live updates need JavaScript: reload for newer figures." } } }
                }
            }
        }
    }
}

fn bolt() -> Markup {
    PreEscaped(
        r#"<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M9.6 1 3 9.2h4L6.2 15 13 6.6H8.8z"/></svg>"#.to_owned(),
    )
}
