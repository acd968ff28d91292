//! Matrices of 8 or 4 bits a number, for the full generator's largest layer, which has a gigabyte of `f32`.
//!
//! Such a matrix is cut into blocks of small whole numbers, and each block has a scale. [`crate::io::Model::quantize`] makes
//! one of a model's; translations then multiply with it as it is.

#[cfg(not(target_arch = "wasm32"))]
mod round;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use half::bf16;

use crate::error::{Error, Result};
use crate::graph::Shape;
use crate::tensor::Tensor;

/// How many bits each number of a [`QuantizedMatrix`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bits {
    /// 8 bits, -127 to 127, in blocks of 128: a quarter of `f32`.
    Eight,
    /// 4 bits, -8 to 7, in blocks of 32: an eighth of `f32`, and its scales an eighth of that.
    Four,
}

impl Bits {
    /// All that there are.
    pub const BOTH: [Self; 2] = [Self::Eight, Self::Four];

    /// 8 or 4.
    pub const fn number(self) -> usize {
        match self {
            Self::Eight => 8,
            Self::Four => 4,
        }
    }

    /// How many numbers share a scale.
    pub const fn block(self) -> usize {
        match self {
            Self::Eight => 128,
            Self::Four => 32,
        }
    }

    /// Bytes of the levels of one block.
    pub const fn block_bytes(self) -> usize {
        self.block() * self.number() / 8
    }

    /// The greatest absolute value of a level.
    pub(crate) const fn greatest(self) -> f32 {
        match self {
            Self::Eight => 128.0,
            Self::Four => 8.0,
        }
    }

    /// The levels of a block, in order; `bytes` are those of the block.
    ///
    /// Of 4 bits, byte `i` holds level `i` in its lower half and level `i + 16` in its upper one.
    #[inline(always)]
    pub(crate) fn unpack(self, bytes: &[u8], levels: &mut [i8]) {
        match self {
            Self::Eight => levels.iter_mut().zip(bytes).for_each(|(level, byte)| *level = *byte as i8),
            Self::Four => {
                let (lower, upper) = levels.split_at_mut(16);
                for ((lower, upper), byte) in lower.iter_mut().zip(upper).zip(bytes) {
                    *lower = (byte << 4) as i8 >> 4;
                    *upper = *byte as i8 >> 4;
                }
            }
        }
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl FromStr for Bits {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::BOTH.into_iter().find(|bits| bits.number().to_string() == text);
        known.ok_or_else(|| {
            Error::Config(format!("a weight can be quantised to 8 or 4 bits, not to {text:?}"))
        })
    }
}

/// Bytes that several may own together: those of a whole file, so that nobody needs a second copy of them.
#[derive(Clone)]
pub(crate) struct Bytes {
    buffer: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Bytes {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), buffer: Arc::new(bytes) }
    }

    /// `part`, which is a part of `buffer`, without a copy; a copy where it is none.
    pub(crate) fn part(buffer: &Arc<Vec<u8>>, part: &[u8]) -> Self {
        let begin = part.as_ptr().addr().wrapping_sub(buffer.as_ptr().addr());
        match begin.checked_add(part.len()) {
            Some(end) if end <= buffer.len() => Self { buffer: buffer.clone(), range: begin..end },
            _ => Self::new(part.to_vec()),
        }
    }

    fn get(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }
}

/// The weight `[M, K]` of a linear layer over flattened features, in blocks of [`Bits::block`] numbers along a row:
/// each number is a whole one, its *level*, times its block's *scale*, a `bf16` of either sign.
///
/// A row's columns are ordered pixel by pixel, as the features lie on a GPU: column `p * C + c` here is the
/// official `c * pixels + p`. Of that order neither uploading nor computing has to change anything.
#[derive(Clone)]
pub struct QuantizedMatrix {
    bits: Bits,
    rows: usize,
    channels: usize,
    pixels: usize,
    levels: Bytes,
    scales: Bytes,
}

impl QuantizedMatrix {
    /// Of the levels' and scales' bytes.
    ///
    /// # Errors
    /// [`Error::Shape`] where they are not as many as the matrix asks for, or rows are no whole blocks;
    /// [`Error::Config`] where a scale is not finite, or so large that numbers would not be.
    pub(crate) fn new(
        bits: Bits,
        [rows, channels, pixels]: [usize; 3],
        levels: Bytes,
        scales: Bytes,
    ) -> Result<Self> {
        let [_, blocks] = Self::blocks(bits, rows, channels, pixels)?;
        let asked = [blocks * rows * bits.block_bytes(), blocks * rows * 2];
        let found = [levels.get().len(), scales.get().len()];
        if asked != found {
            let [levels, scales] = asked;
            return Err(Error::Shape(format!(
                "it has {levels} bytes of levels and {scales} of scales, no others"
            )));
        }
        let matrix = Self { bits, rows, channels, pixels, levels, scales };
        let bad = |scale: &f32| !(scale.abs() * bits.greatest()).is_finite();
        match (0..rows * blocks).map(|i| matrix.scale(i)).filter(bad).count() {
            0 => Ok(matrix),
            count => Err(Error::Config(format!("{count} of its scales are NaN, infinite or too large"))),
        }
    }

