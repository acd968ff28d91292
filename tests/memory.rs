//! How much memory pictures take while they are decoded, resized and encoded.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]
#![cfg(feature = "pictures")]

#[path = "support/counting.rs"]
mod counting;

use std::io::Cursor;

use image::{ImageBuffer, ImageFormat, Rgba};
use ugatit::io::{Picture, PictureFormat, decode_picture, encode_picture};

/// Bytes a pixel that `work` takes at most beside what was there before, its result included.
fn peak<T>(pixels: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let (bytes, result) = counting::peak(work);
    (bytes as f64 / pixels as f64, result)
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn no_picture_is_held_more_often_than_must_be() {
    const SIDE: u32 = 1500;
    let pixels = (SIDE * SIDE) as usize;
    let png = |alpha: u16| {
        let picture = ImageBuffer::from_pixel(SIDE, SIDE, Rgba([1000_u16, 2000, 3000, alpha]));
        let mut bytes = Cursor::new(vec![]);
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    // 8 bytes as it is decoded, 3 as it is used.
    let opaque = png(u16::MAX);
    let (bytes, picture) = peak(pixels, || decode_picture("a.png", &opaque).unwrap());
    assert!(bytes < 11.5, "{bytes:.1} bytes a pixel");
    assert_eq!(picture.alpha, None);
    // And one of opacity.
    let soft = png(1000);
    let (bytes, soft) = peak(pixels, || decode_picture("a.png", &soft).unwrap());
    assert!(bytes < 12.5, "{bytes:.1} bytes a pixel");
    assert_eq!(soft.alpha.unwrap()[0], 4);

    // A flat picture takes next to nothing as a PNG, and is not copied for it.
    let (bytes, _) = peak(pixels, || encode_picture("a.png", &picture, PictureFormat::Png).unwrap());
    assert!(bytes < 1.0, "{bytes:.1} bytes a pixel");

    // A strip. The weights take 8; all of its rows, resized before the columns are, would take 64.
    let strip = Picture::new(1, pixels, 1, vec![9; pixels]).unwrap();
    let (bytes, small) = peak(pixels, || strip.resized([0.0, 0.0, 1.0, pixels as f64], 64, 64).unwrap());
    assert!(bytes < 14.0, "{bytes:.1} bytes a pixel");
    assert!(small.pixels.iter().all(|&v| v == 9));
}
