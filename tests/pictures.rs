//! Picture files: what is read is upright, in sRGB and whole; what is broken is refused; and
//! the numbers are those of Pillow and OpenCV in the official program.
#![cfg(feature = "pictures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

mod files;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat};
use moxcms::ColorProfile;
use ugatit::Error;
use ugatit::io::{
    Picture, PictureFormat, decode_picture, encode_picture, heatmap, quantize, read_picture, write_picture,
};

fn gradient(width: usize, height: usize) -> Picture {
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        [(x * 255 / width) as u8, (y * 255 / height) as u8, 60]
    };
    Picture::new(width, height, 3, (0..width * height).flat_map(pixel).collect()).unwrap()
}

fn decode(bytes: &[u8]) -> ugatit::Result<Picture> {
    decode_picture(Path::new("p"), bytes)
}

fn encoded(picture: &Picture, format: ImageFormat) -> Vec<u8> {
    let (w, h) = (picture.width as u32, picture.height as u32);
    let image: DynamicImage = image::RgbImage::from_raw(w, h, picture.pixels.clone()).unwrap().into();
    let mut out = Cursor::new(vec![]);
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

#[test]
fn every_format_is_read_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let picture = gradient(20, 12);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Jpeg, ImageFormat::Gif]
    {
        // The wrong ending on purpose.
        let path = folder.path().join("picture.tiff");
        fs::write(&path, encoded(&picture, format)).unwrap();
        let read = read_picture(&path).unwrap();
        assert_eq!((read.width, read.height, read.channels, &read.alpha), (20, 12, 3, &None), "{format:?}");
        let tolerance = match format {
            ImageFormat::Jpeg => 40,
            ImageFormat::Gif => 24,
            _ => 0,
        };
        let worst = read.pixels.iter().zip(&picture.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst.unwrap() <= tolerance, "{format:?}: {worst:?}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut picture = gradient(9, 7);
    picture.alpha = Some((0..63).map(|i| i * 4).collect());
    for format in [PictureFormat::Png, PictureFormat::WebP] {
        let path = folder.path().join("p").with_extension(format.extension());
        write_picture(&path, &picture, format, false).unwrap();
        let read = read_picture(&path).unwrap();
        assert_eq!(read.alpha, picture.alpha);
        assert_eq!(read.pixels, picture.pixels);
        assert!(matches!(write_picture(&path, &picture, format, false), Err(Error::Exists { .. })));
    }
    let grey = gradient(9, 7).with_channels(1).unwrap();
    let bytes = encode_picture("p", &grey, PictureFormat::Png).unwrap();
    assert_eq!(decode(&bytes).unwrap(), grey);
    let jpeg = decode(&encode_picture("p", &picture, PictureFormat::Jpeg { quality: 95 }).unwrap()).unwrap();
    assert_eq!(jpeg.alpha, None);
    assert!(jpeg.pixels[0] > 230, "transparent is white in a JPEG");
}

#[test]
fn sixteen_bits_become_eight() {
    let values: Vec<u8> = [0_u16, 65535, 0x8080].iter().flat_map(|v| v.to_ne_bytes()).collect();
    let mut bytes = vec![];
    PngEncoder::new(&mut bytes).write_image(&values, 3, 1, ExtendedColorType::L16).unwrap();
    assert_eq!(decode(&bytes).unwrap().pixels, [0, 255, 128]);
}

#[test]
fn orientation_is_honoured() {
    // A TIFF header and one entry: tag 0x112 (orientation), type short.
    let exif = |value: u8| {
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([value, 0, 0, 0, 0, 0, 0, 0]);
        exif
    };
    // Red in the upper left corner, the rest black, wider than high.
    let mut pixels = vec![0; 16 * 8 * 3];
    for y in 0..4 {
        for x in 0..4 {
            pixels[(y * 16 + x) * 3] = 255;
        }
    }
    // Where the corner goes, and the size: as the EXIF standard says.
    for (value, size, corner) in [
        (1, (16, 8), (0, 0)),
        (2, (16, 8), (12, 0)),
        (3, (16, 8), (12, 4)),
        (4, (16, 8), (0, 4)),
        (5, (8, 16), (0, 0)),
        (6, (8, 16), (4, 0)),
        (7, (8, 16), (4, 12)),
        (8, (8, 16), (0, 12)),
    ] {
        let mut bytes = vec![];
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.set_exif_metadata(exif(value)).unwrap();
        encoder.write_image(&pixels, 16, 8, ExtendedColorType::Rgb8).unwrap();
        let picture = decode(&bytes).unwrap();
        assert_eq!((picture.width, picture.height), size, "{value}");
        let red = |x: usize, y: usize| picture.pixels[(y * picture.width + x) * 3] > 128;
        assert!(red(corner.0 + 1, corner.1 + 1), "{value}");
        let reds = (0..16 * 8).filter(|i| red(i % picture.width, i / picture.width)).count();
        assert!((12..=24).contains(&reds), "{value}: {reds}");
    }
}

#[test]
fn profiles_are_converted_to_srgb() {
    let with = |profile: ColorProfile| {
        let mut bytes = vec![];
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile.encode().unwrap()).unwrap();
        encoder.write_image(&[200, 50, 50, 0, 0, 0], 2, 1, ExtendedColorType::Rgb8).unwrap();
        decode(&bytes).unwrap().pixels
    };
    // Display P3's (200, 50, 50) is a stronger red in sRGB.
    let p3 = with(ColorProfile::new_display_p3());
    assert!(p3[0] > 210 && p3[1] < 40, "{p3:?}");
    assert_eq!(p3[3..], [0, 0, 0]);
    assert_eq!(with(ColorProfile::new_srgb()), [200, 50, 50, 0, 0, 0]);
    // A grey profile does not belong to these pixels: they stay.
    assert_eq!(with(ColorProfile::new_gray_with_gamma(1.0)), [200, 50, 50, 0, 0, 0]);

    let mut bytes = vec![];
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(ColorProfile::new_gray_with_gamma(1.0).encode().unwrap()).unwrap();
    encoder.write_image(&[0, 64, 255], 3, 1, ExtendedColorType::L8).unwrap();
    let linear = decode(&bytes).unwrap();
    assert!(linear.channels == 3 && linear.pixels[3] > 125, "{:?}", linear.pixels);
}

