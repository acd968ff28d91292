//! Picture files whose container promises more than there is, although the picture itself is whole.
//!
//! Viewers take such files, and the decoders do not. A file is mended only after it was refused, and is refused
//! by its first error where that does not help.

use image::ImageFormat;

/// The file again with a container that says what is there. `None` where nothing of it can be mended.
pub(super) fn repaired(format: ImageFormat, bytes: &[u8]) -> Option<Vec<u8>> {
    match format {
        ImageFormat::Png => png(bytes),
        ImageFormat::WebP => webp(bytes),
        ImageFormat::Gif => gif(bytes),
        _ => None,
    }
}

const PNG_SIGNATURE: usize = 8;

/// A PNG with right lengths and checksums, and with its end.
fn png(bytes: &[u8]) -> Option<Vec<u8>> {
    let (signature, mut rest) = bytes.split_at_checked(PNG_SIGNATURE)?;
    let mut out = signature.to_vec();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some((kind, data)) = after.split_first_chunk::<4>() else { break };
        if kind == b"IEND" || !kind.iter().all(u8::is_ascii_alphabetic) {
            break;
        }
        // A chunk that promises more than there is takes all that is there. Decoders stop where the compressed
        // data say that they end.
        let length = (u32::from_be_bytes(*length) as usize).min(data.len());
        let (data, after) = data.split_at(length);
        png_chunk(&mut out, kind, data);
        rest = after.get(4..).unwrap_or_default();
    }
    png_chunk(&mut out, b"IEND", &[]);
    Some(out)
}

fn png_chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(kind);
    checksum.update(data);
    out.extend((data.len() as u32).to_be_bytes());
    out.extend(kind);
    out.extend(data);
    out.extend(checksum.finalize().to_be_bytes());
}

/// Whether a chunk beside the picture promises more bytes than the whole file has: the decoder would make room for
/// them before it looks.
pub(super) fn promises_too_much(format: ImageFormat, bytes: &[u8]) -> bool {
    format == ImageFormat::WebP && webp_chunks(bytes).any(|chunk| chunk.is_cut && chunk.flag() != 0)
}

/// A chunk of a WebP.
struct WebpChunk {
    kind: [u8; 4],
    at: usize,
    /// Whether the file ends before it does.
    is_cut: bool,
}

impl WebpChunk {
    /// The flag by which the extended header announces it; 0 where there is none.
    fn flag(&self) -> u8 {
        match &self.kind {
            b"ICCP" => 0x20,
            b"EXIF" => 0x08,
            b"XMP " => 0x04,
            _ => 0,
        }
    }
}

/// The flags of [`WebpChunk::flag`].
const WEBP_FLAGS: u8 = 0x20 | 0x08 | 0x04;

fn webp_chunks(bytes: &[u8]) -> impl Iterator<Item = WebpChunk> {
    let mut at = 12;
    std::iter::from_fn(move || {
        let (kind, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let chunk = WebpChunk { kind: *kind, at, is_cut: length > rest.len() };
        at = at.checked_add(8)?.checked_add(length)?.checked_next_multiple_of(2)?;
        Some(chunk)
    })
}

/// A WebP whose header announces just the chunks that are there.
fn webp(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut missing = WEBP_FLAGS;
    let mut end = bytes.len();
    for chunk in webp_chunks(bytes) {
        if chunk.flag() != 0 && chunk.is_cut {
            end = chunk.at;
            break;
        }
        missing &= !chunk.flag();
    }
    let mut out = bytes.get(..end)?.to_vec();
    let size = u32::try_from(end.checked_sub(8)?).ok()?;
    out.get_mut(4..8)?.copy_from_slice(&size.to_le_bytes());
    if bytes.get(12..16)? == b"VP8X" {
        *out.get_mut(20)? &= !missing;
    }
    Some(out)
}

/// A GIF whose screen has a size: that of its first picture where it said none.
fn gif(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, after) = bytes.split_at_checked(13)?;
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut rest = after.get(table(header[10])..)?;
    // Extensions come before the picture.
    while let [0x21, _, blocks @ ..] = rest {
        rest = blocks;
        while let (&[length], after) = rest.split_at_checked(1).filter(|(head, _)| head.len() == 1)? {
            rest = after.get(usize::from(length)..)?;
            if length == 0 {
                break;
            }
        }
    }
    let [0x2c, left_l, left_h, top_l, top_h, width_l, width_h, height_l, height_h, ..] = *rest else {
        return None;
    };
    let edge =
        |offset: [u8; 2], side: [u8; 2]| u16::from_le_bytes(offset).checked_add(u16::from_le_bytes(side));
    let mut out = bytes.to_vec();
    for (at, edge) in
        [(6, edge([left_l, left_h], [width_l, width_h])?), (8, edge([top_l, top_h], [height_l, height_h])?)]
    {
        let side = out.get_mut(at..at + 2)?;
        if side.iter().all(|&byte| byte == 0) {
            side.copy_from_slice(&edge.to_le_bytes());
        }
    }
    Some(out)
}
