//! The operations of the graph.
//!
//! An operation is plain data; what it computes is defined by its documentation here, by the
//! CPU executor ([`crate::cpu`]) and, on the GPU, by the kernels under `shaders/`. All
//! formulas are in the official layout: images `[N, C, H, W]`, matrices row-major.

#[cfg(not(feature = "training"))]
use crate::error::Error;

use super::attributes::{Activation, CamInput, Conv2d, Norm, NormInput};

/// One operation. The comment on each gives its inputs and output.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A tensor uploaded before each run. No inputs.
    Input,
    /// A tensor of the model, by its official `state_dict` key. No inputs.
    Parameter,
    /// `[N, C, H, W]` → `[N, C, H+2p, W+2p]`: `nn.ReflectionPad2d(p)`.
    ReflectionPad2d(usize),
    /// `[N, C, H, W]` → `[N, C, 2H, 2W]`: nearest neighbour.
    UpsampleNearest2x,
    /// x `[N, I, H, W]`, weight `[O, I, K, K]`, bias `[O]` if any → `[N, O, H', W']`:
    /// cross-correlation.
    Conv2d(Conv2d),
    /// x `[N, K]`, weight `[M, K]`, bias `[M]` if any → `[N, M]`: `x · weightᵀ + bias`.
    Linear {
        /// Whether a bias `[M]` is the third input.
        bias: bool,
        /// Applied to the sum.
        activation: Activation,
    },
    /// x, then the parameters of the [`NormKind`](super::NormKind), then the residual if any.
    Norm(Norm),
    /// As [`Op::Norm`] without the residual → `[N, 3, C]`: what the normalisation does to each
    /// channel, as the rows `shift`, `a` and `b` of `a * (x - shift) + b`. Activation and residual
    /// of the attributes are not looked at. Has no gradient.
    NormCoefficients(Norm),
    /// Pointwise, any shape.
    Activation(Activation),
    /// a, b of one shape → `a + b`.
    Add,
    /// `[N, C, H, W]` → `[N, C]`: the mean over `(H, W)`.
    GlobalAvgPool,
    /// `[N, C, H, W]` → `[N, C]`: the maximum over `(H, W)`; NaN where one of them is.
    GlobalMaxPool,
    /// `[N, C, H, W]` → `[N, 1, H, W]`: the sum over channels (the attention heat-map).
    SumChannels,
    /// `[N, A]`, `[N, B]` → `[N, A+B]`: columns side by side; or `[N, A, H, W]`, `[N, B, H, W]` →
    /// `[N, A+B, H, W]`: channels.
    Concat,
    /// `[N, …]`, `[M, …]` → `[N+M, …]`: samples one after the other.
    Stack,
    /// `[N, …]` → `[count, …]`: the samples from `first` on.
    Samples {
        /// The first sample.
        first: usize,
        /// How many.
        count: usize,
    },
    /// `[N, C, H, W]` → `[N, C*H*W]`, in C, H, W order.
    Flatten,
    /// conv1x1 weight `[O, 2C, 1, 1]`, gap weight `[1, C]`, gmp weight `[1, C]` →
    /// `[O, C, 1, 1]`: `w[o,c] * gap[c] + w[o,C+c] * gmp[c]`.
    ///
    /// The CAM block convolves `cat([x * gap, x * gmp])` with a 1x1 kernel (official
    /// `networks.py`). Both factors are per channel, so they move into the kernel: the same
    /// numbers with half the multiplications and without the doubled tensor.
    CamWeight,

    /// w `[1, K]` (the weight of a linear layer with one result), b `[1]` → `[1, K]`: `w + b`.
    AddScalar,

    /// Any shape → `factor * x`.
    Scale(f32),
    /// Any shape → `max(x - threshold, 0)`, the threshold not being negative; NaN stays NaN.
    Above(f32),

    // ---- losses: means over all elements, a scalar `[]` ----
    /// x → `mean((x - target)²)`: `nn.MSELoss` against a constant.
    Mse {
        /// What every element should be.
        target: f32,
    },
    /// x, t of one shape → `mean(|x - t|)`: `nn.L1Loss`.
    L1,
    /// x → `mean(max(x, 0) - x * target + ln(1 + exp(-|x|)))`: `nn.BCEWithLogitsLoss` against
    /// a constant, in the form that does not overflow.
    BceWithLogits {
        /// The probability that every logit should stand for.
        target: f32,
    },

    /// x → `mean(x)`.
    Mean,
    /// x → `mean(max(0, 1 - target * x))`.
    Hinge {
        /// 1 or -1: on which side of 0 every element should be.
        target: f32,
    },
    /// g `[N, …]`, a gradient at N samples → the mean over them of `(|g_n| - 1)²` with Euclidean norms: the gradient
    /// penalty of WGAN-GP (Gulrajani et al., 2017).
    GradientPenalty {
        /// Whether norms below 1 cost nothing: `max(0, |g_n| - 1)²` (WGAN-LP; Petzka et al., 2018).
        one_sided: bool,
    },
    /// a, b of one shape `[N, …]`, share `[N, 1]` → `a + share * (b - a)`.
    Interpolate,

    // ---- spectral normalisation: the weight as a matrix W [out, rest] ----
    /// W, u `[out]` → v `[rest]`: `Wᵀu / max(|Wᵀu|, 1e-12)`. Has no gradient.
    PowerIterationV,
    /// W, v `[rest]` → u `[out]`: `Wv / max(|Wv|, 1e-12)`. Has no gradient.
    PowerIterationU,
    /// W, u `[out]`, v `[rest]` → `[1]`: `u · (W v)`. Its gradient is part of that of
    /// [`Op::SpectralNorm`].
    SpectralSigma,
    /// W, sigma `[1]`, u `[out]`, v `[rest]` → `W / sigma`, in the shape of W (official old
    /// `torch.nn.utils.spectral_norm`). `sigma` must be [`Op::SpectralSigma`] of the same W, u
    /// and v; the result does not need u and v, only the gradient does.
    SpectralNorm,
    /// x `[2N, M, …]`, the bare sums of a convolution or a linear layer with the weight W over two batches, one behind
    /// the other; W; bias `[M]` if any; sigma `[1]`, u `[out]` and v `[rest]` of the first batch, then of the second →
    /// `activation(x_n / sigma_n + bias)`: the layer under spectral normalisation, with a power iteration before each
    /// batch. Each sigma must be [`Op::SpectralSigma`] of W with its u and v, which only the gradient needs.
    SpectralDivide {
        /// Whether a bias `[M]` is the third input.
        bias: bool,
        /// Applied last: none, or a leaky relu whose slope is above 0.
        activation: Activation,
    },

    // ---- gradients: `g` is the gradient at the result of the operation in the name ----
    /// g `[N, O, H', W']`, weight `[O, I, K, K]` → `[N, I, height, width]`: the adjoint of
    /// [`Op::Conv2d`] in its input. What the reflection padding copied is folded back at the
    /// borders, what the upsampling copied is summed. `bias` and `activation` of the attributes
    /// are not looked at: `g` is the gradient at the bare sum.
    Conv2dGradInput {
        /// The convolution.
        conv: Conv2d,
        /// Height of the convolution's input.
        height: usize,
        /// Width of the convolution's input.
        width: usize,
    },
    /// x `[N, I, H, W]`, g `[N, O, H', W']` → `[O, I, kernel]`: the adjoint of [`Op::Conv2d`]
    /// in its weight; attributes as for [`Op::Conv2dGradInput`].
    Conv2dGradWeight {
        /// The convolution.
        conv: Conv2d,
        /// Height and width of the kernel.
        kernel: [usize; 2],
    },
    /// `[N, C, H, W]` → `[C]`: the sum over samples and pixels (the gradient of a bias).
    SumPixels,
    /// `[N, M]` → `[M]`: the sum over rows (the gradient of a linear layer's bias).
    SumRows,
    /// `[1, K]` → `[1]`: the sum (the gradient of the summand of [`Op::AddScalar`]).
    SumColumns,
    /// g `[N, M]`, weight `[M, K]` → `[N, K]`: `g · weight`.
    LinearGradInput,
    /// x `[N, K]`, g `[N, M]` → `[M, K]`: `gᵀ · x`.
    LinearGradWeight,
    /// g, x, then the parameters of the [`NormKind`](super::NormKind) but beta → the shape of the input asked
    /// for (for beta: of gamma), through the means and variances too. `g` is the gradient
    /// before activation and residual, which are not looked at.
    ///
    /// With `i = (x - mean_I) / sqrt(var_I + eps)`, `l` the same with `mean_L`, `var_L`,
    /// `h = rho * i + (1 - rho) * l` and `d = g * gamma`:
    /// - beta: sum of `g`; gamma: sum of `g * h`, over the pixels, for a gamma `[1, C, 1, 1]`
    ///   over the samples too;
    /// - rho: sum of `d * (i - l)` over pixels and samples;
    /// - x: `N_I(rho * d) + N_L((1 - rho) * d)`, where
    ///   `N(e) = (e - mean(e) - n * mean(e * n) * (m / (m - 1))) / sqrt(var + eps)`,
    ///   `n` being `i` or `l`, means over the m elements that this `n` is normalised over, and
    ///   `m / (m - 1)` only where the variance is unbiased.
    ///
    /// For groups, `h = l` with the mean and the variance of the channel's group.
    NormGrad {
        /// The normalisation.
        norm: Norm,
        /// The input.
        wrt: NormInput,
    },
    /// g, y of one shape → `g * activation'(x)`, from the result `y = activation(x)`: relu
    /// `y > 0` (and NaN), leaky relu 1 where `y > 0`, else `slope` (at 0 too), tanh `1 - y²`.
    ActivationGrad(Activation),
    /// g `[N, C, H+2p, W+2p]` → `[N, C, H, W]`: each element gets the sum of its copies.
    ReflectionPad2dGrad(usize),
    /// g `[N, C, 2H, 2W]` → `[N, C, H, W]`: the sum of each 2x2; a quarter of it is `nn.AvgPool2d(2)`.
    UpsampleNearest2xGrad,
    /// g `[N, C]` → `[N, C, height, width]`: `g / (height * width)` everywhere.
    GlobalAvgPoolGrad {
        /// Height of the pooled tensor.
        height: usize,
        /// Width of the pooled tensor.
        width: usize,
    },
    /// g `[N, C]`, x `[N, C, H, W]` → `[N, C, H, W]`: `g` at the first maximum in row-major
    /// order, or at the last NaN if there is one, else 0.
    GlobalMaxPoolGrad,
    /// u `[N, C, H, W]`, x of the same shape → `[N, C]`: `u` where [`Op::GlobalMaxPoolGrad`] puts the gradient, at the
    /// first maximum of x (its adjoint).
    AtMaximum,
    /// g `[N, 1, H, W]` → `[N, channels, H, W]`: the same for each channel.
    BroadcastChannels(usize),
    /// g `[count, …]` → `[total, …]`: `g` from sample `first` on, before and behind it zeros.
    SamplesGrad {
        /// The first sample.
        first: usize,
        /// How many samples the result has.
        total: usize,
    },
    /// `[N, A]` → `[N, len]`: the columns from `start` on; or `[N, A, H, W]` → `[N, len, H, W]`: the
    /// channels.
    SliceColumns {
        /// The first column.
        start: usize,
        /// How many.
        len: usize,
    },
    /// `[N, C*H*W]` → `[N, C, H, W]`.
    Unflatten {
        /// Channels.
        channels: usize,
        /// Height.
        height: usize,
        /// Width.
        width: usize,
    },
    /// g `[O, C, 1, 1]`, then the inputs of [`Op::CamWeight`] → the shape of the input asked
    /// for. mix: `g[o,c] * gap[c]` beside `g[o,c] * gmp[c]`; gap: the sum over o of
    /// `g[o,c] * w[o,c]`; gmp: the sum over o of `g[o,c] * w[o,C+c]`.
    CamWeightGrad(CamInput),
    /// x of n elements → `scale * 2 * (x - target) / n`; `scale` is the gradient at the loss.
    MseGrad {
        /// As in [`Op::Mse`].
        target: f32,
        /// The weight of this loss.
        scale: f32,
    },
    /// x, t of n elements → `scale * sign(x - t) / n`, with `sign(0) = 0`.
    L1Grad {
        /// The weight of this loss; negative for the gradient of t.
        scale: f32,
    },
    /// x of n elements → `scale * (sigmoid(x) - target) / n`.
    BceWithLogitsGrad {
        /// As in [`Op::BceWithLogits`].
        target: f32,
        /// The weight of this loss.
        scale: f32,
    },
    /// x of n elements → `scale / n` everywhere, in the shape of x.
    MeanGrad {
        /// The weight of this loss.
        scale: f32,
    },
    /// x of n elements → `-scale * target / n` where `1 - target * x > 0` (and for NaN), else 0.
    HingeGrad {
        /// As in [`Op::Hinge`].
        target: f32,
        /// The weight of this loss.
        scale: f32,
    },
    /// g of N samples → `scale * 2 * (|g_n| - 1) / N * g_n / |g_n|`, and 0 where `|g_n|` is 0 or costs nothing.
    GradientPenaltyGrad {
        /// As in [`Op::GradientPenalty`].
        one_sided: bool,
        /// The weight of this loss.
        scale: f32,
    },
    /// g and W of one shape, sigma `[1]`, u `[out]`, v `[rest]` → the gradient at W of
    /// [`Op::SpectralNorm`] and [`Op::SpectralSigma`] together:
    /// `g / sigma - sum(g * W) / sigma² * u vᵀ`. None goes through u and v.
    SpectralNormGrad,
    /// g, y `[2N, M, …]`, sigma `[1]` of both batches → `g * activation'(x) / sigma_n`, from the result
    /// `y = activation(x)`: the gradient of [`Op::SpectralDivide`] at the sums.
    SpectralDivideGrad(Activation),
    /// d `[2N, M, …]`, a result of [`Op::SpectralDivideGrad`], sigma `[1]` of both batches → `[M]`: the sum of
    /// `sigma_n * d` over samples and pixels, which is the gradient at the bias.
    SpectralBiasGrad,
    /// d, y `[2N, M, …]`, W, bias `[M]` if any, u `[out]` and v `[rest]` of the first batch, then of the second → the
    /// gradient at W that goes through both sigmas: the sum over the batches of `-sum(d * s) * u vᵀ`, where `s` is what
    /// [`Op::SpectralDivide`] made of the sums before it added the bias, found from its result y.
    SpectralSigmaGrad {
        /// As in [`Op::SpectralDivide`].
        bias: bool,
        /// As in [`Op::SpectralDivide`].
        activation: Activation,
    },
}

