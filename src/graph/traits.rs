//! What is known of each operation beside its formula: one row each.

use super::op::{of_every_network, of_training};
use super::{Activation, Conv2d, Norm, Op};

/// What an input is to the operation that reads it. It decides how the tensor lies in a GPU's memory where it is an
/// input or a parameter of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A picture, a matrix or a vector.
    Tensor,
    /// The same, and where it is a flattened picture ([`Op::Flatten`]) the operation reads the picture as it lies.
    Features,
    /// The kernel of a convolution.
    Kernel,
    /// The weight of a linear layer over the first input.
    LinearWeight,
    /// The weight of a linear layer that another operation computes: it lies as that one asks.
    SharedWeight,
    /// The weight of a linear layer with one result, read as a vector.
    Row,
    /// A weight that spectral normalisation sees as a matrix.
    SpectralWeight,
    /// The vector v that is multiplied with the spectral weight at that position.
    SpectralV(usize),
}

/// The row of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    /// What each input is. An operation takes so many.
    pub(crate) operands: &'static [Operand],
    /// Whether the CPU executor makes the result of the first input, in its memory, where nobody else reads that one.
    pub(crate) in_place: bool,
    /// Into how many of the inputs, the first ones, gradients go on. The others are detached by definition, or the
    /// result is constant in them but for jumps.
    #[cfg_attr(not(feature = "training"), allow(dead_code, reason = "only gradients ask"))]
    pub(crate) open: usize,
    /// Whether a picture that it gives is computed a second time for the gradients, where memory is short
    /// ([`super::recompute`]).
    #[cfg_attr(not(feature = "training"), allow(dead_code, reason = "only gradients ask"))]
    pub(crate) again: bool,
}

/// The row of an operation with these inputs, with gradients at all of them.
const fn takes(operands: &'static [Operand]) -> Traits {
    Traits { operands, in_place: false, open: operands.len(), again: false }
}

impl Traits {
    const fn in_place(self) -> Self {
        Self { in_place: true, ..self }
    }

    /// With gradients at the first `open` inputs only.
    const fn open(self, open: usize) -> Self {
        Self { open, ..self }
    }

    const fn again(self) -> Self {
        Self { again: true, ..self }
    }

    /// How many inputs the operation takes.
    pub(crate) const fn arity(&self) -> usize {
        self.operands.len()
    }
}

