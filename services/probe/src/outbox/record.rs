//! One frame's bytes in a segment, made so that damage is noticed and the next whole record found.
//!
//! `"SPKR"`, the body's length (u32), the first 8 bytes of SHA-256 over length and body, then the body: boot (16 bytes),
//! seq (u64), the subject's length (u16), the subject, the payload. Numbers are little-endian.

use sha2::{Digest as _, Sha256};
use spark_eventlog::Outgoing;
use spark_schemas::{Boot, FRAME_BYTES_MAX, MsgId};

const MAGIC: [u8; 4] = *b"SPKR";
const HEAD_BYTES: usize = 4 + 4 + 8;
const BODY_BYTES_MIN: usize = 16 + 8 + 2;
const SUBJECT_BYTES_MAX: usize = 256;
/// The most a record is longer than its payload.
pub(crate) const RECORD_OVERHEAD_MAX: usize = HEAD_BYTES + BODY_BYTES_MIN + SUBJECT_BYTES_MAX;
const BODY_BYTES_MAX: usize = BODY_BYTES_MIN + SUBJECT_BYTES_MAX + FRAME_BYTES_MAX;

/// What is found at a place in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record; the next one begins at `end`.
    Frame { frame: Outgoing, end: usize },
    /// Damage; the next whole record begins at `end`.
    Damage { end: usize },
    /// From here on no whole record.
    Nothing,
}

/// Appends the record of `frame` to `bytes`.
pub(super) fn put(frame: &Outgoing, bytes: &mut Vec<u8>) {
    let subject = frame.subject.to_string();
    let subject_length = u16::try_from(subject.len()).unwrap_or(u16::MAX);
    let body_length = u32::try_from(BODY_BYTES_MIN + subject.len() + frame.payload.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&body_length.to_le_bytes());
    let hash_at = bytes.len();
    bytes.extend_from_slice(&[0; 8]);
    let body_at = bytes.len();
    bytes.extend_from_slice(&frame.msg_id.boot.0);
    bytes.extend_from_slice(&frame.msg_id.seq.to_le_bytes());
    bytes.extend_from_slice(&subject_length.to_le_bytes());
    bytes.extend_from_slice(subject.as_bytes());
    bytes.extend_from_slice(&frame.payload);
    let hash = hash(body_length, &bytes[body_at..]);
    bytes[hash_at..body_at].copy_from_slice(&hash);
}

/// What is at `at`.
pub(super) fn find(bytes: &[u8], at: usize) -> Found {
    if let Some((frame, end)) = parse(bytes, at) {
        return Found::Frame { frame, end };
    }
    let candidates = (at + 1)..bytes.len().saturating_sub(HEAD_BYTES);
    match candidates.into_iter().find(|at| bytes[*at..].starts_with(&MAGIC) && parse(bytes, *at).is_some()) {
        Some(end) => Found::Damage { end },
        None => Found::Nothing,
    }
}

fn parse(bytes: &[u8], at: usize) -> Option<(Outgoing, usize)> {
    let (head, rest) = bytes.get(at..)?.split_at_checked(HEAD_BYTES)?;
    let (magic, head) = head.split_first_chunk::<4>()?;
    let (length, hash_there) = head.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let body_length = usize::try_from(length).ok()?;
    if *magic != MAGIC || !(BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&body_length) {
        return None;
    }
    let body = rest.get(..body_length)?;
    if hash(length, body) != hash_there {
        return None;
    }
    let (boot, body) = body.split_first_chunk::<16>()?;
    let (seq, body) = body.split_first_chunk::<8>()?;
    let (subject_length, body) = body.split_first_chunk::<2>()?;
    let (subject, payload) = body.split_at_checked(usize::from(u16::from_le_bytes(*subject_length)))?;
    let frame = Outgoing {
        subject: std::str::from_utf8(subject).ok()?.parse().ok()?,
        msg_id: MsgId { boot: Boot(*boot), seq: u64::from_le_bytes(*seq) },
        payload: payload.to_vec().into(),
    };
    Some((frame, at + HEAD_BYTES + body_length))
}

fn hash(length: u32, body: &[u8]) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::new().chain_update(length.to_le_bytes()).chain_update(body).finalize().into();
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}
