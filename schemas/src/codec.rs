//! MessagePack in and out, in one place and with one rule: maps with field names, nothing after the value.

use serde::{Deserialize, Serialize};

/// The bytes are not the MessagePack value that was expected.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not MessagePack, cut short, or not of the expected shape; the text says which.
    #[error("not a valid MessagePack value here: {0}")]
    Shape(#[from] rmp_serde::decode::Error),
    /// A whole value, and then more bytes.
    #[error("more bytes follow the value")]
    Trailing,
}

/// How deep values may nest; ours are some eight levels deep. rmp-serde's own limit of 1,024 overflowed a small stack.
const DEPTH_MAX: usize = 64;

/// Encodes `value` as MessagePack maps with field names.
///
/// # Panics
/// Never for this crate's types: they have no maps with odd keys and writing to memory does not fail.
#[expect(clippy::expect_used, reason = "the types that reach this are ours and always encode")]
pub fn to_msgpack<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("our types always encode")
}

/// Decodes one value, which may borrow texts and bytes from the input, and insists that nothing follows it.
pub(crate) fn from_msgpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(DEPTH_MAX);
    let value = T::deserialize(&mut deserializer)?;
    // Nothing but the end of the input fails for want of a marker: a unit has no elements that could be missing one.
    match <()>::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_end_of_input)) => Ok(value),
        _ => Err(DecodeError::Trailing),
    }
}
