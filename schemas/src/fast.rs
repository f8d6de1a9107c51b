//! A short way to read the frames that nearly all of a log is made of: observations, as this crate writes them.
//!
//! It knows one spelling: fields in the order of the types, numbers without a sign. For anything else it says `None`, and
//! the codec reads the frame the long way, errors and all; what it does read, the codec reads the same. It is there
//! because a replay spends half of its time in serde, which validates and compares every field's name.

use compact_str::CompactString;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NotSo, StrDeserializer};

use crate::event::{FailReason, Observed, Outcome, Phases};
use crate::{Boot, Clock, Event, Frame, Name, TimeNs};

/// A frame of observations only; `None` for everything that the codec must read.
pub(crate) fn frame(bytes: &[u8]) -> Option<Frame> {
    let mut reader = Reader(bytes);
    let mut fields = reader.map()?;
    let v = reader.required(&mut fields, "v", Reader::uint)?;
    let agent = reader.required(&mut fields, "agent", Reader::name)?;
    let boot = reader.required(&mut fields, "boot", Reader::boot)?;
    let seq = reader.required(&mut fields, "seq", Reader::uint)?;
    let clock = reader.optional(&mut fields, "clock", Reader::clock)?.unwrap_or_default();
    let events = reader.required(&mut fields, "events", Reader::events)?;
    (fields == 0 && reader.0.is_empty()).then_some(Frame { v, agent, boot, seq, clock, events })
}

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn big_endian(&mut self, length: usize) -> Option<u64> {
        Some(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A map; says how many fields it has.
    fn map(&mut self) -> Option<u64> {
        match self.byte()? {
            marker @ 0x80..=0x8f => Some(u64::from(marker & 0x0f)),
            0xde => self.big_endian(2),
            _ => None,
        }
    }

    fn uint(&mut self) -> Option<u64> {
        match self.byte()? {
            small @ 0x00..=0x7f => Some(u64::from(small)),
            0xcc => self.big_endian(1),
            0xcd => self.big_endian(2),
            0xce => self.big_endian(4),
            0xcf => self.big_endian(8),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = match self.byte()? {
            marker @ 0xa0..=0xbf => u64::from(marker & 0x1f),
            0xd9 => self.big_endian(1)?,
            0xda => self.big_endian(2)?,
            _ => return None,
        };
        std::str::from_utf8(self.take(length as usize)?).ok()
    }

    /// The value of `field`, if it comes next.
    fn optional<T>(
        &mut self,
        fields_left: &mut u64,
        field: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        // Every name here is short enough for the one-byte marker.
        let (marker, name) = (0xa0 | field.len() as u8, field.as_bytes());
        let is_next = self.0.first() == Some(&marker) && self.0.get(1..=name.len()) == Some(name);
        if !is_next || *fields_left == 0 {
            return Some(None);
        }
        self.take(1 + name.len())?;
        *fields_left -= 1;
        read(self).map(Some)
    }

    fn required<T>(
        &mut self,
        fields_left: &mut u64,
        field: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.optional(fields_left, field, read)?
    }

    fn name(&mut self) -> Option<Name> {
        Name::new(self.text()?).ok()
    }

    fn time(&mut self) -> Option<TimeNs> {
        self.uint().map(TimeNs)
    }

    fn boot(&mut self) -> Option<Boot> {
        match self.take(2)? {
            [0xc4, 16] => self.take(16)?.try_into().ok().map(Boot),
            _ => None,
        }
    }

    fn clock(&mut self) -> Option<Clock> {
        let mut fields = self.map()?;
        let source = CompactString::new(self.required(&mut fields, "source", Self::text)?);
        let offset_us = self.optional(&mut fields, "offset_us", |reader| i64::try_from(reader.uint()?).ok())?;
        (fields == 0).then_some(Clock { source, offset_us })
    }

    fn events(&mut self) -> Option<Vec<Event>> {
        let count = match self.byte()? {
            marker @ 0x90..=0x9f => u64::from(marker & 0x0f),
            0xdc => self.big_endian(2)?,
            _ => return None,
        };
        // An observation takes some dozens of bytes; a count that does not fit is not believed.
        let mut events = Vec::with_capacity((count as usize).min(self.0.len() / 32));
        for _ in 0..count {
            let mut kinds = self.map()?;
            let observed = self.required(&mut kinds, "observed", Self::observed)?;
            if kinds > 0 {
                return None;
            }
            events.push(Event::Observed(observed));
        }
        Some(events)
    }

    fn observed(&mut self) -> Option<Observed> {
        let mut fields = self.map()?;
        let observed = Observed {
            target: self.required(&mut fields, "target", Self::name)?,
            slot_ns: self.required(&mut fields, "slot_ns", Self::time)?,
            started_ns: self.required(&mut fields, "started_ns", Self::time)?,
            latency_us: self.required(&mut fields, "latency_us", Self::uint)?,
            outcome: self.required(&mut fields, "outcome", Self::outcome)?,
            reason: self.optional(&mut fields, "reason", Self::reason)?,
            detail: self.optional(&mut fields, "detail", |reader| reader.text().map(CompactString::new))?,
            status: self.optional(&mut fields, "status", |reader| u16::try_from(reader.uint()?).ok())?,
            phases: self.optional(&mut fields, "phases", Self::phases)?.unwrap_or_default(),
            certificate_expires_ns: self.optional(&mut fields, "certificate_expires_ns", Self::time)?,
        };
        (fields == 0).then_some(observed)
    }

    fn outcome(&mut self) -> Option<Outcome> {
        match self.text()? {
            "ok" => Some(Outcome::Ok),
            "fail" => Some(Outcome::Fail),
            _ => None,
        }
    }

    fn reason(&mut self) -> Option<FailReason> {
        let name: StrDeserializer<'_, NotSo> = self.text()?.into_deserializer();
        FailReason::deserialize(name).ok()
    }

    fn phases(&mut self) -> Option<Phases> {
        let mut fields = self.map()?;
        let phases = Phases {
            dns_us: self.optional(&mut fields, "dns_us", Self::uint)?,
            connect_us: self.optional(&mut fields, "connect_us", Self::uint)?,
            tls_us: self.optional(&mut fields, "tls_us", Self::uint)?,
            first_byte_us: self.optional(&mut fields, "first_byte_us", Self::uint)?,
        };
        (fields == 0).then_some(phases)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec;

    fn phases() -> impl Strategy<Value = Phases> {
        let us = || prop::option::of(any::<u64>());
        (us(), us(), us(), us()).prop_map(|(dns_us, connect_us, tls_us, first_byte_us)| Phases {
            dns_us,
            connect_us,
            tls_us,
            first_byte_us,
        })
    }

    fn observed() -> impl Strategy<Value = Observed> {
        use FailReason::{Certificate, Dns, Other, Timeout};
        let reason = prop::option::of(prop::sample::select(vec![Timeout, Dns, Certificate, Other]));
        let detail = prop::option::of(".{0,60}");
        let rare = (prop::option::of(any::<u16>()), phases(), prop::option::of(any::<u64>()));
        let parts = ("[a-z0-9_-]{1,64}", any::<[u64; 3]>(), any::<bool>(), reason, detail, rare);
        parts.prop_map(|(target, numbers, is_ok, reason, detail, (status, phases, expires))| Observed {
            target: Name::new(&target).unwrap(),
            slot_ns: TimeNs(numbers[0]),
            started_ns: TimeNs(numbers[1] >> 40),
            latency_us: numbers[2] >> 50,
            outcome: if is_ok { Outcome::Ok } else { Outcome::Fail },
            reason,
            detail: detail.map(CompactString::from),
            status,
            phases,
            certificate_expires_ns: expires.map(TimeNs),
        })
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let clock = ("[a-z]{0,9}", prop::option::of(any::<i64>()));
        let clock = clock.prop_map(|(source, offset_us)| Clock { source: source.into(), offset_us });
        (any::<[u8; 16]>(), any::<u64>(), clock, prop::collection::vec(observed(), 0..40)).prop_map(
            |(boot, seq, clock, observed)| Frame {
                v: 1,
                agent: Name::new("ankara").unwrap(),
                boot: Boot(boot),
                seq,
                clock,
                events: observed.into_iter().map(Event::Observed).collect(),
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_this_crate_writes_is_read(frame in frames()) {
            let bytes = codec::to_msgpack(&frame);
            // Only an offset with a sign is left to the codec.
            let has_sign = frame.clock.offset_us.is_some_and(i64::is_negative);
            prop_assert_eq!(super::frame(&bytes), (!has_sign).then_some(frame));
        }

        #[test]
        fn whatever_is_read_the_codec_reads_the_same(
            frame in frames(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = codec::to_msgpack(&frame);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                if let Some(read) = super::frame(bytes) {
                    prop_assert_eq!(codec::from_msgpack::<Frame>(bytes).ok(), Some(read));
                }
            }
        }

        #[test]
        fn any_bytes_are_no_frame_or_the_codecs(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(read) = super::frame(&bytes) {
                prop_assert_eq!(codec::from_msgpack::<Frame>(&bytes).ok(), Some(read));
            }
        }
    }

    #[test]
    fn every_byte_of_a_frame_may_be_any_other() {
        let text = "status 503, expected 200-299";
        let observed = Observed {
            target: Name::new("checkout").unwrap(),
            slot_ns: TimeNs(1_700_000_000_000_000_000),
            started_ns: TimeNs(1_700_000_000_000_001_000),
            latency_us: 1_234,
            outcome: Outcome::Fail,
            reason: Some(FailReason::Status),
            detail: Some(text.into()),
            status: Some(503),
            phases: Phases { dns_us: Some(12), first_byte_us: Some(900), ..Phases::default() },
            certificate_expires_ns: Some(TimeNs(1_800_000_000_000_000_000)),
        };
        let (agent, boot, clock) = (Name::new("ankara").unwrap(), Boot([7; 16]), Clock::default());
        let mut frame = Frame { v: 1, agent, boot, seq: 5, clock, events: vec![Event::Observed(observed)] };
        let bytes = codec::to_msgpack(&frame);
        assert!(super::frame(&bytes).is_some());
        for at in 0..bytes.len() {
            for byte in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = byte;
                if let Some(read) = super::frame(&changed) {
                    assert_eq!(codec::from_msgpack::<Frame>(&changed).ok(), Some(read), "byte {at} is {byte:#x}");
                }
            }
        }
        frame.events.push(Event::Unknown { kind: "note2".into() });
        assert_eq!(super::frame(&codec::to_msgpack(&frame)), None, "another kind is left to the codec");
    }
}
