//! The operations of the graph.
//!
//! An operation is plain data; what it computes is defined by its documentation here, by the
//! CPU executor ([`crate::cpu`]) and, on the GPU, by the kernels under `shaders/`. All
//! formulas are in the official layout: images `[N, C, H, W]`, matrices row-major.

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

/// Spatial attributes of [`Op::Conv2d`]. As a model states them, `pad` is 0 and `upsample`
/// false; [`super::fuse`] folds a preceding padding and upsampling in.
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

/// What [`Op::Norm`] normalises over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Instance normalisation without parameters: over `(H, W)`, biased variance
    /// (`torch.nn.InstanceNorm2d(affine=False)`).
    Instance,
    /// Adaptive layer-instance normalisation (paper, eq. 1; official `adaILN` and `ILN`):
    /// `rho * IN(x) + (1 - rho) * LN(x)`, then `* gamma + beta`; unbiased variances
    /// (`torch.var`). Inputs `rho` `[1, C, 1, 1]`, `gamma` and `beta` `[N, C]` (AdaLIN) or
    /// `[1, C, 1, 1]` (LIN, the same for each sample).
    LayerInstance,
}

/// Attributes of [`Op::Norm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// What is normalised over.
    pub kind: NormKind,
    /// Added to the variance inside the square root.
    pub eps: f32,
    /// Applied last, but before the residual.
    pub activation: Activation,
    /// Whether the last input is added to the result (no activation after the sum).
    pub residual: bool,
}

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
    /// x, then `rho, gamma, beta` for [`NormKind::LayerInstance`], then the residual if any.
    Norm(Norm),
    /// Pointwise, any shape.
    Activation(Activation),
    /// a, b of one shape → `a + b`.
    Add,
    /// `[N, C, H, W]` → `[N, C]`: the mean over `(H, W)`.
    GlobalAvgPool,
    /// `[N, C, H, W]` → `[N, C]`: the maximum over `(H, W)`.
    GlobalMaxPool,
    /// `[N, C, H, W]` → `[N, 1, H, W]`: the sum over channels (the attention heat-map).
    SumChannels,
    /// `[N, A]`, `[N, B]` → `[N, A+B]`: columns side by side.
    Concat,
    /// `[N, C, H, W]` → `[N, C*H*W]`, in C, H, W order.
    Flatten,
    /// conv1x1 weight `[O, 2C, 1, 1]`, gap weight `[1, C]`, gmp weight `[1, C]` →
    /// `[O, C, 1, 1]`: `w[o,c] * gap[c] + w[o,C+c] * gmp[c]`.
    ///
    /// The CAM block convolves `cat([x * gap, x * gmp])` with a 1x1 kernel (official
    /// `networks.py`). Both factors are per channel, so they move into the kernel: the same
    /// numbers with half the multiplications and without the doubled tensor.
    CamWeight,
}
