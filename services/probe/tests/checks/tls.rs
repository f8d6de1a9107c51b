//! TLS: who is trusted, when the certificate expires, and handshakes that break.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use spark_core::config::Target;
use spark_core::units::DurationUs;
use spark_probe::check::{CheckContext, PrepareError, PreparedCheck};
use spark_schemas::TimeNs;
use spark_schemas::event::FailReason;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use crate::servers::{Server, accept, answer_once, http};
use crate::{NOW, assert_failed, assert_ok, run, target};

const DAY_NS: u64 = 86_400 * TimeNs::SECOND;

/// An authority of the test's own, and the file that says so.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// An HTTPS server for `names` whose certificate expires in the year `expires`.
    async fn server(&self, names: &[&str], expires: i32) -> Server {
        self.server_that_says(names, expires, http(200, "secure")).await
    }

    async fn server_that_says(&self, names: &[&str], expires: i32, answer: String) -> Server {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(expires, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        accept(move |stream, requests| {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    answer_once(&mut stream, &requests, answer.as_bytes()).await;
                }
            }
        })
        .await
    }

    fn target(&self, server: &Server, host: &str) -> Target {
        let mut target = target(&format!("https://{host}:{}/", server.address.port()));
        target.ca_file = Some(self.ca_file().to_str().unwrap().to_owned());
        target
    }
}

#[tokio::test]
async fn a_trusted_certificate_passes_and_its_expiry_is_read() {
    let authority = Authority::new("ours");
    let server = authority.server(&["localhost", "127.0.0.1"], 2040).await;
    for host in ["localhost", "127.0.0.1"] {
        let mut target = authority.target(&server, host);
        target.expect_body = Some("secure".to_owned());
        let seen = run(&target).await;
        assert_ok(&seen);
        assert!(seen.phases.tls_us.unwrap() > 0 && seen.phases.first_byte_us.unwrap() > 0, "{seen:?}");
        let expires = u64::try_from(date_time_ymd(2040, 1, 1).unix_timestamp()).unwrap() * TimeNs::SECOND;
        assert_eq!(seen.certificate_expires_ns, Some(TimeNs(expires)));
    }
}

#[tokio::test]
async fn a_certificate_that_expires_too_soon_fails_by_the_configured_days() {
    let authority = Authority::new("ours");
    let server = authority.server(&["localhost"], 2040).await;
    let mut target = authority.target(&server, "localhost");
    target.certificate_days_min = Some(30);
    let context = CheckContext::new(|_| None);
    let check = PreparedCheck::new(&target, &context).unwrap();
    let expires = check.run(NOW).await.certificate_expires_ns.unwrap();
    assert_ok(&check.run(TimeNs(expires.0 - 30 * DAY_NS)).await);
    let seen = check.run(TimeNs(expires.0 - 30 * DAY_NS + 1)).await;
    assert_failed(&seen, FailReason::Certificate, "expires in 29 days, expected at least 30");
    assert_eq!(seen.status, Some(200));
}

#[tokio::test]
async fn of_several_hops_the_certificate_that_expires_first_counts() {
    let authority = Authority::new("ours");
    for (own, of_the_next) in [(2040, 2035), (2035, 2040)] {
        let next = authority.server(&["localhost"], of_the_next).await;
        let location = format!("https://localhost:{}/", next.address.port());
        let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let server = authority.server_that_says(&["localhost"], own, redirect).await;
        let mut target = authority.target(&server, "localhost");
        target.redirects_max = 1;
        target.certificate_days_min = Some(30);
        let check = PreparedCheck::new(&target, &CheckContext::new(|_| None)).unwrap();
        let soonest = TimeNs(u64::try_from(date_time_ymd(2035, 1, 1).unix_timestamp()).unwrap() * TimeNs::SECOND);
        let seen = check.run(NOW).await;
        assert_ok(&seen);
        assert_eq!(seen.certificate_expires_ns, Some(soonest), "{own}, then {of_the_next}");
        let seen = check.run(TimeNs(soonest.0 - 29 * DAY_NS)).await;
        assert_failed(&seen, FailReason::Certificate, "expires in 29 days, expected at least 30");
    }
}

#[tokio::test]
async fn nobody_else_is_trusted() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let server = authority.server(&["localhost"], 2040).await;
    let seen = run(&other.target(&server, "localhost")).await;
    assert_failed(&seen, FailReason::Tls, "not trusted");
    assert!(seen.phases.connect_us.is_some() && seen.status.is_none());
    let seen = run(&authority.target(&server, "127.0.0.1")).await;
    assert_failed(&seen, FailReason::Tls, "not valid for");
}

