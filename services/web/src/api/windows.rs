//! `GET /api/v1/windows`: one window's figures, of one target or of the default selection over all.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use spark_core::view::{SLO_WINDOW, View, past};
use spark_core::window::{Window, WindowError};
use spark_schemas::derived::WindowMessage;

use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

/// Stands for the default selection over all.
const OVER_ALL: &str = "*";

/// One window.
pub(crate) async fn get(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<WindowMessage>, Problem> {
    let params = Params::strict(&uri, &["target", "window", "at"])?;
    let window = match params.get("window") {
        None => SLO_WINDOW,
        Some(text) => text.parse().map_err(|error: WindowError| Problem::bad_request(format!("There is {error}.")))?,
    };
    let now = server.now();
    let at = params.at(now)?.unwrap_or(now);
    let target = params.get("target").unwrap_or(OVER_ALL);
    server.view(at, |view| figures(&view, target, window))?.map(Json)
}

fn figures(view: &View<'_>, target: &str, window: Window) -> Result<WindowMessage, Problem> {
    if target == OVER_ALL {
        let slo = past::slo(view, None)?;
        return Ok(view.window_over(&slo.targets, window)?.to_message(OVER_ALL, slo.staleness_us));
    }
    let found = past::target(view, target).ok_or_else(|| Problem::unknown_target(target))?;
    Ok(view.window(target, window)?.to_message(target, found.staleness_us))
}
