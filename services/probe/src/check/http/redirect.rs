//! Where a redirect leads, and whether the check goes there.

use std::sync::Arc;

use hyper::Response;
use hyper::body::Incoming;
use hyper::http::header::LOCATION;
use hyper::http::{Method, StatusCode};
use rustls::ClientConfig;
use spark_schemas::event::FailReason;
use url::Url;

use super::super::Failure;
use super::super::connect::Endpoint;
use super::super::resolve::Lookups;
use super::super::tls::TlsPart;
use super::{Asked, Origin};

/// What following redirects needs.
pub(in super::super) struct Redirects {
    pub(in super::super) max: u32,
    pub(in super::super) tls: Arc<ClientConfig>,
    pub(in super::super) lookups: Lookups,
    /// The body comes from the environment.
    pub(in super::super) is_body_secret: bool,
}

impl Redirects {
    /// The next hop, if `response` leads on; an error when it leads where the check does not go.
    pub(super) fn next(
        &self,
        asked: &Asked,
        hops: u32,
        response: &Response<Incoming>,
    ) -> Option<Result<Asked, Failure>> {
        let status = response.status();
        let is_redirect = matches!(
            status,
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
        let url = location.to_str().ok().and_then(|location| asked.url.join(location).ok());
        let Some(url) = url else {
            return Some(Err(Failure::new(FailReason::Protocol, "redirected to what is no URL")));
        };
        Some(self.follow(asked, hops, status, url))
    }

    fn follow(&self, asked: &Asked, hops: u32, status: StatusCode, url: Url) -> Result<Asked, Failure> {
        let refused =
            |why: &str| Failure::new(FailReason::Protocol, format_args!("redirected to {}: {why}", place(&url)));
        if hops >= self.max {
            let (max, last) = (self.max, place(&url));
            let detail =
                format_args!("status {} after {max} redirects, the next would lead to {last}", status.as_u16());
            return Err(Failure::new(FailReason::Status, detail));
        }
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(refused("only http and https are followed"));
        }
        if asked.url.scheme() == "https" && url.scheme() == "http" {
            return Err(refused("from https to http is not followed"));
        }
        let has_left = asked.has_left || url.origin() != asked.url.origin();
        // RFC 9110, 15.4: 303 asks with GET; after 301 and 302 everyone does so where it was a POST.
        let becomes_get = match status {
            StatusCode::SEE_OTHER => asked.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => asked.method == Method::POST,
            _ => false,
        };
        let has_body = asked.has_body && !becomes_get;
        if has_body && has_left && self.is_body_secret {
            return Err(refused("a body from the environment is not sent to another origin"));
        }
        let method = if becomes_get { Method::GET } else { asked.method.clone() };
        Ok(Asked { url, method, has_body, has_left })
    }

    /// Where the next hop connects to.
    pub(super) fn origin(&self, asked: &Asked) -> Result<Origin, Failure> {
        let no_host = || Failure::new(FailReason::Protocol, "redirected to what is no host");
        let host = asked.url.host().ok_or_else(no_host)?;
        let port = asked.url.port_or_known_default().ok_or_else(no_host)?;
        let tls = match asked.url.scheme() {
            "https" => {
                let config = Arc::clone(&self.tls);
                Some(TlsPart::new(config, &host).map_err(|_not_a_dns_name| no_host())?)
            }
            _ => None,
        };
        Ok(Origin { endpoint: Endpoint::new(&host, port, &self.lookups), tls })
    }
}

/// Without path and query, which may hold secrets.
fn place(url: &Url) -> String {
    url[..url::Position::BeforePath].to_owned()
}
