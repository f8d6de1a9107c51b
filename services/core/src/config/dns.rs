//! What a `dns:` target asks: the URL of RFC 4501, `dns:[//server[:port]/]name[?type=TYPE]`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::{Host, Url};

const PORT: u16 = 53;

/// A type of record that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
    /// Mail exchangers: preference and host.
    Mx,
    /// Texts.
    Txt,
    /// Name servers.
    Ns,
    /// Services: priority, weight, port and host.
    Srv,
}

impl RecordType {
    const ALL: [(Self, &'static str); 7] = [
        (Self::A, "A"),
        (Self::Aaaa, "AAAA"),
        (Self::Cname, "CNAME"),
        (Self::Mx, "MX"),
        (Self::Txt, "TXT"),
        (Self::Ns, "NS"),
        (Self::Srv, "SRV"),
    ];
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(of, _)| of == self).map_or("", |(_, text)| text))
    }
}

impl FromStr for RecordType {
    type Err = DnsUrlError;

    fn from_str(text: &str) -> Result<Self, DnsUrlError> {
        let known = Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        known.map(|(of, _)| *of).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
            DnsUrlError(format!("no record type {text:?}; there are: {}", names.join(", ")))
        })
    }
}

/// The text is no record of the type that is asked for, so no answer could ever have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a record of type {record}: write one such as {example:?}")]
pub struct DnsRecordError {
    text: String,
    record: RecordType,
    example: &'static str,
}

impl RecordType {
    /// Whether an answer could have the record `text`.
    pub fn accepts(self, text: &str) -> Result<(), DnsRecordError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (is_one, example) = match self {
            Self::A => (text.parse::<Ipv4Addr>().is_ok(), "192.0.2.1"),
            Self::Aaaa => (text.parse::<Ipv6Addr>().is_ok(), "2001:db8::1"),
            Self::Cname | Self::Ns => (is_numbers_and_name(&words, 0), "name.shop.example"),
            Self::Mx => (is_numbers_and_name(&words, 1), "10 mail.shop.example"),
            Self::Srv => (is_numbers_and_name(&words, 3), "10 60 5060 sip.shop.example"),
            Self::Txt => (true, ""),
        };
        if is_one { Ok(()) } else { Err(DnsRecordError { text: text.to_owned(), record: self, example }) }
    }
}

/// So many numbers of 16 bits, then a name as servers give it: in ASCII, or the root.
fn is_numbers_and_name(words: &[&str], numbers: usize) -> bool {
    let Some((name, before)) = words.split_last() else { return false };
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_graphic());
    let is_name = *name == "." || name.len() <= 254 && name.strip_suffix('.').unwrap_or(name).split('.').all(is_label);
    is_name && before.len() == numbers && before.iter().all(|number| number.parse::<u16>().is_ok())
}

/// What is asked, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsQuestion {
    /// The server's host and port; `None`: the first one of the system's.
    pub server: Option<(Host, u16)>,
    /// The name, in ASCII, lower case and without a last dot.
    pub name: String,
    /// The type of record.
    pub record: RecordType,
}

/// The URL asks for nothing that can be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DnsUrlError(String);

impl DnsQuestion {
    /// Reads a `dns:` URL.
    pub fn from_url(url: &Url) -> Result<Self, DnsUrlError> {
        let server = match url.host_str() {
            None | Some("") => None,
            Some(host) => {
                let host =
                    Host::parse(host).map_err(|error| DnsUrlError(format!("the DNS server is no host: {error}")))?;
                Some((host, url.port().unwrap_or(PORT)))
            }
        };
        Ok(Self { server, name: name(url.path().trim_start_matches('/'))?, record: record(url.query())? })
    }
}

