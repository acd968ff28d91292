//! The markers of a JPEG file: what its frame is like, and whether all of its lines are there.
//!
//! The decoder fills what is missing with grey and says nothing. Cameras and messengers, on the other hand,
//! leave out the end marker, or put something behind the picture, and every viewer shows such files.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Start of image, end of image, start of scan.
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
/// Start of a progressive frame.
const SOF2: u8 = 0xc2;
/// What is put behind compressed data to see whether it changes the picture, and how many bytes of it: a block
/// takes less. Bits of zero are a valid code in every table.
const FILLERS: [u8; 3] = [0x00, 0x55, 0xaa];
const FILLER: usize = 512;

/// A marker with its segment.
struct Segment<'a> {
    code: u8,
    /// Where its marker begins.
    at: usize,
    /// What follows the segment's length; `None` where the file ends before it does.
    contents: Option<&'a [u8]>,
}

impl Segment<'_> {
    /// Whether it begins a frame: SOF0 to SOF15, without the tables that have numbers among them.
    fn is_frame(&self) -> bool {
        matches!(self.code, 0xc0..=0xcf) && !matches!(self.code, 0xc4 | 0xc8 | 0xcc)
    }
}

/// The segments of a JPEG up to its end marker, which is the last one given. Whatever lies between segments
/// is passed over: compressed data, fill bytes, and bytes that do not belong there.
fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut next = Some(2);
    std::iter::from_fn(move || {
        let mut at = next?;
        loop {
            at += bytes.get(at..)?.iter().position(|&b| b == 0xff)?;
            match *bytes.get(at + 1)? {
                // A fill byte: the next one may begin a marker.
                0xff => at += 1,
                // Stuffing in compressed data; markers without a segment.
                0x00 | 0x01 | 0xd0..=SOI => at += 2,
                code => {
                    let length =
                        bytes.get(at + 2..at + 4).map(|b| usize::from(b[0]) << 8 | usize::from(b[1]));
                    let end = length.map(|length| at + 2 + length.max(2));
                    let contents = end.and_then(|end| bytes.get(at + 4..end));
                    next = if code == EOI { None } else { end };
                    return Some(Segment { code, at, contents });
                }
            }
        }
    })
}

/// The channels that the frame header names.
pub(super) fn channels(bytes: &[u8]) -> Option<u8> {
    segments(bytes).find(Segment::is_frame)?.contents?.get(5).copied()
}

/// The channels whose every line, if coarse, is in a scan: those of a scan that does not refine another.
fn channels_begun(scan: &[u8]) -> Option<impl Iterator<Item = u8> + '_> {
    let (&count, rest) = scan.split_first()?;
    let (channels, bands) = rest.split_at_checked(2 * usize::from(count))?;
    let &[first_band, _, successive] = bands.first_chunk()?;
    let begins = first_band == 0 && successive >> 4 == 0;
    begins.then(|| channels.iter().step_by(2).copied())
}

/// The bytes to decode: `bytes`, or where the end marker is missing as much of them as is whole, with one put
/// behind. `None` where lines are missing.
///
/// `fingerprint` decodes, and makes one number of all pixels but those of the last block.
pub(super) fn complete(bytes: &[u8], fingerprint: impl Fn(&[u8]) -> Option<u64>) -> Option<Cow<'_, [u8]>> {
    let mut end = bytes.len();
    let mut progressive = false;
    let mut there = BTreeSet::new();
    let mut scan: Option<Segment<'_>> = None;
    for segment in segments(bytes) {
        if segment.code == EOI {
            return Some(Cow::Borrowed(bytes));
        }
        // A scan that another marker follows has all of its lines.
        there.extend(scan.take().and_then(|scan| channels_begun(scan.contents?)).into_iter().flatten());
        if segment.contents.is_none() {
            // Half a segment is left out, so that nothing put behind completes it.
            end = segment.at;
            break;
        }
        progressive |= segment.code == SOF2;
        scan = (segment.code == SOS).then_some(segment);
    }
    let ended = |end: usize, filler: &[u8]| {
        let kept = &bytes[..end];
        [kept.strip_suffix(&[0xff]).unwrap_or(kept), filler, &[0xff, EOI]].concat()
    };
    // Bits behind the last line change nothing. Where lines are missing, they become lines.
    let whole = ended(end, &[]);
    let expected = fingerprint(&whole);
    let same = |filler: u8| fingerprint(&ended(end, &[filler; FILLER])) == expected;
    if expected.is_some() && FILLERS.into_iter().all(same) {
        return Some(Cow::Owned(whole));
    }
    // The scans before the last one of a progressive picture have all lines, if coarser.
    let coarse = progressive && channels(bytes).is_some_and(|count| usize::from(count) == there.len());
    coarse.then(|| Cow::Owned(ended(scan.map_or(end, |scan| scan.at), &[])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_of_a_jpeg_are_in_its_frame_header() {
        // Start, a segment of 4 bytes, a Huffman table that is no frame, a progressive frame.
        let start = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc4\0\x03x\xff\xff\xc2\0\x14\x08\0\x10\0\x10";
        let rest = [0; 12];
        assert_eq!(channels(&[&start[..], &[4], &rest[..]].concat()), Some(4));
        assert_eq!(channels(&[&start[..8], b"stray", &start[8..], &[3], &rest[..]].concat()), Some(3));
        assert_eq!(channels(start), None);
        assert_eq!(channels(b"\xff\xd8 no marker"), None);
    }
}