    /// `[rows, blocks of a row]`
    fn blocks(bits: Bits, rows: usize, channels: usize, pixels: usize) -> Result<[usize; 2]> {
        let columns = channels * pixels;
        let whole = columns > 0 && columns.is_multiple_of(bits.block());
        // Whole vec4s on a GPU, without padding.
        if whole && rows > 0 && rows.is_multiple_of(4) && channels.is_multiple_of(4) {
            return Ok([rows, columns / bits.block()]);
        }
        Err(Error::Shape(format!(
            "a weight of {rows} rows and {columns} columns of {channels} channels cannot be quantised to {bits} bits: rows and channels must be multiples of 4, columns of {}",
            bits.block()
        )))
    }

    /// The nearest matrix to `weight`, `[M, C * pixels]` in the official order: of 8 bits the largest number of a
    /// block is its level 127; of 4 bits the scale is the one of several that gives the smallest squared error.
    ///
    /// # Errors
    /// [`Error::Shape`] where rows are no whole blocks, or `weight` is no matrix of `channels`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn quantize(weight: &Tensor, channels: usize, bits: Bits) -> Result<Self> {
        use rayon::prelude::*;

        use crate::cpu::vectorized;

        let matrix = weight.shape().matrix().filter(|[_, k]| channels > 0 && k.is_multiple_of(channels));
        let [rows, columns] = matrix.ok_or_else(|| {
            Error::Shape(format!("{} is no weight over features of {channels} channels", weight.shape()))
        })?;
        let pixels = columns / channels;
        let [_, blocks] = Self::blocks(bits, rows, channels, pixels)?;
        let (row_bytes, row_scales) = (blocks * bits.block_bytes(), blocks * 2);
        let (mut levels, mut scales) = (vec![0; rows * row_bytes], vec![0; rows * row_scales]);
        let outputs = levels.par_chunks_mut(row_bytes).zip(scales.par_chunks_mut(row_scales));
        outputs.zip(weight.data().par_chunks(columns)).for_each_init(
            || vec![0.0; columns],
            |row, ((levels, scales), official)| {
                pixel_by_pixel(official, channels, row);
                let blocks = row.chunks(bits.block()).zip(levels.chunks_mut(bits.block_bytes()));
                vectorized(|| {
                    for ((block, levels), scale) in blocks.zip(scales.chunks_mut(2)) {
                        scale.copy_from_slice(&round::block(bits, block, levels).to_le_bytes());
                    }
                });
            },
        );
        Self::new(bits, [rows, channels, pixels], Bytes::new(levels), Bytes::new(scales))
    }

    /// How many bits a number has.
    pub fn bits(&self) -> Bits {
        self.bits
    }

    /// `[M, K]`
    pub fn shape(&self) -> Shape {
        [self.rows, self.columns()].into()
    }

    /// Columns, `K`.
    pub fn columns(&self) -> usize {
        self.channels * self.pixels
    }

    /// The channels of the features that it multiplies.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The levels of all blocks, row by row.
    pub fn levels(&self) -> &[u8] {
        self.levels.get()
    }

    /// The scales of all blocks, row by row: `bf16`, little-endian.
    pub fn scales(&self) -> &[u8] {
        self.scales.get()
    }

    /// The scale of block `i`, counted through all rows.
    #[inline(always)]
    fn scale(&self, i: usize) -> f32 {
        let scales = self.scales.get();
        bf16::from_le_bytes([scales[2 * i], scales[2 * i + 1]]).to_f32()
    }

    /// The blocks of a row: the levels' bytes, and the scale.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = (&[u8], f32)> {
        let blocks = self.columns() / self.bits.block();
        let bytes = blocks * self.bits.block_bytes();
        let scales = self.scales()[2 * row * blocks..][..2 * blocks].as_chunks::<2>().0;
        let scales = scales.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32());
        self.levels()[row * bytes..][..bytes].chunks_exact(self.bits.block_bytes()).zip(scales)
    }

    /// Features `[N, C * pixels]` in the official order, as [`Self::row`] has its columns.
    pub(crate) fn arranged<T: Copy + Default>(&self, x: &[T]) -> Vec<T> {
        let mut arranged = vec![T::default(); x.len()];
        let columns = self.columns();
        for (x, arranged) in x.chunks_exact(columns).zip(arranged.chunks_exact_mut(columns)) {
            pixel_by_pixel(x, self.channels, arranged);
        }
        arranged
    }

    /// All numbers, in the official order: `[M, K]`.
    pub fn dequantize(&self) -> Tensor {
        let (columns, block) = (self.columns(), self.bits.block());
        let mut weight = Tensor::zeros([self.rows, columns]);
        crate::cpu::parallel::chunks(weight.data_mut(), columns, columns, |row, official| {
            let mut levels = vec![0; block];
            for (i, (bytes, scale)) in self.row(row).enumerate() {
                self.bits.unpack(bytes, &mut levels);
                for (j, &level) in levels.iter().enumerate() {
                    let at = i * block + j;
                    official[at % self.channels * self.pixels + at / self.channels] =
                        f32::from(level) * scale;
                }
            }
        });
        weight
    }
}

