//! Query parameters: known ones once each, and instants. A misspelt parameter is an error, not another question.

use axum::extract::Query;
use axum::http::Uri;
use spark_core::view::parse_rfc3339;
use spark_schemas::TimeNs;

use crate::api::problem::Problem;

/// Clocks differ: an instant this little ahead of ours is now.
const AHEAD_NS_MAX: u64 = 5 * TimeNs::SECOND;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// The parameters, each of `allowed` at most once and no others.
    pub(crate) fn strict(uri: &Uri, allowed: &[&str]) -> Result<Self, Problem> {
        let params = Self::lenient(uri)?;
        for (n, (name, _)) in params.0.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                let known = match allowed {
                    [] => "it takes none".to_owned(),
                    names => format!("it takes: {}", names.join(", ")),
                };
                return Err(Problem::bad_request(format!("{} has no parameter {name:?}; {known}.", uri.path())));
            }
            if params.0[..n].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_request(format!("The parameter {name:?} is there twice.")));
            }
        }
        Ok(params)
    }

    /// The parameters, whatever they are: links to pages pick up foreign ones.
    pub(crate) fn lenient(uri: &Uri) -> Result<Self, Problem> {
        match Query::<Vec<(String, String)>>::try_from_uri(uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(error) => Err(Problem::bad_request(format!("The query can't be read: {error}."))),
        }
    }

    /// One parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The instant asked for; `None` for now.
    pub(crate) fn at(&self, now: TimeNs) -> Result<Option<TimeNs>, Problem> {
        let Some(text) = self.get("at") else { return Ok(None) };
        // A plus sign that was not escaped arrives as a space.
        let Some(at) = parse_rfc3339(text).or_else(|| parse_rfc3339(&text.replace(' ', "+"))) else {
            return Err(Problem::bad_request(format!(
                "at={text:?} is no instant; write RFC 3339 such as 2026-07-30T14:03:00Z."
            )));
        };
        if at.0 > now.0.saturating_add(AHEAD_NS_MAX) {
            return Err(Problem::bad_request(format!("at={text:?} is in the future.")));
        }
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Result<Params, Problem> {
        Params::strict(&format!("/api/v1/windows?{query}").parse().unwrap(), &["at", "window"])
    }

    #[test]
    fn a_misspelt_or_repeated_parameter_is_an_error() {
        assert_eq!(params("window=5m").unwrap().get("window"), Some("5m"));
        assert!(params("windwo=5m").is_err());
        assert!(params("at=1&at=2").is_err());
    }

    #[test]
    fn instants_are_rfc_3339_and_not_in_the_future() {
        let now = parse_rfc3339("2026-07-30T12:00:00Z").unwrap();
        let at = |query: &str| params(query).unwrap().at(now);
        assert_eq!(at("window=5m").unwrap(), None);
        assert_eq!(at("at=2026-07-30T12:00:00Z").unwrap(), Some(now));
        assert_eq!(at("at=2026-07-30T14:00:00+02:00").unwrap(), Some(now));
        for bad in ["at=", "at=yesterday", "at=2026-07-30T12:01:00Z", "at=1960-01-01T00:00:00Z"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
