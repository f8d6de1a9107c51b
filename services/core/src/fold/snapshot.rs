//! A state as bytes, whole: what evidence starts from, and what a replay of one day needs of all days before it.
//!
//! One state has one spelling: a first line that names the format, then records in the order of series and ledgers, each
//! its kind, its key and its length before it; pages come before the series that they are of. The last record holds the
//! digests, so that a snapshot says itself whether it is whole.

use spark_schemas::TimeNs;

use super::State;
use crate::bucket::{BucketStore, MemoryBuckets, SeriesId};
use crate::json;
use crate::ledger::Book;
use crate::merkle::Hash;
use crate::page::Page;
use crate::series::Series;
use crate::varint;
use crate::window::Tier;

/// The first line.
const FORMAT: &[u8] = b"spark-state/1\n";

const HEAD: u64 = 0;
const PAGE: u64 = 1;
const SERIES: u64 = 2;
const LEDGER: u64 = 3;
const END: u64 = 4;

/// What identifies a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Over everything that a log position determines ([`State::digest`]).
    pub state: Hash,
    /// Over the ledgers of objectives; `None` when there was never one.
    pub ledgers: Option<Hash>,
}

/// Why bytes are not a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The first line is another.
    #[error("it does not begin as a state does (spark-state/1)")]
    Format,
    /// It ends within a record, or goes on after the last.
    #[error("it is cut short, or goes on after its end")]
    Length,
    /// A record can't be read.
    #[error("{0} can't be read")]
    Record(String),
    /// It is that state, in another spelling.
    #[error("it is not spelled as a state is")]
    Spelling,
    /// It was changed, or written by a build that counts otherwise.
    #[error("its content does not have the digest that it names")]
    Digest,
}

impl State {
    /// What identifies it.
    pub fn digests(&mut self) -> Digests {
        Digests { state: self.digest(), ledgers: self.ledgers_digest() }
    }
}

/// The state as bytes, with what its buckets' store holds.
pub fn encode(state: &mut State, store: &dyn BucketStore) -> Vec<u8> {
    let digests = state.digests();
    let mut bytes = FORMAT.to_vec();
    record(&mut bytes, &[HEAD], &json::bytes(&state.head));
    for series in &state.series {
        write_pages(&mut bytes, series.id, series.kept_from(), store);
        record(&mut bytes, &[SERIES, u64::from(series.id.0)], &series.record());
    }
    if digests.ledgers.is_some() {
        for (id, kept_from) in state.book.kept() {
            write_pages(&mut bytes, id, kept_from, store);
        }
        for (id, kept) in state.book.records() {
            record(&mut bytes, &[LEDGER, u64::from(id.0)], &kept);
        }
    }
    let ledgers = digests.ledgers.as_ref().map_or(&[][..], |digest| digest);
    record(&mut bytes, &[END], &[&digests.state[..], ledgers].concat());
    bytes
}

fn write_pages(bytes: &mut Vec<u8>, id: SeriesId, kept_from: [TimeNs; Tier::ALL.len()], store: &dyn BucketStore) {
    for tier in Tier::ALL {
        for (start, page) in store.range(id, tier, kept_from[tier.index()]..TimeNs(u64::MAX)) {
            record(bytes, &[PAGE, u64::from(id.0), tier.index() as u64, start.0], page.as_bytes());
        }
    }
}

fn record(bytes: &mut Vec<u8>, key: &[u64], value: &[u8]) {
    key.iter().for_each(|part| varint::write(bytes, *part));
    varint::write(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

/// The state that [`encode`] wrote, held against its digests.
pub fn decode(bytes: &[u8]) -> Result<(State, MemoryBuckets), SnapshotError> {
    let mut rest = bytes.strip_prefix(FORMAT).ok_or(SnapshotError::Format)?;
    let (mut head, mut series, mut buckets) = (None, Vec::new(), MemoryBuckets::default());
    let mut ledgers = Vec::new();
    loop {
        match number(&mut rest)? {
            HEAD => {
                let read = serde_json::from_slice(value(&mut rest)?);
                head = Some(read.map_err(|error| SnapshotError::Record(format!("the head ({error})")))?);
            }
            PAGE => {
                let (of, tier, start) = (id(&mut rest)?, number(&mut rest)?, TimeNs(number(&mut rest)?));
                let page = value(&mut rest)?;
                let tier = usize::try_from(tier).ok().and_then(|tier| Tier::ALL.get(tier)).copied();
                let page = tier.and_then(|tier| Some((tier, Page::from_bytes(tier, page)?)));
                // A series' number says how much room is made for it: it may not be ahead of the series read so far.
                let is_next = of.is_ledger() || of.0 as usize == series.len();
                let (tier, page) = page.filter(|_| is_next).ok_or_else(|| unreadable("a page of", of))?;
                buckets.put(of, tier, start, page);
            }
            SERIES => {
                let of = id(&mut rest)?;
                let loaded = Series::load(of, value(&mut rest)?, &buckets);
                let in_place = loaded.filter(|_| of.0 as usize == series.len());
                series.push(in_place.ok_or_else(|| unreadable("series", of))?);
            }
            LEDGER => ledgers.push((id(&mut rest)?, value(&mut rest)?)),
            END => break,
            other => return Err(SnapshotError::Record(format!("a record of kind {other}"))),
        }
    }
    let digests = value(&mut rest)?;
    if !rest.is_empty() {
        return Err(SnapshotError::Length);
    }
    let head = head.ok_or_else(|| SnapshotError::Record("the head, which is missing,".to_owned()))?;
    let mut state = State::load(head, series);
    if !ledgers.is_empty() {
        let of = |id| ledgers.iter().find(|(known, _)| *known == id).map(|(_, record)| record.to_vec());
        state.book = Book::load(of, &buckets).ok_or_else(|| SnapshotError::Record("a ledger".to_owned()))?;
    }
    let Digests { state: of_state, ledgers } = state.digests();
    let of_ledgers = ledgers.as_ref().map_or(&[][..], |digest| digest);
    if digests != [&of_state[..], of_ledgers].concat() {
        return Err(SnapshotError::Digest);
    }
    // Numbers and JSON may be spelled in other ways, and pages may be there that nobody asks for.
    match encode(&mut state, &buckets) == bytes {
        true => Ok((state, buckets)),
        false => Err(SnapshotError::Spelling),
    }
}

fn unreadable(what: &str, id: SeriesId) -> SnapshotError {
    SnapshotError::Record(format!("{what} {}", id.0))
}

fn number(rest: &mut &[u8]) -> Result<u64, SnapshotError> {
    varint::read(rest).ok_or(SnapshotError::Length)
}

fn id(rest: &mut &[u8]) -> Result<SeriesId, SnapshotError> {
    let number = number(rest)?;
    u32::try_from(number).map(SeriesId).map_err(|_too_large| SnapshotError::Record(format!("series {number}")))
}

fn value<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], SnapshotError> {
    let length = usize::try_from(number(rest)?).map_err(|_too_large| SnapshotError::Length)?;
    let (value, after) = rest.split_at_checked(length).ok_or(SnapshotError::Length)?;
    *rest = after;
    Ok(value)
}
