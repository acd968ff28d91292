//! Pictures as cameras, messengers and old programs leave them: what viewers show is read, what lacks lines is
//! refused.
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use image::codecs::gif::GifEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use ugatit::io::{Picture, decode_picture, decode_picture_with_remarks};

const BASELINE: &[u8] = include_bytes!("pictures/baseline.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("pictures/progressive.jpg");
const LOSSY_WEBP: &[u8] = include_bytes!("pictures/lossy.webp");

fn read(bytes: &[u8]) -> ugatit::Result<Picture> {
    decode_picture("p", bytes)
}

/// The picture of `bytes` is that of `good`.
fn same(bytes: &[u8], good: &[u8], what: &str) {
    let picture = read(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(picture == read(good).unwrap(), "{what}: other pixels");
}

fn cut_off(bytes: &[u8], what: &str) {
    match read(bytes) {
        Err(ugatit::Error::Picture { problem, .. }) => {
            assert!(problem.contains("damaged or cut off"), "{what}: {problem}");
        }
        other => panic!("{what}: {:?}", other.map(|p| (p.width, p.height))),
    }
}

/// Where a marker of a JPEG stands, the n-th of its kind.
fn marker(jpeg: &[u8], code: u8, nth: usize) -> usize {
    jpeg.windows(2).enumerate().filter(|(_, pair)| *pair == [0xff, code]).nth(nth).unwrap().0
}

#[test]
fn a_jpeg_is_read_while_all_its_lines_are_there() {
    // Zeros that end no segment, as a panorama's trailer has them.
    let trailer: Vec<u8> = (0..250).cycle().take(5000).collect();
    for (name, jpeg) in [("baseline", BASELINE), ("progressive", PROGRESSIVE)] {
        let bare = &jpeg[..jpeg.len() - 2];
        same(bare, jpeg, name);
        same(&jpeg[..jpeg.len() - 1], jpeg, name);
        same(&[bare, &trailer].concat(), jpeg, name);
        same(&[jpeg, &trailer].concat(), jpeg, name);
        same(&[jpeg, b"\xff\xd8\xff\xe0\0\x10 another"].concat(), jpeg, name);
        let table = marker(jpeg, 0xdb, 0);
        same(&[&jpeg[..table], b"\0\0", &jpeg[table..]].concat(), jpeg, name);
        // A little more than the last block.
        cut_off(&jpeg[..marker(jpeg, 0xda, 0) + 40], name);
        cut_off(&jpeg[..300], name);
    }
    for cut in [60, 200, BASELINE.len() / 2] {
        cut_off(&BASELINE[..BASELINE.len() - cut], "baseline");
        cut_off(&[&BASELINE[..BASELINE.len() - cut], &[0xff]].concat(), "baseline");
    }
}

#[test]
fn a_progressive_jpeg_without_its_last_scans_is_coarser() {
    let whole = read(PROGRESSIVE).unwrap();
    let scans = PROGRESSIVE.windows(2).filter(|pair| *pair == [0xff, 0xda]).count();
    for nth in 1..scans {
        for more in [0, 1, 5, 15] {
            let cut = read(&PROGRESSIVE[..marker(PROGRESSIVE, 0xda, nth) + more]).unwrap();
            assert_eq!((cut.width, cut.height), (96, 80));
            let differences = cut.pixels.iter().zip(&whole.pixels).map(|(a, b)| u64::from(a.abs_diff(*b)));
            let mean = differences.sum::<u64>() / cut.pixels.len() as u64;
            // As Pillow has it: 21 with the first scan alone.
            assert!(mean <= 21, "{nth}: {mean}");
        }
    }
}

#[test]
fn sixteen_bits_that_hold_fewer_are_remarked() {
    let remarks = |kind: ExtendedColorType, channels: usize, highest: u16, alpha: bool| {
        let value = |i: usize| match i % channels {
            channel if alpha && channel == channels - 1 => u16::MAX,
            _ => highest - (i % 5) as u16,
        };
        let values: Vec<u8> = (0..8 * 8 * channels).flat_map(|i| value(i).to_ne_bytes()).collect();
        let mut bytes = vec![];
        PngEncoder::new(&mut bytes).write_image(&values, 8, 8, kind).unwrap();
        decode_picture_with_remarks("p", &bytes).unwrap().remarks
    };
    let kinds = [
        (ExtendedColorType::L16, 1, false),
        (ExtendedColorType::La16, 2, true),
        (ExtendedColorType::Rgb16, 3, false),
        (ExtendedColorType::Rgba16, 4, true),
    ];
    for (kind, channels, alpha) in kinds {
        for (highest, part) in [(4095, 16), (1023, 64), (16383, 4), (300, 128)] {
            let said = remarks(kind, channels, highest, alpha);
            let [said] = &said[..] else { panic!("{kind:?}: {said:?}") };
            assert!(said.contains(&format!("end at {highest}, a part in {part}")), "{said}");
        }
        // A dark picture is none of those.
        assert!(remarks(kind, channels, 16384, alpha).is_empty());
    }
    assert!(decode_picture_with_remarks("p", &png()).unwrap().remarks.is_empty());
}

fn pixels(channels: usize) -> Vec<u8> {
    (0..24 * 16 * channels).map(|i| (i * 7 % 251) as u8).collect()
}

fn png() -> Vec<u8> {
    let mut bytes = vec![];
    PngEncoder::new(&mut bytes).write_image(&pixels(3), 24, 16, ExtendedColorType::Rgb8).unwrap();
    bytes
}

#[test]
fn a_png_is_read_while_all_its_lines_are_there() {
    let good = png();
    let at = good.windows(4).position(|four| four == b"IDAT").unwrap();
    let length = u32::from_be_bytes(good[at - 4..at].try_into().unwrap());
    let end = at + 4 + length as usize;
    let with = |at: usize, bytes: &[u8]| [&good[..at], bytes, &good[at + bytes.len()..]].concat();
    same(&good[..end + 4], &good, "without its end");
    same(&good[..end + 10], &good, "with half of its end");
    same(&good[..end], &good, "without its last checksum");
    same(&with(end, b"abcd"), &good, "with a wrong checksum");
    same(&with(at - 4, &(length + 1000).to_be_bytes()), &good, "with a chunk that promises too much");
    same(&with(at - 4, &u32::MAX.to_be_bytes()), &good, "with a chunk that promises far too much");
    same(&[&good[..], b"more"].concat(), &good, "with a trailer");
    let text = b"\0\0\0\x04tEXtabcd0000";
    same(&[&good[..33], text, &good[33..]].concat(), &good, "with a wrong checksum of a text");
    for cut in [at + 4, at + 20, end - 100] {
        cut_off(&good[..cut], "png");
    }
}

#[test]
fn a_webp_is_read_whatever_its_header_promises() {
    let mut lossless = vec![];
    WebPEncoder::new_lossless(&mut lossless)
        .write_image(&pixels(3), 24, 16, ExtendedColorType::Rgb8)
        .unwrap();
    for good in [LOSSY_WEBP, &lossless] {
        for size in [0, good.len() as u32 - 8 - 20, good.len() as u32 + 500, u32::MAX - 10] {
            same(&[&good[..4], &size.to_le_bytes(), &good[8..]].concat(), good, &format!("size {size}"));
        }
        same(&[good, b"a trailer"].concat(), good, "trailer");
        cut_off(&good[..good.len() / 2], "webp");
    }
    // The extended header promises a profile, EXIF data and XMP, and none is there.
    let (width, height) = (95_u32.to_le_bytes(), 79_u32.to_le_bytes());
    let header = [b"VP8X\x0a\0\0\0\x2c\0\0\0", &width[..3], &height[..3]].concat();
    let extended =
        [b"RIFF", &(LOSSY_WEBP.len() as u32 + 10).to_le_bytes()[..], b"WEBP", &header, &LOSSY_WEBP[12..]];
    same(&extended.concat(), LOSSY_WEBP, "flags without chunks");
    let promise = [&extended.concat()[..], b"EXIF", &(u32::MAX - 9).to_le_bytes(), b"II*\0"].concat();
    same(&promise, LOSSY_WEBP, "a chunk that promises too much");
}

#[test]
fn orientation_is_found_behind_a_prefix() {
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    for prefix in [&b""[..], b"Exif\0\0", b"Exif\0\0Exif\0\0", b"\0\0"] {
        let exif = [prefix, tiff].concat();
        let mut encoded = [vec![], vec![]];
        let [png, webp] = &mut encoded;
        let mut encoder = PngEncoder::new(png);
        encoder.set_exif_metadata(exif.clone()).unwrap();
        encoder.write_image(&pixels(3), 24, 16, ExtendedColorType::Rgb8).unwrap();
        let mut encoder = WebPEncoder::new_lossless(webp);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(&pixels(3), 24, 16, ExtendedColorType::Rgb8).unwrap();
        for bytes in encoded {
            let picture = read(&bytes).unwrap();
            assert_eq!((picture.width, picture.height), (16, 24), "{prefix:?}");
        }
    }
}

/// A BMP of 2x1 pixels with four bytes each, and a mask for its opacity.
fn bmp(alpha: [u8; 2]) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend([14 + 108 + 8, 0, 14 + 108].map(u32::to_le_bytes).concat());
    bytes.extend([108, 2, 1].map(u32::to_le_bytes).concat());
    bytes.extend([1, 0, 32, 0]);
    bytes.extend([3, 8, 0, 0, 0, 0].map(u32::to_le_bytes).concat());
    bytes.extend([0xff_0000, 0xff00, 0xff, 0xff00_0000].map(u32::to_le_bytes).concat());
    bytes.extend([0; 52]);
    bytes.extend([1, 2, 3, alpha[0], 4, 5, 6, alpha[1]]);
    bytes
}

#[test]
fn a_bmp_whose_fourth_byte_is_unused_is_opaque() {
    let picture = read(&bmp([0, 0])).unwrap();
    assert_eq!((picture.pixels, picture.alpha), (vec![3, 2, 1, 6, 5, 4], None));
    assert_eq!(read(&bmp([0, 200])).unwrap().alpha, Some(vec![0, 200]));
    // Any size of the whole file that the header may promise.
    let good = bmp([255, 255]);
    same(&[b"BM", &u32::MAX.to_le_bytes()[..], &good[6..]].concat(), &good, "size");
    cut_off(&good[..good.len() - 2], "bmp");
}

#[test]
fn a_gif_is_read_without_its_end_and_without_a_screen() {
    let mut good = vec![];
    GifEncoder::new(&mut good).encode(&pixels(3), 24, 16, ExtendedColorType::Rgb8).unwrap();
    assert_eq!(good.last(), Some(&0x3b));
    same(&good[..good.len() - 1], &good, "without its end");
    same(&[&good[..], b"more"].concat(), &good, "with a trailer");
    same(&[&good[..6], &[0; 4], &good[10..]].concat(), &good, "without a screen");
    cut_off(&good[..good.len() / 2], "gif");
}
