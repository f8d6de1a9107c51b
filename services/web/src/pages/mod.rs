//! The pages. Each is a list of regions, rendered by the same functions whole and live.

mod dashboard;
mod facts;
mod frame;
mod home;
mod layout;
mod panel;
mod settings;
mod target;
mod trading;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use maud::Markup;
use spark_core::view::past;
use spark_schemas::{Name, TimeNs};

use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;
use frame::Frame;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    Home,
    /// With the profile asked for, when it is not the configuration's.
    Dashboard(Option<Name>),
    Target(Name),
    Portfolio,
    Strategies,
    Settings,
}

/// A part of a page that changes by itself.
pub(crate) struct Region {
    pub(crate) id: &'static str,
    /// Its classes.
    class: &'static str,
    /// What screen readers call it.
    label: &'static str,
    pub(crate) body: Markup,
}

/// A page as of an instant.
pub(crate) struct Composed {
    frame: Frame,
    pub(crate) regions: Vec<Region>,
}

impl Page {
    /// The page at a path with its query; `None` when there is none.
    pub(crate) fn parse(path_and_query: &str) -> Option<Self> {
        let uri: Uri = path_and_query.parse().ok()?;
        match uri.path() {
            "/" => Some(Self::Home),
            "/dashboard" => Self::dashboard(&Params::lenient(&uri).ok()?).ok(),
            "/portfolio" => Some(Self::Portfolio),
            "/strategies" => Some(Self::Strategies),
            "/settings" => Some(Self::Settings),
            path => Some(Self::Target(Name::new(path.strip_prefix("/targets/")?).ok()?)),
        }
    }

    fn dashboard(params: &Params) -> Result<Self, Problem> {
        let profile = params.get("profile").map(|text| {
            Name::new(text).map_err(|error| Problem::bad_request(format!("profile={text:?} is no name: {error}.")))
        });
        Ok(Self::Dashboard(profile.transpose()?))
    }

    /// Its path with its query.
    fn address(&self) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::Dashboard(None) => "/dashboard".to_owned(),
            Self::Dashboard(Some(profile)) => format!("/dashboard?profile={profile}"),
            Self::Target(name) => format!("/targets/{name}"),
            Self::Portfolio => "/portfolio".to_owned(),
            Self::Strategies => "/strategies".to_owned(),
            Self::Settings => "/settings".to_owned(),
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Home => "Status".to_owned(),
            Self::Dashboard(_) => "Dashboard".to_owned(),
            Self::Target(name) => name.to_string(),
            Self::Portfolio => "Portfolio".to_owned(),
            Self::Strategies => "Strategies".to_owned(),
            Self::Settings => "Settings".to_owned(),
        }
    }
}

/// A page's regions as of `at`, or as of now.
pub(crate) fn compose(server: &Server, page: &Page, at: Option<TimeNs>) -> Result<Composed, Problem> {
    let profile = match page {
        Page::Dashboard(profile) => profile.as_deref(),
        _ => None,
    };
    let now = server.now();
    // Everything is taken out of the view at once, and rendered after it is let go.
    let (mut frame, content) = server.view(at.unwrap_or(now), |view| {
        let targets = past::targets(&view);
        let slo = view.slo_of(targets.clone(), profile)?;
        let frame = Frame::take(server, &view, &slo, at.is_some());
        let content = match page {
            Page::Home => Content::Home(home::Model::take(&view, &targets, &frame)),
            Page::Dashboard(_) => Content::Dashboard(Box::new(dashboard::Model::take(&view, &targets, &slo, &frame))),
            Page::Target(name) => Content::Target(Box::new(target::Model::take(&view, &slo, name)?)),
            Page::Portfolio => Content::Portfolio(trading::portfolios(&view)),
            Page::Strategies => Content::Strategies(trading::strategies(&view)),
            Page::Settings => Content::Settings(Box::new(settings::Model::take(&view, server))),
        };
        Ok::<_, Problem>((frame, content))
    })??;
    frame.demo = content.is_demo();
    let mut regions = frame.regions();
    regions.extend(match &content {
        Content::Home(model) => model.render(&frame),
        Content::Dashboard(model) => model.render(&frame),
        Content::Target(model) => model.render(&frame),
        Content::Portfolio(accounts) => vec![trading::render_portfolios(&frame, accounts)],
        Content::Strategies(strategies) => vec![trading::render_strategies(&frame, strategies)],
        Content::Settings(model) => model.render(&frame),
    });
    Ok(Composed { frame, regions })
}

