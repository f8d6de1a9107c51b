//! The request: what is the same at every hop, and what is not.

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
    USER_AGENT,
};
use hyper::http::{Method, Request};
use spark_core::config::Connection;
use spark_schemas::event::FailReason;
use url::Url;

use super::super::Failure;

/// What a target sends.
pub(in super::super) struct Parts {
    /// The configured headers.
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) body: Bytes,
    pub(in super::super) connection: Connection,
}

/// What is asked at one hop.
#[derive(Debug, Clone)]
pub(in super::super) struct Asked {
    pub(in super::super) url: Url,
    pub(in super::super) method: Method,
    pub(in super::super) has_body: bool,
    /// A redirect led to another origin: what was meant for the first is not sent.
    pub(in super::super) has_left: bool,
}

impl Parts {
    pub(in super::super) fn request(&self, asked: &Asked) -> Result<Request<Full<Bytes>>, Failure> {
        self.try_request(asked).map_err(|error| Failure::new(FailReason::Other, format_args!("no request: {error}")))
    }

    /// The request, if method, path and host can be sent.
    pub(in super::super) fn try_request(&self, asked: &Asked) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let url = &asked.url;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let body = if asked.has_body { Full::new(self.body.clone()) } else { Full::default() };
        let mut request = Request::builder().method(asked.method.clone()).uri(path).body(body)?;
        let host = url.host_str().unwrap_or_default();
        let host = match url.port() {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}"))?,
            None => HeaderValue::from_str(host)?,
        };
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("spark/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if self.connection == Connection::Fresh || asked.has_left {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in &self.headers {
            if !(asked.has_left && is_for_first_only(name, value)) {
                headers.insert(name.clone(), value.clone());
            }
        }
        Ok(request)
    }
}

/// Whether another host must not learn of it.
fn is_for_first_only(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HOST].contains(name)
}
