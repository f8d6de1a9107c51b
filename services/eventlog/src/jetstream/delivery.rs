//! What a delivered message's reply subject says of it.

/// `$JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>…`, and the
/// form without the first two from servers before 2.4 (NATS ADR-15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    /// The message's number in the stream.
    pub(super) stream_seq: u64,
    /// The message's number in this consumer: a hole means that a message did not arrive.
    pub(super) consumer_seq: u64,
    /// When the stream took the message, in nanoseconds since the epoch.
    pub(super) received_ns: u64,
    /// How many messages the stream had after this one.
    pub(super) pending: u64,
}

impl Delivery {
    /// What every delivered message's reply subject starts with, and nothing else that reaches a consumer's inbox.
    pub(super) const PREFIX: &str = "$JS.ACK.";

    pub(super) fn parse(reply: &str) -> Option<Self> {
        const SHORT_FORM: usize = 7;
        let tokens = reply.strip_prefix(Self::PREFIX)?;
        let count = tokens.split('.').count();
        let before = match count {
            SHORT_FORM => 3,
            9.. => 5,
            _ => return None,
        };
        let mut numbers = tokens.split('.').skip(before).map(|token| token.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self { stream_seq: next()?, consumer_seq: next()?, received_ns: next()?, pending: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Delivery =
        Delivery { stream_seq: 3, consumer_seq: 4, received_ns: 1_790_000_000_123_456_789, pending: 6 };

    #[test]
    fn reads_each_form() {
        for reply in [
            "$JS.ACK.EVENTS.c.1.3.4.1790000000123456789.6",
            "$JS.ACK._.acc.EVENTS.c.1.3.4.1790000000123456789.6",
            "$JS.ACK._.acc.EVENTS.c.1.3.4.1790000000123456789.6.token",
            "$JS.ACK.hub.acc.EVENTS.c.1.3.4.1790000000123456789.6.token.later",
        ] {
            assert_eq!(Delivery::parse(reply), Some(EXPECTED), "{reply}");
        }
    }

    #[test]
    fn anything_else_is_no_delivery() {
        for reply in [
            "",
            "_INBOX.x",
            "$JS.ACK.",
            "$JS.ACK.EVENTS.c.1.3.4.5",
            "$JS.ACK.EVENTS.c.1.3.4.-5.6",
            "$JS.ACK.EVENTS.c.1.x.4.5.6",
            "$JS.ACK.a.b.c.d.e.f.g.h",
        ] {
            assert_eq!(Delivery::parse(reply), None, "{reply}");
        }
    }
}