impl PartialEq for QuantizedMatrix {
    fn eq(&self, other: &Self) -> bool {
        (self.bits, self.rows, self.channels, self.pixels)
            == (other.bits, other.rows, other.channels, other.pixels)
            && self.levels() == other.levels()
            && self.scales() == other.scales()
    }
}

impl fmt::Debug for QuantizedMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuantizedMatrix({} of {} bits)", self.shape(), self.bits)
    }
}

/// `to[p * C + c] = from[c * pixels + p]`
fn pixel_by_pixel<T: Copy>(from: &[T], channels: usize, to: &mut [T]) {
    let pixels = from.len() / channels;
    for (p, to) in to.chunks_exact_mut(channels).enumerate() {
        to.iter_mut().zip(from[p..].iter().step_by(pixels)).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, scale: f32) -> Tensor {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let value = |_| scale * (next() + next() + next());
        Tensor::new([rows, columns], (0..rows * columns).map(value).collect()).unwrap()
    }

    #[test]
    fn what_is_rounded_is_near_and_what_fits_is_exact() {
        for scale in [1e-6, 1.0, 1e30] {
            for (bits, least) in [(Bits::Eight, 40.0), (Bits::Four, 20.0)] {
                let weight = matrix(8, 512, scale);
                let quantized = QuantizedMatrix::quantize(&weight, 16, bits).unwrap();
                let rounded = quantized.dequantize();
                let sum = |f: &dyn Fn(f64, f64) -> f64| {
                    let pairs = weight.data().iter().zip(rounded.data());
                    pairs.map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum::<f64>()
                };
                let ratio = sum(&|a, _| a * a) / sum(&|a, b| (a - b).powi(2));
                assert!(10.0 * ratio.log10() > least, "{bits} bits at {scale}: {} dB", 10.0 * ratio.log10());
                // No number is further off than half a step, but for what 4 bits cut off.
                if bits == Bits::Eight {
                    let step = 3.0 * scale / 127.0 * 1.01;
                    let off = weight.data().iter().zip(rounded.data()).map(|(a, b)| (a - b).abs());
                    assert!(off.fold(0.0, f32::max) <= step / 2.0);
                }
            }
        }
        // The levels themselves, in blocks whose scale is 1.
        for (bits, largest) in [(Bits::Eight, 127), (Bits::Four, 8)] {
            let levels = (0..4 * 128).map(|i| match i % bits.block() {
                0 => -(largest as f32),
                _ => (i * 37 % (2 * largest)) as f32 - largest as f32,
            });
            let weight = Tensor::new([4, 128], levels.collect()).unwrap();
            assert_eq!(QuantizedMatrix::quantize(&weight, 4, bits).unwrap().dequantize(), weight);
        }
        for bits in Bits::BOTH {
            for tiny in [0.0, 1e-44] {
                let weight = Tensor::new([4, 128], vec![tiny; 512]).unwrap();
                let rounded = QuantizedMatrix::quantize(&weight, 4, bits).unwrap().dequantize();
                assert!(rounded.data().iter().all(|v| *v == 0.0));
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let of = |rows, columns, channels| {
            QuantizedMatrix::quantize(&matrix(rows, columns, 1.0), channels, Bits::Four).map(|_| ())
        };
        assert!(of(4, 64, 4).is_ok());
        for (rows, columns, channels) in [(4, 48, 4), (6, 64, 4), (4, 64, 2), (4, 64, 0), (4, 64, 48)] {
            assert!(matches!(of(rows, columns, channels), Err(Error::Shape(_))));
        }
        let scales = |scale: f32| Bytes::new(bf16::from_f32(scale).to_le_bytes().repeat(8));
        let new = |levels, scales| QuantizedMatrix::new(Bits::Four, [4, 4, 16], levels, scales);
        let levels = || Bytes::new(vec![0; 128]);
        assert!(new(levels(), scales(-1.0)).is_ok());
        for bad in [f32::NAN, f32::INFINITY, 1e38] {
            assert!(matches!(new(levels(), scales(bad)), Err(Error::Config(_))), "{bad}");
        }
        assert!(matches!(new(Bytes::new(vec![0; 127]), scales(1.0)), Err(Error::Shape(_))));
        assert!(matches!(new(levels(), Bytes::new(vec![0; 15])), Err(Error::Shape(_))));
    }

    #[test]
    fn a_part_of_a_file_is_not_copied() {
        let file = Arc::new(vec![1_u8, 2, 3, 4]);
        let part = Bytes::part(&file, &file[1..3]);
        assert_eq!(part.get(), [2, 3]);
        assert_eq!(part.get().as_ptr(), file[1..].as_ptr());
        assert_eq!(Bytes::part(&file, &[7, 8]).get(), [7, 8]);
    }
}