/// What a page shows, taken out of the view.
enum Content {
    Home(home::Model),
    Dashboard(Box<dashboard::Model>),
    Target(Box<target::Model>),
    Portfolio(Vec<spark_schemas::event::Portfolio>),
    Strategies(Vec<spark_schemas::event::Strategy>),
    Settings(Box<settings::Model>),
}

impl Content {
    fn is_demo(&self) -> bool {
        match self {
            Self::Home(model) => model.is_demo(),
            Self::Dashboard(model) => model.is_demo(),
            Self::Target(model) => model.is_demo(),
            Self::Portfolio(accounts) => accounts.iter().any(|account| account.demo),
            Self::Strategies(strategies) => strategies.iter().any(|strategy| strategy.demo),
            Self::Settings(_) => false,
        }
    }
}

/// A page's regions as of now, or of a moment ago where they take long to compose.
pub(crate) async fn recent(server: &Server, page: &Page) -> Result<Arc<Composed>, Problem> {
    let make = || compose(server, page, None);
    match page {
        Page::Home => server.recent.home.get(make).await,
        Page::Dashboard(None) => server.recent.dashboard.get(make).await,
        _ => make().map(Arc::new),
    }
}

async fn answer(server: &Server, uri: &Uri, page: impl FnOnce(&Params) -> Result<Page, Problem>) -> Response {
    let wanted = Params::lenient(uri).and_then(|params| Ok((params.at(server.now())?, page(&params)?)));
    let shown = match wanted {
        Ok((None, page)) => recent(server, &page).await.map(|composed| (composed, page)),
        Ok((at, page)) => compose(server, &page, at).map(|composed| (Arc::new(composed), page)),
        Err(problem) => Err(problem),
    };
    match shown {
        Ok((composed, page)) => layout::document(server, &page, &composed).into_response(),
        Err(problem) => error(server, &problem),
    }
}

/// A page that says why there is no page.
pub(crate) fn error(server: &Server, problem: &Problem) -> Response {
    let frame = server.view_or_nothing(server.now(), |view| {
        past::slo(&view, None).ok().map(|slo| Frame::take(server, &view, &slo, false))
    });
    let page = match frame {
        Some(frame) => layout::error(server, &frame, problem),
        None => return problem.clone().into_response(),
    };
    (problem.status, page).into_response()
}

pub(crate) async fn home(State(server): State<Arc<Server>>, uri: Uri) -> Response {
    answer(&server, &uri, |_| Ok(Page::Home)).await
}

pub(crate) async fn dashboard(State(server): State<Arc<Server>>, uri: Uri) -> Response {
    answer(&server, &uri, Page::dashboard).await
}

pub(crate) async fn target(
    State(server): State<Arc<Server>>,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Response {
    answer(&server, &uri, |_| {
        let Path(name) = name.map_err(|error| Problem::bad_request(format!("The target's name: {error}.")))?;
        // What is no name is no target's name.
        Name::new(&name).map(Page::Target).map_err(|_no_name| Problem::unknown_target(&name))
    })
    .await
}

pub(crate) async fn portfolio(State(server): State<Arc<Server>>, uri: Uri) -> Response {
    answer(&server, &uri, |_| Ok(Page::Portfolio)).await
}

pub(crate) async fn strategies(State(server): State<Arc<Server>>, uri: Uri) -> Response {
    answer(&server, &uri, |_| Ok(Page::Strategies)).await
}

pub(crate) async fn settings(State(server): State<Arc<Server>>, uri: Uri) -> Response {
    answer(&server, &uri, |_| Ok(Page::Settings)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_back_from_its_address() {
        let name = |text| Name::new(text).unwrap();
        for page in [
            Page::Home,
            Page::Dashboard(None),
            Page::Dashboard(Some(name("prod"))),
            Page::Target(name("checkout")),
            Page::Settings,
        ] {
            assert_eq!(Page::parse(&page.address()), Some(page));
        }
        for address in
            ["", "/nothing", "/targets/", "/targets/a/b", "/targets/%2e", "http://[", "/dashboard?profile=a b"]
        {
            assert_eq!(Page::parse(address), None, "{address}");
        }
    }
}
