//! Features of pictures by a network of random weights, which anyone can compute again: three convolutions
//! with ReLU, the means of whose channels over a grid of cells are the features.
//!
//! Of a picture in -1..1: 5x5 to 16 channels, 3x3 to 32, 3x3 to 64, each with stride 2 and reflected edges, no
//! bias. A weight is normal with deviation `sqrt(2 / fan_in)`: SplitMix64 with the layer's number as its seed,
//! two numbers for each weight by Box and Muller's formula, in the order of `[O, I, K, K]`. Each of the 112
//! channels gives its mean over each cell of a grid of 4x4: 1,792 features, which [`Scale`] then makes
//! comparable.

use anyhow::{Result, ensure};
use ugatit::Tensor;
use ugatit::cpu;
use ugatit::graph::{Activation, Conv2d, Graph, NodeId, Op, fuse};
use ugatit::io::Picture;
use ugatit::random::Random;

/// Inputs, outputs and kernel of the layers.
const LAYERS: [[usize; 3]; 3] = [[3, 16, 5], [16, 32, 3], [32, 64, 3]];
/// Cells of the grid on each side.
const GRID: usize = 4;

/// The network, for pictures of one size.
pub(super) struct Features {
    graph: Graph,
    layers: Vec<NodeId>,
    weights: Vec<Tensor>,
}

impl Features {
    /// For pictures of `size` x `size`.
    pub(super) fn new(size: usize) -> Result<Self> {
        ensure!(size >= 32, "pictures of {size} pixels are too small; 32 are needed");
        let mut graph = Graph::new();
        let mut x = graph.input("x", [1, 3, size, size]);
        let (mut layers, mut weights) = (vec![], vec![]);
        for (index, [inputs, outputs, kernel]) in LAYERS.into_iter().enumerate() {
            let shape = [outputs, inputs, kernel, kernel];
            let mut random = Random::seeded(index as u64);
            let deviation = (2.0 / (inputs * kernel * kernel) as f64).sqrt();
            let count: usize = shape.iter().product();
            let data = (0..count).map(|_| (deviation * random.normal()) as f32).collect();
            weights.push(Tensor::new(shape, data)?);
            let weight = graph.parameter(index.to_string(), shape);
            let padded = graph.add(Op::ReflectionPad2d(kernel / 2), &[x])?;
            let conv =
                Conv2d { stride: 2, pad: 0, upsample: false, bias: false, activation: Activation::Relu };
            x = graph.add(Op::Conv2d(conv), &[padded, weight])?;
            layers.push(x);
        }
        let (graph, layers) = fuse(&graph, &layers);
        Ok(Self { graph, layers, weights })
    }

    /// The features of a picture of three channels.
    pub(super) fn of(&self, picture: &Picture) -> Result<Vec<f64>> {
        let x = picture.to_tensor()?;
        let feed = |name: &str| match name {
            "x" => Some(&x),
            _ => name.parse::<usize>().ok().and_then(|index| self.weights.get(index)),
        };
        let layers = cpu::run(&self.graph, &self.layers, &feed)?;
        Ok(layers.iter().flat_map(cells).collect())
    }
}

/// The mean of each channel of `[1, C, S, S]` over each cell of the grid.
fn cells(layer: &Tensor) -> Vec<f64> {
    let Some([_, channels, side, _]) = layer.shape().nchw() else { return vec![] };
    let edge = |cell: usize| cell * side / GRID;
    let mut means = Vec::with_capacity(channels * GRID * GRID);
    for channel in layer.data().chunks(side * side) {
        for cell in 0..GRID * GRID {
            let [rows, columns] = [cell / GRID, cell % GRID].map(|i| edge(i)..edge(i + 1));
            let count = (rows.len() * columns.len()) as f64;
            let sum: f64 =
                rows.flat_map(|y| &channel[y * side..][columns.clone()]).map(|v| f64::from(*v)).sum();
            means.push(sum / count);
        }
    }
    means
}

/// Brings features to mean 0, each for itself, and to deviation 1, all by one number: a feature that is nearly
/// the same in all real pictures does not outweigh the others where a translation differs in it.
pub(super) struct Scale {
    mean: Vec<f64>,
    deviation: f64,
}

impl Scale {
    /// Of the features of one or more pictures.
    pub(super) fn of(rows: &[Vec<f64>]) -> Result<Self> {
        let width = rows.first().map_or(0, Vec::len);
        ensure!(width > 0, "there are no pictures to compare with");
        let count = rows.len() as f64;
        let mean: Vec<f64> = (0..width).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count).collect();
        let squares = rows.iter().flat_map(|row| row.iter().zip(&mean)).map(|(x, m)| (x - m).powi(2));
        let variance = squares.sum::<f64>() / (count * width as f64);
        ensure!(variance > 0.0, "all pictures to compare with are the same");
        Ok(Self { mean, deviation: variance.sqrt() })
    }

    /// The features in this scale.
    pub(super) fn apply(&self, row: &[f64]) -> Vec<f64> {
        row.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.deviation).collect()
    }
}

#[cfg(test)]
mod tests {
    use ugatit::io::Picture;

    use super::{Features, Random, Scale};

    /// The first numbers of SplitMix64 with seed 0, as its authors' program gives them.
    #[test]
    fn the_random_numbers_are_the_known_ones() {
        let mut random = Random::seeded(0);
        assert_eq!([random.bits(), random.bits()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn features_are_of_places_and_the_same_every_time() {
        let features = Features::new(32).unwrap();
        let picture = |left: u8, right: u8| {
            let row: Vec<u8> = (0..32).flat_map(|x| [if x < 16 { left } else { right }; 3]).collect();
            Picture::new(32, 32, 3, row.repeat(32)).unwrap()
        };
        let [grey, white] = [picture(128, 128), picture(255, 255)].map(|p| features.of(&p).unwrap());
        let half = features.of(&picture(128, 255)).unwrap();
        assert_eq!((grey.len(), &grey), (1792, &Features::new(32).unwrap().of(&picture(128, 128)).unwrap()));
        // The first and the last cell of a row of the first layer see one half only.
        assert!((half[0] - grey[0]).abs() < 1e-6 && (half[3] - white[3]).abs() < 1e-6);
        assert!(grey != white && half != grey);
        assert!(Features::new(16).is_err());
    }

    #[test]
    fn scaled_features_have_mean_nothing_and_deviation_one() {
        let rows = [vec![1.0, 5.0], vec![3.0, 5.0]];
        let scale = Scale::of(&rows).unwrap();
        let side = 2.0_f64.sqrt();
        assert!(
            rows.map(|row| scale.apply(&row))
                .concat()
                .iter()
                .zip([-side, 0.0, side, 0.0])
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
        assert!(Scale::of(&vec![vec![1.0]; 2]).is_err());
        assert!(Scale::of(&[]).is_err());
    }
}