/// Percent signs are decoded and other alphabets made ASCII, as in the host of an HTTP URL.
fn name(text: &str) -> Result<String, DnsUrlError> {
    let wanted = "write one such as dns:shop.example?type=AAAA or dns://192.0.2.1/shop.example?type=MX";
    let Ok(Host::Domain(name)) = Host::parse(text) else {
        return Err(DnsUrlError(format!("{text:?} is not a DNS name: {wanted}")));
    };
    let name = name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase();
    let is_label = |label: &str| (1..=63).contains(&label.len());
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(DnsUrlError(format!("{text:?} is not a DNS name: {wanted}")));
    }
    Ok(name)
}

fn record(query: Option<&str>) -> Result<RecordType, DnsUrlError> {
    let mut record = RecordType::A;
    for part in query.unwrap_or_default().split([';', '&']).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case("type") => record = value.parse()?,
            Some((key, value)) if key.eq_ignore_ascii_case("class") && value.eq_ignore_ascii_case("IN") => {}
            _ => return Err(DnsUrlError(format!("{part:?} in a dns URL; there are: type=TYPE, class=IN"))),
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<DnsQuestion, String> {
        DnsQuestion::from_url(&url.parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_is_read_from_every_form_of_the_url() {
        let plain = read("dns:Shop.Example.").unwrap();
        assert_eq!(plain, DnsQuestion { server: None, name: "shop.example".to_owned(), record: RecordType::A });
        assert_eq!(read("dns:///shop.example?class=IN;type=a").unwrap(), plain);
        let asked = read("dns://192.0.2.1:5353/_sip._tcp.shop.example?TYPE=srv").unwrap();
        assert_eq!(asked.server.map(|(host, port)| (host.to_string(), port)), Some(("192.0.2.1".to_owned(), 5353)));
        assert_eq!((asked.name.as_str(), asked.record), ("_sip._tcp.shop.example", RecordType::Srv));
        let v6 = read("dns://[2001:db8::1]/b%C3%BCcher.example").unwrap();
        assert_eq!((v6.server.unwrap().1, v6.name.as_str()), (53, "xn--bcher-kva.example"));
    }

    #[test]
    fn a_record_is_one_that_its_type_can_have() {
        for (record, good, bad) in [
            (RecordType::A, &["192.0.2.1"][..], &["2001:db8::1", "shop.example", "192.0.2.256", " 192.0.2.1", ""][..]),
            (RecordType::Aaaa, &["2001:db8::1", "2001:DB8:0::1"], &["192.0.2.1", "[2001:db8::1]"]),
            (RecordType::Cname, &["a.example", "A.example.", "_x.a"], &["", "a..b", "10 a.example", "bücher.example"]),
            (RecordType::Ns, &["ns1.example."], &["ns1.example ns2.example"]),
            (RecordType::Mx, &["10 mail.example", "10  Mail.example.", "0 ."], &["mail.example", "70000 a", "10 20 a"]),
            (RecordType::Srv, &["10 60 5060 sip.example"], &["10 60 sip.example", "sip.example", "-1 60 5060 a"]),
            (RecordType::Txt, &["", "v=spf1 -all"], &[]),
        ] {
            for text in good {
                assert_eq!(record.accepts(text), Ok(()), "{record} {text:?}");
            }
            for text in bad {
                assert!(record.accepts(text).is_err(), "{record} {text:?}");
            }
        }
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        for (url, words) in [
            ("dns:", "is not a DNS name"),
            ("dns://192.0.2.1", "is not a DNS name"),
            ("dns:192.0.2.1", "is not a DNS name"),
            ("dns:a..b", "is not a DNS name"),
            ("dns:shop.example?type=PTR", "no record type \"PTR\"; there are: A, AAAA, CNAME, MX, TXT, NS, SRV"),
            ("dns:shop.example?class=CH", "\"class=CH\" in a dns URL; there are: type=TYPE, class=IN"),
            ("dns:shop.example?typ=A", "\"typ=A\" in a dns URL"),
        ] {
            let said = read(url).unwrap_err();
            assert!(said.contains(words), "{url}: {said}");
        }
    }
}
