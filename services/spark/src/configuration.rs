//! From file, flags and environment to the one configuration, with the built-in targets added.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use spark_core::config::{Config, Role, Target};
use spark_core::units::DurationUs;
use spark_schemas::Name;
use url::Url;

use crate::cli::CommonArgs;
use crate::documents;
use crate::exit::Unusable;

/// Spark's own pages and health, as the built-in targets watch them.
const OWN_PAGES: [(&str, &str); 6] = [
    ("ui-home", "/"),
    ("ui-dashboard", "/dashboard"),
    ("ui-portfolio", "/portfolio"),
    ("ui-strategies", "/strategies"),
    ("ui-settings", "/settings"),
    ("ui-health", "/api/healthz"),
];
/// Where the executor is when nothing says otherwise.
const EXECUTOR_URL: &str = "http://127.0.0.1:4001/health";
/// Where the web service is when nothing says otherwise.
const WEB_URL: &str = "http://127.0.0.1:3003";
const BUILTIN_INTERVAL: DurationUs = DurationUs::from_secs(5);

/// What was said beside the file.
#[derive(Debug, Clone)]
pub struct Overrides {
    profile: Option<Name>,
    environment: Option<Name>,
    executor_url: Url,
    web_url: Url,
    more_targets: Vec<Target>,
}

impl Overrides {
    /// What flags and environment say; `web_url` is where the pages are.
    pub fn new(args: &CommonArgs, web_url: Url) -> Result<Self, Unusable> {
        let executor_url = match &args.executor_url {
            Some(url) => url.clone(),
            None => parse_url(EXECUTOR_URL)?,
        };
        let (profile, environment) = (args.profile.clone(), args.environment.clone());
        Ok(Self { profile, environment, executor_url, web_url, more_targets: Vec::new() })
    }

    /// What holds when flags and environment say nothing.
    pub fn none() -> Result<Self, Unusable> {
        let (executor_url, web_url) = (parse_url(EXECUTOR_URL)?, parse_url(WEB_URL)?);
        Ok(Self { profile: None, environment: None, executor_url, web_url, more_targets: Vec::new() })
    }

    /// Adds targets that no file has, such as the demo's.
    pub fn with_targets(self, more_targets: Vec<Target>) -> Self {
        Self { more_targets, ..self }
    }
}

/// Reads the file, if there is one, and applies what was said beside it.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Config, Unusable> {
    let mut config = match file {
        Some(file) => {
            let text = read_text(file)?;
            let mut config = parse(file, &text)?;
            documents::add_to(&mut config, file)?;
            config.check_in(&text).map_err(|error| Unusable::Invalid { path: file.display().to_string(), error })?;
            config
        }
        None => Config::default(),
    };
    if let Some(environment) = &overrides.environment {
        config.environment = environment.clone();
    }
    if let Some(profile) = &overrides.profile {
        if !config.profiles.contains_key(profile) {
            let known: Vec<&str> = config.profiles.keys().map(Name::as_str).collect();
            return Err(Unusable::Setting(format!(
                "no profile {:?}; there are: {}",
                profile.as_str(),
                known.join(", ")
            )));
        }
        config.profile = profile.clone();
    }
    let mut more = overrides.more_targets.clone();
    if config.builtin_targets {
        more.splice(0..0, builtin_targets(&overrides.web_url, &overrides.executor_url)?);
    }
    // A target of the same name in the file is the user's word on it.
    more.retain(|target| config.target(&target.name).is_none());
    config.targets.splice(0..0, more);
    Ok(config)
}

/// Reads and checks a configuration file alone, without the documents that it names.
pub fn read(file: &Path) -> Result<Config, Unusable> {
    parse(file, &read_text(file)?)
}

fn read_text(file: &Path) -> Result<String, Unusable> {
    let path = file.display().to_string();
    let text = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(source) => return Err(Unusable::Unreadable { path, source }),
    };
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Unusable::Setting(format!("{path}: not UTF-8 text, at byte {at}"))
    })
}

fn parse(file: &Path, text: &str) -> Result<Config, Unusable> {
    Config::from_toml(text).map_err(|error| Unusable::Invalid { path: file.display().to_string(), error })
}

fn builtin_targets(web: &Url, executor: &Url) -> Result<Vec<Target>, Unusable> {
    let target = |name: &str, url: Url, role| {
        let name = Name::new(name).map_err(|error| Unusable::Setting(error.to_string()))?;
        Ok(Target { interval: BUILTIN_INTERVAL, role: Some(role), ..Target::new(name, url) })
    };
    let mut targets = Vec::new();
    for (name, path) in OWN_PAGES {
        targets.push(target(name, beneath(web, path), Role::Ui)?);
    }
    targets.push(target("executor", executor.clone(), Role::Executor)?);
    Ok(targets)
}

/// The URL at which this machine reaches a service that listens on `addr`.
pub fn local_url(addr: SocketAddr) -> Result<Url, Unusable> {
    let ip = match addr.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    parse_url(&format!("http://{}", SocketAddr::new(ip, addr.port())))
}

/// Where a Spark's web service is, such as `https://ops.example/spark` behind a proxy: its paths are beneath that.
pub fn web_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => Ok(url),
        "http" | "https" => Err("write it without ? and #".to_owned()),
        _ => Err("it begins with http:// or https://".to_owned()),
    }
}

/// The page or answer `path` of the web service at `web`.
pub fn beneath(web: &Url, path: &str) -> Url {
    let mut url = web.clone();
    url.set_path(&format!("{}{path}", web.path().trim_end_matches('/')));
    url
}

fn parse_url(text: &str) -> Result<Url, Unusable> {
    text.parse().map_err(|error| Unusable::Setting(format!("{text}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_service_may_be_beneath_a_path() {
        for (web, page) in [
            ("http://127.0.0.1:3003", "http://127.0.0.1:3003/api/healthz"),
            ("https://ops.example/spark", "https://ops.example/spark/api/healthz"),
            ("https://ops.example/spark/", "https://ops.example/spark/api/healthz"),
        ] {
            assert_eq!(beneath(&web_url(web).unwrap(), "/api/healthz").as_str(), page);
        }
        for (text, why) in [
            ("ops.example", "relative URL without a base"),
            ("localhost:3003", "it begins with http:// or https://"),
            ("nats://ops.example", "it begins with http:// or https://"),
            ("http://", "empty host"),
            ("http://ops.example/?a=b", "write it without ? and #"),
            ("http://ops.example/#a", "write it without ? and #"),
        ] {
            assert_eq!(web_url(text).unwrap_err(), why, "{text}");
        }
    }
}
