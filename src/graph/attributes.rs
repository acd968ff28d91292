//! What operations are told beside their inputs.

/// A pointwise function, fused into the operation that produces its argument.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Activation {
    /// `x`
    #[default]
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `x` where positive, else `slope * x`.
    LeakyRelu(f32),
    /// `tanh(x)`
    Tanh,
}

impl Activation {
    /// Each of them once, for whoever walks them: `src/operations.rs` demands each variant, `tests/activations.rs` a code
    /// in `shaders/constants.toml` and one result on a GPU and on the processor.
    pub const EACH: [Self; 4] = [Self::Identity, Self::Relu, Self::LeakyRelu(0.2), Self::Tanh];

    /// Whether the argument can be found from the result, as exactly as that is known.
    pub(crate) fn is_invertible(self) -> bool {
        match self {
            Self::Identity => true,
            Self::LeakyRelu(slope) => slope > 0.0,
            // Of tanh near 1 nothing is left.
            Self::Relu | Self::Tanh => false,
        }
    }
}

/// Spatial attributes of [`Op::Conv2d`](super::Op::Conv2d). As a model states them, `pad` is 0 and `upsample`
/// false; `fuse` folds a preceding padding and upsampling in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Distance between the windows of neighbouring outputs.
    pub stride: usize,
    /// Reflection padding on each of the four sides, applied after `upsample`.
    pub pad: usize,
    /// Whether the input is first doubled by nearest neighbour.
    pub upsample: bool,
    /// Whether a bias `[out]` is the third input.
    pub bias: bool,
    /// Applied to the sum.
    pub activation: Activation,
}

/// What [`Op::Norm`](super::Op::Norm) normalises over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormKind {
    /// Instance normalisation without parameters: over `(H, W)`, biased variance
    /// (`torch.nn.InstanceNorm2d(affine=False)`).
    Instance,
    /// Adaptive layer-instance normalisation (paper, eq. 1; official `adaILN` and `ILN`):
    /// `rho * IN(x) + (1 - rho) * LN(x)`, then `* gamma + beta`. Inputs `rho` `[1, C, 1, 1]`,
    /// `gamma` and `beta` `[N, C]` (AdaLIN) or `[1, C, 1, 1]` (LIN, the same for each sample).
    /// With rho 1 it is an instance normalisation with a factor and a summand for each channel.
    LayerInstance,
    /// Group normalisation (Wu & He, 2018; `torch.nn.GroupNorm`): over `(H, W)` and so many groups of
    /// neighbouring channels, biased variance, then `* gamma + beta`. One group is layer normalisation, as many
    /// as there are channels instance normalisation. Inputs `gamma` and `beta` as for
    /// [`NormKind::LayerInstance`].
    Group {
        /// How many, a divisor of the channels.
        groups: usize,
    },
}

impl NormKind {
    /// How many inputs there are beside the tensor: gamma and beta are the last two.
    pub fn parameters(self) -> usize {
        match self {
            Self::Instance => 0,
            Self::LayerInstance => 3,
            Self::Group { .. } => 2,
        }
    }
}

/// The input of [`Op::Norm`](super::Op::Norm) that [`Op::NormGrad`](super::Op::NormGrad) gives the gradient of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormInput {
    /// The tensor that is normalised.
    X,
    /// The mixture of instance and layer normalisation.
    Rho,
    /// The factor after it.
    Gamma,
    /// The summand after that.
    Beta,
}

/// The input of [`Op::CamWeight`](super::Op::CamWeight) that [`Op::CamWeightGrad`](super::Op::CamWeightGrad) gives the gradient of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CamInput {
    /// The kernel of `conv1x1`.
    Mix,
    /// The weight of the average-pooled classifier.
    Gap,
    /// The weight of the maximum-pooled classifier.
    Gmp,
}

/// Attributes of [`Op::Norm`](super::Op::Norm).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// What is normalised over.
    pub kind: NormKind,
    /// Added to the variance inside the square root.
    pub eps: f32,
    /// Whether the variances of [`NormKind::LayerInstance`] are divided by one less than the number
    /// of elements (`torch.var`), else by that number (`tf.nn.moments`). Only looked at for
    /// [`NormKind::LayerInstance`].
    pub unbiased: bool,
    /// Applied last, but before the residual.
    pub activation: Activation,
    /// Whether the last input is added to the result (no activation after the sum).
    pub residual: bool,
}
