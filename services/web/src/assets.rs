//! Stylesheet, scripts and icon: embedded, and served under names that carry a hash of their content, so that a page
//! never runs against other assets than its server's and browsers may keep them for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::api::problem::Problem;
use crate::app::Server;

/// The one stylesheet, in the order in which its parts may override one another.
const STYLES: &str = concat!(
    include_str!("../assets/css/tokens.css"),
    "\n",
    include_str!("../assets/css/frame.css"),
    "\n",
    include_str!("../assets/css/notices.css"),
    "\n",
    include_str!("../assets/css/panels.css"),
    "\n",
    include_str!("../assets/css/status.css"),
    "\n",
    include_str!("../assets/css/dashboard.css"),
    "\n",
    include_str!("../assets/css/charts.css"),
    "\n",
    include_str!("../assets/css/tables.css")
);

/// Each asset: name, extension, content. A script stands after those it imports, as `"./name.js"`.
const EMBEDDED: [(&str, &str, &str); 5] = [
    ("spark", "css", STYLES),
    ("icon", "svg", include_str!("../assets/icon.svg")),
    ("regions", "js", include_str!("../assets/regions.js")),
    ("stream", "js", include_str!("../assets/stream.js")),
    ("live", "js", include_str!("../assets/live.js")),
];

/// The assets by their hashed names.
pub(crate) struct Assets {
    /// `spark.css` to `/assets/spark.<hash>.css`.
    paths: BTreeMap<String, String>,
    /// `spark.<hash>.css` to media type and content.
    files: BTreeMap<String, (&'static str, String)>,
}

impl Assets {
    /// Hashes what is embedded.
    pub(crate) fn embedded() -> Self {
        let mut assets = Self { paths: BTreeMap::new(), files: BTreeMap::new() };
        for (name, extension, content) in EMBEDDED {
            // An import names the hashed file, so a script's hash also stands for the scripts it imports.
            let content = assets.paths.iter().fold(content.to_owned(), |content, (plain, hashed)| {
                content.replace(&format!("\"./{plain}\""), &format!("\"{hashed}\""))
            });
            let hash = spark_core::hex(&Sha256::digest(&content)[..8]);
            let file = format!("{name}.{hash}.{extension}");
            assets.paths.insert(format!("{name}.{extension}"), format!("/assets/{file}"));
            assets.files.insert(file, (media_type(extension), content));
        }
        assets
    }

    /// Where `name`, such as `spark.css`, is served.
    pub(crate) fn path(&self, name: &str) -> &str {
        self.paths.get(name).map_or("", String::as_str)
    }
}

fn media_type(extension: &str) -> &'static str {
    match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// One asset, to be kept for ever.
pub(crate) async fn get(State(server): State<Arc<Server>>, path: Option<Path<String>>, uri: Uri) -> Response {
    let asset = path.as_ref().and_then(|Path(file)| server.assets.files.get(file));
    let Some((media_type, content)) = asset else { return Problem::unknown_path(uri.path()).into_response() };
    let headers = [(header::CONTENT_TYPE, *media_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (StatusCode::OK, headers, content.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_name_the_hashed_files() {
        let assets = Assets::embedded();
        let (_, script) = &assets.files[assets.path("live.js").strip_prefix("/assets/").unwrap()];
        assert!(script.contains(assets.path("stream.js")), "{script}");
        assert!(assets.files.values().all(|(_, content)| !content.contains("from \"./")));
    }
}
