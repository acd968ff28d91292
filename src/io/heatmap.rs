//! Heat-maps as pictures, as the official program shows them (`utils.py`, `cam`).

/// Scales a heat-map to bytes: the minimum becomes 0, the maximum 255, cut to whole numbers.
/// A constant map (the official code divides by zero there) becomes 0.
pub fn to_bytes(heatmap: &[f32]) -> Vec<u8> {
    let finite = || heatmap.iter().copied().filter(|v| v.is_finite());
    let low = finite().fold(f32::INFINITY, f32::min);
    let high = finite().map(|v| v - low).fold(0.0, f32::max);
    let scale = |v: f32| if high > 0.0 { (255.0 * ((v - low) / high)) as u8 } else { 0 };
    heatmap.iter().map(|&v| scale(v)).collect()
}

/// Resizes a single-channel picture bilinearly with pixel centres at halves, without
/// antialiasing, as `cv2.resize` does on bytes.
///
/// `source` is row-major, `width` x `height`, and must not be empty.
pub fn resize(source: &[u8], width: usize, height: usize, to_width: usize, to_height: usize) -> Vec<u8> {
    let columns = taps(width, to_width);
    let rows = taps(height, to_height);
    let mut out = Vec::with_capacity(to_width * to_height);
    for &(y0, y1, fy) in &rows {
        let (upper, lower) = (&source[y0 * width..][..width], &source[y1 * width..][..width]);
        for &(x0, x1, fx) in &columns {
            let across = |row: &[u8]| f32::from(row[x0]) * (1.0 - fx) + f32::from(row[x1]) * fx;
            let value = across(upper) * (1.0 - fy) + across(lower) * fy;
            out.push((value + 0.5) as u8);
        }
    }
    out
}

/// For every target pixel, the two source pixels and the share of the second.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to.max(1) as f32;
    let last = from.saturating_sub(1);
    let tap = |i: usize| {
        let position = ((i as f32 + 0.5) * scale - 0.5).clamp(0.0, last as f32);
        let first = (position as usize).min(last);
        (first, (first + 1).min(last), position - first as f32)
    };
    (0..to).map(tap).collect()
}

/// OpenCV's `COLORMAP_JET`, red, green, blue: dark blue, blue, cyan, yellow, red, dark red.
pub fn jet(value: u8) -> [u8; 3] {
    let v = i32::from(value);
    let red = match v {
        0..=95 => 0,
        96..=158 => 2 + 4 * (v - 96),
        159 => 254,
        160..=223 => 255,
        _ => 252 - 4 * (v - 224),
    };
    let green = match v {
        0..=32 => 0,
        33..=95 => 4 * (v - 32),
        96..=159 => 255,
        160..=223 => 252 - 4 * (v - 160),
        _ => 0,
    };
    let blue = match v {
        0..=31 => 128 + 4 * v,
        32..=95 => 255,
        96..=158 => 254 - 4 * (v - 96),
        159 => 1,
        _ => 0,
    };
    [red, green, blue].map(|c| c as u8)
}

/// A heat-map `[height, width]` as an RGB picture of another size, in the official colours:
/// scaled to bytes, resized, coloured.
pub fn colored(heatmap: &[f32], width: usize, height: usize, to_width: usize, to_height: usize) -> Vec<u8> {
    let bytes = resize(&to_bytes(heatmap), width, height, to_width, to_height);
    bytes.into_iter().flat_map(jet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_map_is_zero() {
        assert_eq!(to_bytes(&[3.0; 4]), [0; 4]);
        assert_eq!(to_bytes(&[f32::NAN; 2]), [0; 2]);
        assert_eq!(to_bytes(&[]), [0; 0]);
    }

    #[test]
    fn one_pixel_fills_the_picture() {
        assert_eq!(resize(&[7], 1, 1, 3, 2), [7; 6]);
    }
}
