//! The hyperbolic tangent of `f32`, as arithmetic that the compiler turns into vectors.
//!
//! The C library's is called for one number at a time, which takes 4 % of a translation, and its last bit differs from
//! system to system.

/// From here on `1 - 2 / (exp(2x) + 1)`, below a polynomial: near zero that difference would lose digits.
const SMALL: f32 = 0.625;
/// From here on the result is 1.
const LARGE: f32 = 9.02;
/// `tanh(x) = x + x³ P(x²)` for `|x| < SMALL`, relative error 4.4e-9 before rounding.
const P: [f32; 5] = [-0.333_332_8, 0.133_314_42, -0.053_739_71, 0.020_639_079, -0.005_704_978_5];
/// `exp(r) = 1 + r + r² Q(r)` for `|r| <= ln 2 / 2`, relative error 3.1e-9 before rounding.
const Q: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_71, 0.001_381_461];
/// What makes an `f32` round to a whole number when it is added.
const ROUND: f32 = 12_582_912.0;
/// `ln 2` in two parts, the first with few enough bits that its multiples are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

#[inline(always)]
fn horner(x: f32, [a, b, c, d, e]: [f32; 5]) -> f32 {
    a + x * (b + x * (c + x * (d + x * e)))
}

/// `tanh(x)`, off by at most 1.5 units in the last place; NaN stays NaN.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let square = x * x;
    let small = a + a * square * horner(square, P);
    let y = 2.0 * if a > LARGE { LARGE } else { a };
    let whole = y * std::f32::consts::LOG2_E + ROUND;
    let n = whole - ROUND;
    let r = y - n * LN_2[0] - n * LN_2[1];
    // Two to the power of n.
    let power = f32::from_bits((whole.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let exp = (1.0 + (r + r * r * horner(r, Q))) * power;
    let large = 1.0 - 2.0 / (exp + 1.0);
    (if a < SMALL { small } else { large }).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_off_by_one_and_a_half_units_at_most() {
        let ulp = |x: f32| f64::from(f32::from_bits(x.to_bits() + 1) - x);
        let (mut worst, mut sum, mut count) = (0.0_f64, 0.0, 0);
        for bits in (0..f32::INFINITY.to_bits()).step_by(997) {
            let x = f32::from_bits(bits);
            let wanted = f64::from(x).tanh();
            let got = tanh(x);
            assert_eq!((-got).to_bits(), tanh(-x).to_bits());
            let off = (f64::from(got) - wanted).abs() / ulp(wanted as f32);
            assert!(off <= 1.5, "tanh({x:e}) is {got:e}, off by {off:.2} units");
            worst = worst.max(off);
            sum += off;
            count += 1;
        }
        println!("at most {worst:.2}, on average {:.3}", sum / f64::from(count));
    }

    #[test]
    fn its_ends_and_nothing_are_exact() {
        for x in [f32::INFINITY, f32::MAX, 1e9, 9.02] {
            assert_eq!((tanh(x), tanh(-x)), (1.0, -1.0));
        }
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(tanh(0.0).to_bits(), 0.0_f32.to_bits());
        assert!(tanh(f32::NAN).is_nan());
    }
}
