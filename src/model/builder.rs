//! The layers that generators repeat.

use crate::error::Result;
use crate::graph::{Activation, Conv2d, Graph, NodeId, Norm, NormKind, Op};

use super::decoder_norm::DecoderNorm;
use super::dialect::Form;

/// The variance's guard in every normalisation.
const EPS: f32 = 1e-5;

/// A generator that is being built.
pub(super) struct Builder<'a> {
    pub(super) graph: &'a mut Graph,
    pub(super) form: &'static Form,
    pub(super) decoder_norm: DecoderNorm,
    pub(super) prefix: &'a str,
    pub(super) stages: Vec<(String, NodeId)>,
}

impl Builder<'_> {
    pub(super) fn parameter<const N: usize>(&mut self, key: &str, shape: [usize; N]) -> NodeId {
        self.graph.parameter(format!("{}{key}", self.prefix), shape)
    }

    /// An operation whose result bears an official module's name.
    pub(super) fn stage(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let id = self.graph.add(op, inputs)?;
        self.stages.push((name.into(), id));
        Ok(id)
    }

    /// Reflection padding by half the window, then a convolution without bias.
    pub(super) fn conv(
        &mut self,
        x: NodeId,
        module: &str,
        shape: [usize; 4],
        stride: usize,
    ) -> Result<NodeId> {
        self.convolution(x, module, shape, stride, false)
    }

    /// A convolution of the decoder: with a bias where the dialect has one.
    pub(super) fn decoder_conv(&mut self, x: NodeId, module: &str, shape: [usize; 4]) -> Result<NodeId> {
        self.convolution(x, module, shape, 1, self.form.decoder_bias)
    }

    pub(super) fn convolution(
        &mut self,
        x: NodeId,
        module: &str,
        shape: [usize; 4],
        stride: usize,
        bias: bool,
    ) -> Result<NodeId> {
        let mut inputs = vec![x, self.parameter(&format!("{module}.weight"), shape)];
        if bias {
            inputs.push(self.parameter(&format!("{module}.bias"), [shape[0]]));
        }
        if shape[2] > 1 {
            inputs[0] = self.graph.add(Op::ReflectionPad2d(shape[2] / 2), &[x])?;
        }
        let conv = Conv2d { stride, pad: 0, upsample: false, bias, activation: Activation::Identity };
        self.graph.add(Op::Conv2d(conv), &inputs)
    }

    /// A fully connected layer, with a bias where the dialect has one.
    pub(super) fn linear(&mut self, x: NodeId, module: &str, shape: [usize; 2]) -> Result<NodeId> {
        let bias = self.form.linear_bias;
        let mut inputs = vec![x, self.parameter(&format!("{module}.weight"), shape)];
        if bias {
            inputs.push(self.parameter(&format!("{module}.bias"), [shape[0]]));
        }
        self.graph.add(Op::Linear { bias, activation: Activation::Identity }, &inputs)
    }

    pub(super) fn relu(&mut self, x: NodeId) -> Result<NodeId> {
        self.graph.add(Op::Activation(Activation::Relu), &[x])
    }

    /// Instance normalisation without parameters.
    pub(super) fn instance_norm(&mut self, x: NodeId) -> Result<NodeId> {
        self.norm(NormKind::Instance, &[x])
    }

    /// A normalisation of the encoder, over `channels`.
    pub(super) fn encoder_norm(&mut self, x: NodeId, module: &str, channels: usize) -> Result<NodeId> {
        if self.form.affine_encoder { self.own_norm(x, module, channels) } else { self.instance_norm(x) }
    }

    /// A normalisation of the decoder that has no rho, over `channels`: with the `given` gamma and beta, or its own.
    pub(super) fn decoder_norm(
        &mut self,
        x: NodeId,
        module: &str,
        channels: usize,
        given: Option<[NodeId; 2]>,
    ) -> Result<NodeId> {
        let [gamma, beta] = match given {
            Some(given) => given,
            None => {
                ["gamma", "beta"].map(|name| self.parameter(&format!("{module}.{name}"), [1, channels, 1, 1]))
            }
        };
        self.norm(self.decoder_norm.kind(channels), &[x, gamma, beta])
    }

    /// A layer-instance normalisation with its own gamma and beta.
    pub(super) fn own_norm(&mut self, x: NodeId, module: &str, channels: usize) -> Result<NodeId> {
        let [rho, gamma, beta] = ["rho", "gamma", "beta"]
            .map(|name| self.parameter(&format!("{module}.{name}"), [1, channels, 1, 1]));
        self.layer_instance_norm(x, rho, gamma, beta)
    }

    pub(super) fn layer_instance_norm(
        &mut self,
        x: NodeId,
        rho: NodeId,
        gamma: NodeId,
        beta: NodeId,
    ) -> Result<NodeId> {
        self.norm(NormKind::LayerInstance, &[x, rho, gamma, beta])
    }

    fn norm(&mut self, kind: NormKind, inputs: &[NodeId]) -> Result<NodeId> {
        let (unbiased, activation) = (self.form.unbiased, Activation::Identity);
        self.graph.add(Op::Norm(Norm { kind, eps: EPS, unbiased, activation, residual: false }), inputs)
    }
}
