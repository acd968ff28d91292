//! The index of a TensorFlow checkpoint: a table in LevelDB's format, sorted keys with their values.
//!
//! Blocks of entries, each with its kind of compression and a checksum behind it; a block that names
//! the others; a footer of 48 bytes that names that one. Read here rather than by a crate, since those
//! that there are pass over a block that is damaged, and a tensor that is not there for that reason
//! must be an error.

use crate::io::foreign::TABLE_END;

/// Two places of blocks, padded, and the magic bytes.
const FOOTER: usize = 48;
/// What stands behind a block: the kind of its compression, and a checksum of both.
const TRAILER: usize = 5;
/// The longest key that is read. Names of variables have some 60 bytes.
const MAX_KEY: usize = 1024;
/// The most entries. A checkpoint of U-GAT-IT has some 600.
const MAX_ENTRIES: usize = 100_000;

/// A checksum as TensorFlow stores it: so that a checksum of bytes that hold checksums is a good one.
pub(super) fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Calls `each` with every key and value of the table, in their order.
///
/// # Errors
/// Why `bytes` are no table, in words that follow "because"; what `each` returns.
pub(super) fn entries(
    bytes: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let Some((blocks, footer)) = bytes.split_last_chunk::<FOOTER>() else {
        return Err("it is too short".into());
    };
    if !footer.ends_with(&TABLE_END) {
        return Err("it does not end as one does: it is cut off or of another kind".into());
    }
    let mut places = &footer[..];
    let (_meta, index) = (place(&mut places)?, place(&mut places)?);
    let mut index = Entries::new(block(blocks, index)?)?;
    let (mut count, mut last) = (0, None::<Vec<u8>>);
    while let Some(at) = index.next()? {
        let mut at = at;
        let mut inner = Entries::new(block(blocks, place(&mut at)?)?)?;
        while let Some(value) = inner.next()? {
            // So no block can be named twice either, to make a small file a long work.
            if last.as_ref().is_some_and(|last| *last >= inner.key) {
                return Err("its keys are not in order".into());
            }
            count += 1;
            if count > MAX_ENTRIES {
                return Err(format!("it has more than {MAX_ENTRIES} entries"));
            }
            each(&inner.key, value)?;
            last = Some(inner.key.clone());
        }
    }
    Ok(())
}

/// Where a block lies: its first byte and its length, without what stands behind it.
fn place(bytes: &mut &[u8]) -> Result<[u64; 2], String> {
    Ok([varint(bytes)?, varint(bytes)?])
}

/// The entries of a block.
fn block(bytes: &[u8], [start, length]: [u64; 2]) -> Result<&[u8], String> {
    let outside = || format!("a block of {length} bytes at {start} lies outside of it");
    let start = usize::try_from(start).map_err(|_| outside())?;
    let length = usize::try_from(length).map_err(|_| outside())?;
    let whole = bytes.get(start..).and_then(|rest| rest.get(..length.checked_add(TRAILER)?));
    let (checked, sum) = whole.and_then(|whole| whole.split_last_chunk::<4>()).ok_or_else(outside)?;
    if masked(crc32c::crc32c(checked)) != u32::from_le_bytes(*sum) {
        return Err(format!("the block at {start} has another checksum than is noted"));
    }
    match checked[length] {
        0 => Ok(&checked[..length]),
        1 => Err("its blocks are compressed with Snappy, which is not read".into()),
        kind => Err(format!("its blocks are compressed in an unknown way ({kind})")),
    }
}

/// The entries of a block, one after the other.
struct Entries<'a> {
    rest: &'a [u8],
    /// Of the entry last read: the next one's may begin with a part of it.
    key: Vec<u8>,
}

impl<'a> Entries<'a> {
    /// Behind the entries stand the places of those with a whole key, and how many there are.
    fn new(block: &'a [u8]) -> Result<Self, String> {
        let restarts = || "a block's end makes no sense".to_owned();
        let (rest, count) = block.split_last_chunk::<4>().ok_or_else(restarts)?;
        let bytes = u64::from(u32::from_le_bytes(*count)) * 4;
        let end = (rest.len() as u64).checked_sub(bytes).ok_or_else(restarts)?;
        Ok(Self { rest: &rest[..end as usize], key: vec![] })
    }

    /// The value of the next entry, if there is one.
    fn next(&mut self) -> Result<Option<&'a [u8]>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let broken = || "an entry makes no sense".to_owned();
        let [shared, own, value] =
            [varint(&mut self.rest)?, varint(&mut self.rest)?, varint(&mut self.rest)?];
        let size = |n: u64| usize::try_from(n).map_err(|_| broken());
        let (shared, own, value) = (size(shared)?, size(own)?, size(value)?);
        if shared > self.key.len() || shared.saturating_add(own) > MAX_KEY {
            return Err(broken());
        }
        let (key, rest) = self.rest.split_at_checked(own).ok_or_else(broken)?;
        let (value, rest) = rest.split_at_checked(value).ok_or_else(broken)?;
        self.key.truncate(shared);
        self.key.extend_from_slice(key);
        self.rest = rest;
        Ok(Some(value))
    }
}

/// A number of seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("a number in it does not end".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_seven_bits_a_byte() {
        let mut bytes: &[u8] = &[0x7f, 0xac, 0x02, 0x80];
        assert_eq!([varint(&mut bytes), varint(&mut bytes)], [Ok(127), Ok(300)]);
        assert!(varint(&mut bytes).is_err());
        assert!(varint(&mut &[0xff; 11][..]).is_err());
        assert_eq!(varint(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..]), Ok(u64::MAX));
    }

    /// RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 8a9136aa.
    #[test]
    fn checksums_are_masked() {
        assert_eq!(masked(crc32c::crc32c(&[0; 32])), 0x0fd7_fffa);
    }
}