#[tokio::test]
async fn an_expired_certificate_fails_and_says_since_when() {
    let authority = Authority::new("ours");
    let server = authority.server(&["localhost"], 2021).await;
    let seen = run(&authority.target(&server, "localhost")).await;
    assert_failed(&seen, FailReason::Tls, "expired");
    assert!(seen.certificate_expires_ns.is_some_and(|expires| expires < NOW), "{seen:?}");
}

#[tokio::test]
async fn a_handshake_that_breaks_is_a_tls_failure() {
    let authority = Authority::new("ours");
    let bad_request = http(400, "plain");
    for greeting in ["220 mail.example ESMTP\r\n", bad_request.as_str(), ""] {
        let greeting = greeting.to_owned();
        let server = accept(move |mut stream, _| {
            let greeting = greeting.clone();
            async move { stream.write_all(greeting.as_bytes()).await.unwrap() }
        })
        .await;
        let seen = run(&authority.target(&server, "localhost")).await;
        assert_failed(&seen, FailReason::Tls, "");
    }
}

#[tokio::test]
async fn a_silent_handshake_times_out() {
    let authority = Authority::new("ours");
    let silent = accept(|stream, _| async move {
        let _kept_open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let mut target = authority.target(&silent, "localhost");
    target.timeout = Some(DurationUs::from_ms(60));
    let seen = run(&target).await;
    assert_failed(&seen, FailReason::Timeout, "during the TLS handshake");
    assert_eq!(seen.latency_us, 60_000);
}

#[test]
fn a_ca_file_that_is_none_is_an_error_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let mut target = target("https://localhost/");
    target.ca_file = Some(path.to_str().unwrap().to_owned());
    let context = CheckContext::new(|_| None);
    let files: [Option<&str>; 4] = [
        None,
        Some("no PEM at all"),
        Some("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"),
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ];
    for content in files {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = PreparedCheck::new(&target, &context).unwrap_err();
        assert!(matches!(error, PrepareError::Tls { .. }), "{error:?}");
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains("ca.pem"), "{said}");
    }
}

#[tokio::test]
async fn a_tls_target_is_a_handshake_and_a_certificate() {
    let authority = Authority::new("ours");
    let server = authority.server(&["imap.example"], 2040).await;
    let mut target = target(&format!("tls://localhost:{}", server.address.port()));
    target.ca_file = Some(authority.ca_file().to_str().unwrap().to_owned());
    assert_failed(&run(&target).await, FailReason::Tls, "not valid for");
    target.server_name = Some("imap.example".to_owned());
    target.certificate_days_min = Some(14);
    let check = PreparedCheck::new(&target, &CheckContext::new(|_| None)).unwrap();
    let seen = check.run(NOW).await;
    assert_ok(&seen);
    assert!(seen.phases.tls_us.is_some() && seen.phases.first_byte_us.is_none() && seen.status.is_none(), "{seen:?}");
    let expires = seen.certificate_expires_ns.unwrap();
    let soon = check.run(TimeNs(expires.0 - 3 * DAY_NS)).await;
    assert_failed(&soon, FailReason::Certificate, "the certificate expires in 3 days, expected at least 14");
    let old = authority.server(&["imap.example"], 2021).await;
    target.url = format!("tls://{}", old.address).parse().unwrap();
    assert_failed(&run(&target).await, FailReason::Tls, "expired");
}

#[tokio::test]
async fn a_tls_target_offers_no_protocol_and_asks_for_its_name() {
    let authority = Authority::new("ours");
    let hello = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&hello);
    let server = accept(move |mut stream, _| {
        let heard = Arc::clone(&heard);
        async move {
            let mut bytes = [0; 4_096];
            let length = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes).await.unwrap();
            heard.lock().unwrap().extend_from_slice(&bytes[..length]);
        }
    })
    .await;
    for (scheme, offers) in [("https", true), ("tls", false)] {
        let mut target = target(&format!("{scheme}://127.0.0.1:{}", server.address.port()));
        target.ca_file = Some(authority.ca_file().to_str().unwrap().to_owned());
        target.server_name = Some("imap.example".to_owned());
        assert_failed(&run(&target).await, FailReason::Tls, "");
        let bytes = std::mem::take(&mut *hello.lock().unwrap());
        let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        assert!(has(b"imap.example"), "no server name in the hello");
        assert_eq!(has(b"http/1.1"), offers, "{scheme}");
    }
}