impl Op {
    /// The operation's row.
    pub(crate) fn traits(&self) -> Traits {
        use Operand::{Features, Kernel, LinearWeight, Row, SharedWeight, SpectralV, SpectralWeight, Tensor};
        // The most that an operation takes: a normalisation with three parameters and a residual.
        const TENSORS: &[Operand] = &[Tensor; 5];

        match self {
            Self::Input | Self::Parameter => takes(&[]),
            Self::Conv2d(Conv2d { bias: false, .. }) => takes(&[Tensor, Kernel]).again(),
            Self::Conv2d(Conv2d { bias: true, .. }) => takes(&[Tensor, Kernel, Tensor]).again(),
            Self::Linear { bias: false, .. } => takes(&[Features, LinearWeight]),
            Self::Linear { bias: true, .. } => takes(&[Features, LinearWeight, Tensor]),
            Self::Norm(Norm { kind, residual, .. }) => {
                let row = takes(&TENSORS[..1 + kind.parameters() + usize::from(*residual)]).in_place();
                // The end of a residual block, from which the next one is computed anew.
                if *residual { row } else { row.again() }
            }
            Self::NormCoefficients(Norm { kind, .. }) => takes(&TENSORS[..1 + kind.parameters()]).open(0),
            Self::ReflectionPad2d(_) | Self::UpsampleNearest2x => takes(&[Tensor]).again(),
            Self::Activation(_) | Self::Scale(_) => takes(&[Tensor]).in_place().again(),
            Self::Above(_) | Self::Flatten => takes(&[Tensor]).in_place(),
            Self::Add => takes(&[Tensor, Tensor]).in_place().again(),
            Self::AddScalar => takes(&[Row, Tensor]),
            Self::GlobalAvgPool | Self::GlobalMaxPool | Self::SumChannels => takes(&[Tensor]),
            Self::Concat | Self::Stack => takes(&[Tensor, Tensor]).again(),
            Self::Samples { .. } => takes(&[Tensor]).again(),
            Self::CamWeight => takes(&[Kernel, Row, Row]),

            Self::Mse { .. }
            | Self::BceWithLogits { .. }
            | Self::Mean
            | Self::Hinge { .. }
            | Self::GradientPenalty { .. } => takes(&[Tensor]),
            Self::L1 => takes(&[Tensor, Tensor]),
            Self::Interpolate => takes(&[Tensor, Tensor, Tensor]),

            Self::PowerIterationV => takes(&[SpectralWeight, Tensor]).open(0),
            Self::PowerIterationU => takes(&[SpectralWeight, SpectralV(0)]).open(0),
            Self::SpectralSigma => takes(&[SpectralWeight, Tensor, SpectralV(0)]).open(0),
            // The vectors u and v have no gradient, and that of sigma is part of the weight's.
            Self::SpectralNorm => takes(&[SpectralWeight, Tensor, Tensor, SpectralV(0)]).open(1),
            Self::SpectralNormGrad => takes(&[SpectralWeight, SpectralWeight, Tensor, Tensor, SpectralV(1)]),

            // As for one batch: what goes through sigma is part of the weight's gradient.
            Self::SpectralDivide { bias: false, .. } => {
                const ROW: &[Operand] =
                    &[Tensor, SpectralWeight, Tensor, Tensor, SpectralV(1), Tensor, Tensor, SpectralV(1)];
                takes(ROW).in_place().open(2).again()
            }
            Self::SpectralDivide { bias: true, .. } => {
                const ROW: &[Operand] = &[
                    Tensor,
                    SpectralWeight,
                    Tensor,
                    Tensor,
                    Tensor,
                    SpectralV(1),
                    Tensor,
                    Tensor,
                    SpectralV(1),
                ];
                takes(ROW).in_place().open(3).again()
            }
            Self::SpectralDivideGrad(_) => takes(&TENSORS[..4]).in_place(),
            Self::SpectralBiasGrad => takes(&TENSORS[..3]),
            Self::SpectralSigmaGrad { bias: false, .. } => {
                takes(&[Tensor, Tensor, SpectralWeight, Tensor, SpectralV(2), Tensor, SpectralV(2)])
            }
            Self::SpectralSigmaGrad { bias: true, .. } => {
                takes(&[Tensor, Tensor, SpectralWeight, Tensor, Tensor, SpectralV(2), Tensor, SpectralV(2)])
            }

            Self::Conv2dGradInput { .. } => takes(&[Tensor, Kernel]),
            Self::Conv2dGradWeight { .. } => takes(&[Tensor, Tensor]),
            Self::SumPixels | Self::SumRows | Self::SumColumns => takes(&[Tensor]),
            Self::LinearGradInput => takes(&[Tensor, SharedWeight]),
            Self::LinearGradWeight => takes(&[Features, Tensor]),
            // Beta is not needed.
            Self::NormGrad { norm, .. } => takes(&TENSORS[..2 + norm.kind.parameters().saturating_sub(1)]),
            Self::ActivationGrad(Activation::Tanh) => takes(&[Tensor, Tensor]).in_place(),
            Self::ActivationGrad(Activation::Identity | Activation::Relu | Activation::LeakyRelu(_)) => {
                takes(&[Tensor, Tensor]).in_place().open(1)
            }
            Self::ReflectionPad2dGrad(_)
            | Self::UpsampleNearest2xGrad
            | Self::GlobalAvgPoolGrad { .. }
            | Self::BroadcastChannels(_)
            | Self::SamplesGrad { .. }
            | Self::SliceColumns { .. } => takes(&[Tensor]),
            Self::Unflatten { .. } => takes(&[Tensor]).in_place(),
            Self::GlobalMaxPoolGrad | Self::AtMaximum => takes(&[Tensor, Tensor]).open(1),
            Self::CamWeightGrad(_) => takes(&[Kernel, Kernel, Row, Row]),
            Self::MseGrad { .. } | Self::BceWithLogitsGrad { .. } | Self::GradientPenaltyGrad { .. } => {
                takes(&[Tensor])
            }
            Self::MeanGrad { .. } | Self::HingeGrad { .. } => takes(&[Tensor]).open(0),
            Self::L1Grad { .. } => takes(&[Tensor, Tensor]).open(0),
        }
    }

    /// Where an activation goes that follows, if the operation has room for one.
    pub(super) fn epilogue(&mut self) -> Option<&mut Activation> {
        match self {
            Self::Conv2d(conv) => Some(&mut conv.activation),
            Self::Linear { activation, .. } | Self::SpectralDivide { activation, .. } => Some(activation),
            // With a residual the activation would come before the sum.
            Self::Norm(norm) if !norm.residual => Some(&mut norm.activation),
            #[expect(unreachable_patterns, reason = "the first list names those above too")]
            of_every_network!() | of_training!() => None,
        }
    }
}
