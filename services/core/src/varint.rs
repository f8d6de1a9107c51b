//! Variable-length integers (LEB128): the small numbers that pages are full of take a byte each.

/// Appends a number.
pub(crate) fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes what [`write`] wrote off the front; `None` when it is cut short or beyond a u64.
pub(crate) fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_reads_back_and_a_cut_one_does_not(number in any::<u64>(), shift in 0..64_u32) {
            let mut bytes = Vec::new();
            write(&mut bytes, number >> shift);
            prop_assert_eq!(read(&mut bytes.as_slice()), Some(number >> shift));
            prop_assert_eq!(read(&mut &bytes[..bytes.len() - 1]), None);
        }

        #[test]
        fn any_bytes_are_a_number_or_none(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let _either = read(&mut bytes.as_slice());
        }
    }
}