/// The operations that every build computes, as a pattern. A new one belongs here or into [`of_training`], and nothing
/// compiles until it does.
macro_rules! of_every_network {
    () => {
        Op::Input
            | Op::Parameter
            | Op::Conv2d(_)
            | Op::Norm(_)
            | Op::NormCoefficients(_)
            | Op::Linear { .. }
            | Op::ReflectionPad2d(_)
            | Op::UpsampleNearest2x
            | Op::Activation(_)
            | Op::Add
            | Op::GlobalAvgPool
            | Op::GlobalMaxPool
            | Op::SumChannels
            | Op::Concat
            | Op::Flatten
            | Op::CamWeight
            | Op::AddScalar
            | Op::Scale(_)
            | Op::Above(_)
            | Op::UpsampleNearest2xGrad
    };
}
pub(crate) use of_every_network;

/// The operations that only a build with training computes, as a pattern.
macro_rules! of_training {
    () => {
        Op::Stack
            | Op::Samples { .. }
            | Op::SamplesGrad { .. }
            | Op::Mse { .. }
            | Op::L1
            | Op::BceWithLogits { .. }
            | Op::Mean
            | Op::Hinge { .. }
            | Op::GradientPenalty { .. }
            | Op::Interpolate
            | Op::PowerIterationV
            | Op::PowerIterationU
            | Op::SpectralSigma
            | Op::SpectralNorm
            | Op::SpectralNormGrad
            | Op::SpectralDivide { .. }
            | Op::SpectralDivideGrad(_)
            | Op::SpectralBiasGrad
            | Op::SpectralSigmaGrad { .. }
            | Op::Conv2dGradInput { .. }
            | Op::Conv2dGradWeight { .. }
            | Op::SumPixels
            | Op::SumRows
            | Op::SumColumns
            | Op::LinearGradInput
            | Op::LinearGradWeight
            | Op::NormGrad { .. }
            | Op::ActivationGrad(_)
            | Op::ReflectionPad2dGrad(_)
            | Op::GlobalAvgPoolGrad { .. }
            | Op::GlobalMaxPoolGrad
            | Op::AtMaximum
            | Op::BroadcastChannels(_)
            | Op::SliceColumns { .. }
            | Op::Unflatten { .. }
            | Op::CamWeightGrad(_)
            | Op::MseGrad { .. }
            | Op::L1Grad { .. }
            | Op::BceWithLogitsGrad { .. }
            | Op::MeanGrad { .. }
            | Op::HingeGrad { .. }
            | Op::GradientPenaltyGrad { .. }
    };
}
pub(crate) use of_training;

#[cfg(not(feature = "training"))]
impl Op {
    /// Why this build does not compute an operation of training.
    pub(crate) fn needs_training(&self) -> Error {
        Error::Config(format!(
            "{self:?} is a part of training, which this build lacks: its feature `training` is off"
        ))
    }
}
