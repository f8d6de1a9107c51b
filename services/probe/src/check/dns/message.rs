//! The question as bytes, and what an answer's bytes say to it. The rest of the check knows records only as text.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, RCODE, SimpleDnsError, TYPE};
use spark_core::config::RecordType;

/// What servers may send in one datagram: fits any path unbroken.
pub(super) const UDP_BYTES_MAX: usize = 1_232;

/// A name and a type of record.
#[derive(Debug)]
pub(in super::super) struct Question {
    name: String,
    record: RecordType,
}

/// What some bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The records of the wanted type, as text.
    Records(Vec<String>),
    /// The server's answer is an error.
    Refused(String),
    /// The answer was too long for a datagram.
    Truncated,
    /// Not an answer to this question.
    Foreign,
    /// Not a message.
    Broken(String),
}

impl Question {
    pub(super) fn new(name: &str, record: RecordType) -> Self {
        Self { name: name.to_owned(), record }
    }

    /// The query under an id.
    pub(super) fn query(&self, id: u16) -> Result<Vec<u8>, SimpleDnsError> {
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let question = simple_dns::Question::new(
            Name::new(&self.name)?,
            QTYPE::TYPE(self.kind()),
            QCLASS::CLASS(CLASS::IN),
            false,
        );
        packet.questions.push(question);
        let udp_packet_size = u16::try_from(UDP_BYTES_MAX).unwrap_or(u16::MAX);
        *packet.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size, version: 0 });
        packet.build_bytes_vec()
    }

    /// What `bytes` say to the query under `id`.
    pub(super) fn read(&self, id: u16, bytes: &[u8]) -> Read {
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            // A datagram that was cut need not be whole.
            Err(_) if self.is_truncated(id, bytes) => return Read::Truncated,
            Err(error) => return Read::Broken(error.to_string()),
        };
        let is_ours = |question: &simple_dns::Question<'_>| {
            question.qtype == QTYPE::TYPE(self.kind()) && plain_name(&question.qname) == self.name
        };
        let is_answer = packet.id() == id && packet.has_flags(PacketFlag::RESPONSE);
        // Servers that refuse may leave the question out.
        if !is_answer || !packet.questions.iter().all(is_ours) {
            return Read::Foreign;
        }
        if packet.has_flags(PacketFlag::TRUNCATION) {
            return Read::Truncated;
        }
        if let Some(sentence) = self.error(packet.rcode()) {
            return Read::Refused(sentence);
        }
        Read::Records(packet.answers.into_iter().filter_map(|answer| self.text_of(answer.rdata)).collect())
    }

    fn is_truncated(&self, id: u16, bytes: &[u8]) -> bool {
        use simple_dns::header_buffer::{has_flags, id as id_of};
        let flags = PacketFlag::RESPONSE | PacketFlag::TRUNCATION;
        id_of(bytes).is_ok_and(|there| there == id) && has_flags(bytes, flags).unwrap_or(false)
    }

    fn error(&self, code: RCODE) -> Option<String> {
        let name = &self.name;
        match code {
            RCODE::NoError => None,
            RCODE::NameError => Some(format!("NXDOMAIN: {name} does not exist")),
            RCODE::ServerFailure => Some(format!("SERVFAIL: the server could not find out about {name}")),
            RCODE::Refused => Some("REFUSED: the server does not answer this".to_owned()),
            other => Some(format!("the server answered {other:?}")),
        }
    }

    fn kind(&self) -> TYPE {
        match self.record {
            RecordType::A => TYPE::A,
            RecordType::Aaaa => TYPE::AAAA,
            RecordType::Cname => TYPE::CNAME,
            RecordType::Mx => TYPE::MX,
            RecordType::Txt => TYPE::TXT,
            RecordType::Ns => TYPE::NS,
            RecordType::Srv => TYPE::SRV,
        }
    }

    /// A record of the wanted type as people write it; `None` for others, such as the aliases on the way.
    fn text_of(&self, record: RData<'_>) -> Option<String> {
        if record.type_code() != self.kind() {
            return None;
        }
        match record {
            RData::A(a) => Some(Ipv4Addr::from(a.address).to_string()),
            RData::AAAA(aaaa) => Some(Ipv6Addr::from(aaaa.address).to_string()),
            RData::CNAME(cname) => Some(plain_name(&cname.0)),
            RData::NS(ns) => Some(plain_name(&ns.0)),
            RData::MX(mx) => Some(format!("{} {}", mx.preference, plain_name(&mx.exchange))),
            RData::SRV(srv) => {
                Some(format!("{} {} {} {}", srv.priority, srv.weight, srv.port, plain_name(&srv.target)))
            }
            RData::TXT(txt) => {
                let text = String::try_from(txt);
                Some(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
            }
            _ => None,
        }
    }

    /// A configured record in the form of [`Self::text_of`].
    pub(super) fn in_plain_form(&self, text: &str) -> String {
        match self.record {
            RecordType::Txt => text.to_owned(),
            RecordType::A | RecordType::Aaaa => {
                text.parse::<std::net::IpAddr>().map_or_else(|_| text.to_owned(), |address| address.to_string())
            }
            _ => {
                let words: Vec<&str> = text.split_whitespace().collect();
                words.join(" ").trim_end_matches('.').to_ascii_lowercase()
            }
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.record, self.name)
    }
}

fn plain_name(name: &Name<'_>) -> String {
    name.to_string().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, MX};

    use super::*;

    fn answer(id: u16) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        let name = || Name::new_unchecked("Shop.Example");
        let question = simple_dns::Question::new(name(), QTYPE::TYPE(TYPE::MX), QCLASS::CLASS(CLASS::IN), false);
        packet.questions.push(question);
        let exchange = Name::new_unchecked("MAIL.shop.example");
        for rdata in [RData::MX(MX { preference: 10, exchange }), RData::A(A { address: 0x7f00_0001 })] {
            packet.answers.push(ResourceRecord::new(name(), CLASS::IN, 60, rdata));
        }
        packet.build_bytes_vec_compressed().unwrap()
    }

    #[test]
    fn an_answer_counts_only_under_its_id_and_for_its_question() {
        let question = Question::new("shop.example", RecordType::Mx);
        assert_eq!(question.read(7, &answer(7)), Read::Records(vec!["10 mail.shop.example".to_owned()]));
        assert_eq!(question.read(8, &answer(7)), Read::Foreign);
        assert_eq!(Question::new("shop.example", RecordType::A).read(7, &answer(7)), Read::Foreign);
        assert_eq!(Question::new("other.example", RecordType::Mx).read(7, &answer(7)), Read::Foreign);
        assert_eq!(question.read(7, &question.query(7).unwrap()), Read::Foreign, "a query is no answer");
        assert_eq!(question.in_plain_form(" 10  Mail.Shop.Example. "), "10 mail.shop.example");
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let question = Question::new("shop.example", RecordType::Mx);
        let good = answer(7);
        let mut state = 7_u64;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..100_000 {
            let mut bytes = good.clone();
            for _ in 0..=draw(6) {
                let at = draw(bytes.len());
                bytes[at] = u8::try_from(draw(256)).unwrap();
            }
            bytes.truncate(draw(good.len()) + draw(12));
            let _any = question.read(7, &bytes);
        }
    }
}
