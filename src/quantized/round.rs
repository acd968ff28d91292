//! How the numbers of a block are rounded.

use half::bf16;

use super::Bits;

/// Of 4 bits the scales that are tried, as parts of the one at which nothing is cut off: cutting off the
/// largest number a little leaves finer steps for all others.
const SHARES: [f32; 9] = [1.04, 1.0, 0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72];

/// Writes the levels of a block and gives its scale.
#[inline(always)]
pub(super) fn block(bits: Bits, values: &[f32], bytes: &mut [u8]) -> bf16 {
    let largest = values.iter().fold(0.0_f32, |most, v| if v.abs() > most.abs() { *v } else { most });
    let scale = match bits {
        Bits::Eight => at_least(largest.abs() / 127.0),
        Bits::Four => {
            // Of either sign, since there is one level more below zero than above.
            let ends = [largest / -8.0, largest / 7.0];
            let all = ends.into_iter().flat_map(|end| SHARES.map(|share| bf16::from_f32(end * share)));
            let errors = all.map(|scale| (error(values, scale.to_f32()), scale));
            let best = errors.min_by(|a, b| a.0.total_cmp(&b.0));
            best.map_or(bf16::ZERO, |(_, scale)| scale)
        }
    };
    let scale = if scale.to_f32().is_normal() { scale } else { bf16::ZERO };
    let inverse = if scale == bf16::ZERO { 0.0 } else { 1.0 / scale.to_f32() };
    match bits {
        Bits::Eight => bytes.iter_mut().zip(values).for_each(|(byte, v)| {
            *byte = nearest(v * inverse).clamp(-127.0, 127.0) as i8 as u8;
        }),
        Bits::Four => {
            let (lower, upper) = values.split_at(16);
            let level = |v: f32| nearest(v * inverse).clamp(-8.0, 7.0) as i8 as u8;
            for ((byte, lower), upper) in bytes.iter_mut().zip(lower).zip(upper) {
                *byte = level(*lower) & 15 | level(*upper) << 4;
            }
        }
    }
    scale
}

/// The nearest whole number, where it is small: there is no place left for the digits behind the point. Of no
/// function, so that it is done for several at a time on every processor.
#[inline(always)]
fn nearest(value: f32) -> f32 {
    const FILLED: f32 = 1.5 * (1 << 23) as f32;
    (value + FILLED) - FILLED
}

/// The smallest `bf16` that is not below `value`, which is not negative.
fn at_least(value: f32) -> bf16 {
    let nearest = bf16::from_f32(value);
    if nearest.to_f32() < value { bf16::from_bits(nearest.to_bits() + 1) } else { nearest }
}

/// The squared error of 4 bits at that scale.
#[inline(always)]
fn error(values: &[f32], scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if !inverse.is_finite() {
        return values.iter().map(|v| v * v).sum();
    }
    // Several sums, so that there is no order to keep.
    let mut sums = [0.0; 16];
    for values in values.as_chunks::<16>().0 {
        for (sum, v) in sums.iter_mut().zip(values) {
            let off = v - scale * nearest(v * inverse).clamp(-8.0, 7.0);
            *sum += off * off;
        }
    }
    sums.iter().sum()
}