fn problem(bytes: &[u8]) -> String {
    match decode(bytes) {
        Err(error @ Error::Picture { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    assert!(problem(b"").contains("empty"));
    assert!(problem(b"<svg xmlns='http://www.w3.org/2000/svg'/>").contains("SVG, which is not read"));
    assert!(problem(b"II*\0\x08\0\0\0").contains("TIFF, which is not read"));
    assert!(matches!(read_picture("/nowhere/p.png"), Err(Error::Io { .. })));
}

#[test]
fn a_cut_off_picture_is_refused() {
    let picture = gradient(64, 48);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Jpeg, ImageFormat::Gif]
    {
        let bytes = encoded(&picture, format);
        for keep in [12, bytes.len() / 4, bytes.len() / 2, bytes.len() * 9 / 10] {
            let text = problem(&bytes[..keep]);
            assert!(text.contains("cut off") || text.contains("no picture"), "{format:?} {keep}: {text}");
        }
    }
}

/// A PNG of one colour: any size, few bytes.
fn flat_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = vec![];
    PngEncoder::new(&mut bytes)
        .write_image(&vec![0; (width * height) as usize], width, height, ExtendedColorType::L8)
        .unwrap();
    bytes
}

#[test]
fn a_hundred_megapixels_are_refused_before_decoding() {
    let started = std::time::Instant::now();
    let mut bytes = flat_png(8, 8);
    // The size in the header alone, as a bomb has it; the checksum follows the chunk.
    for (width, height) in [(10_000_u32, 10_000_u32), (60_000, 60_000)] {
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(problem(&bytes).contains("less than 100 megapixels"));
    }
    let mut bmp = encoded(&gradient(4, 4), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&20_000_i32.to_le_bytes());
    bmp[22..26].copy_from_slice(&20_000_i32.to_le_bytes());
    assert!(problem(&bmp).contains("megapixels"));
    let mut gif = encoded(&gradient(4, 4), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    assert!(problem(&gif).contains("megapixels"));
    assert!(started.elapsed().as_secs() < 5);
}

/// A chunk that inflates to far more than its picture needs.
#[test]
fn a_decompression_bomb_is_refused_or_harmless() {
    let mut bytes = flat_png(8, 8);
    let bomb = flat_png(8_000, 8_000);
    let start = bomb.windows(4).position(|w| w == b"IDAT").unwrap() - 4;
    let own = bytes.windows(4).position(|w| w == b"IDAT").unwrap() - 4;
    bytes.truncate(own);
    bytes.extend(&bomb[start..]);
    if let Ok(picture) = decode(&bytes) {
        assert_eq!((picture.width, picture.height), (8, 8));
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn worst(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn resizing_is_pillows() {
    let fixtures = files::fixtures("image_pipeline.safetensors");
    for case in 0..3 {
        let (shape, source) = &fixtures[&format!("aug{case}/src_hwc_u8")];
        let (height, width) = (shape[0], shape[1]);
        let picture = Picture::new(width, height, 3, source.clone()).unwrap();
        let whole = [0.0, 0.0, width as f64, height as f64];
        let (shape, expected) = &fixtures[&format!("aug{case}/resized_hwc_u8")];
        // In training a picture may be flipped before it is resized.
        let mut source = picture.clone();
        if fixtures[&format!("aug{case}/flip_top_left")].1[0] != 0 {
            source = source.mirrored();
        }
        let resized = source.resized(whole, shape[1], shape[0]).unwrap();
        assert!(worst(&resized.pixels, expected) == 0, "{case}");

        let (shape, expected) = &fixtures[&format!("aug{case}/x_test")];
        let x = picture.resized(whole, shape[2], shape[1]).unwrap().to_tensor().unwrap();
        for (a, b) in x.data().iter().zip(floats(expected)) {
            assert!((a - b).abs() <= 1e-6, "{case}: {a} {b}");
        }
    }
}

#[test]
fn quantisation_is_cv2s() {
    let fixtures = files::fixtures("image_pipeline.safetensors");
    let bytes: Vec<u8> = floats(&fixtures["quant/x"].1).into_iter().map(quantize).collect();
    assert_eq!(bytes, fixtures["quant/u8"].1);
}

#[test]
fn heatmaps_are_the_official_ones() {
    let fixtures = files::fixtures("image_pipeline.safetensors");
    let lut: Vec<u8> = (0..=255)
        .flat_map(|v| {
            let [r, g, b] = heatmap::jet(v);
            [b, g, r]
        })
        .collect();
    assert_eq!(lut, fixtures["jet_lut_bgr_u8"].1);
    for case in 0..3 {
        let (shape, map) = &fixtures[&format!("cam{case}/heatmap")];
        let (height, width) = (shape[0], shape[1]);
        let map = floats(map);
        let bytes = heatmap::to_bytes(&map);
        assert_eq!(bytes, fixtures[&format!("cam{case}/u8")].1);
        let (shape, expected) = &fixtures[&format!("cam{case}/resized_u8")];
        let resized = heatmap::resize(&bytes, width, height, shape[1], shape[0]);
        assert!(worst(&resized, expected) <= 1, "{case}");
        // One step of the byte is four steps of a colour.
        let colored = heatmap::colored(&map, width, height, shape[1], shape[0]);
        let expected = &fixtures[&format!("cam{case}/jet_bgr_u8")].1;
        let bgr: Vec<u8> = colored.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [b, g, r]).collect();
        assert!(worst(&bgr, expected) <= 5, "{case}");
    }
}
