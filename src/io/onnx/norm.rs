//! The normalisations.

use super::lower::Lowering;
use super::proto::{AttributeProto, FLOAT};

impl Lowering<'_> {
    /// ONNX has it as we need it: over the pixels, biased variance.
    pub(super) fn instance_norm(&mut self, name: &str, x: &str, channels: usize, eps: f32) -> String {
        let ones = self.floats(&format!("ones_{channels}"), &[channels], &vec![1.0; channels]);
        let zeros = self.floats(&format!("zeros_{channels}"), &[channels], &vec![0.0; channels]);
        let epsilon = AttributeProto::float("epsilon", eps);
        self.emit("InstanceNormalization", name, &[x, &ones, &zeros], vec![epsilon])
    }

    /// ONNX has it from opset 18 on. Before, a group is a channel of an instance normalisation:
    /// `[N, C, H, W]` as `[N, groups, C / groups * H * W]`. `gamma` and `beta` are `[N or 1, C, 1, 1]`.
    pub(super) fn group_norm(
        &mut self,
        name: &str,
        x: &str,
        [gamma, beta]: [&str; 2],
        [groups, channels]: [usize; 2],
        eps: f32,
    ) -> String {
        let part = |what: &str| format!("{name}/{what}");
        let normalised = if groups == channels {
            self.instance_norm(&part("instance_norm"), x, channels, eps)
        } else {
            let shape = self.emit("Shape", &part("shape"), &[x], vec![]);
            // 0 leaves the samples as they are.
            let grouped = self.integers(&format!("groups_{groups}"), &[0, groups as i64, -1]);
            let grouped = self.emit("Reshape", &part("groups"), &[x, &grouped], vec![]);
            let normalised = self.instance_norm(&part("group_norm"), &grouped, groups, eps);
            self.emit("Reshape", &part("channels"), &[&normalised, &shape], vec![])
        };
        let scaled = self.emit("Mul", &part("scaled"), &[&normalised, gamma], vec![]);
        self.emit("Add", name, &[&scaled, beta], vec![])
    }

    /// ONNX has none with unbiased variances. As in our kernels the two normalisations are one
    /// factor and one summand for each channel:
    ///
    /// ```text
    /// c   = x - mean_I                                       d = mean_I - mean_L
    /// s_I = 1 / sqrt(sum c² / (n - 1) + eps)                 n = H W
    /// s_L = 1 / sqrt(sum_channels (sum c² + n d²) / (C n - 1) + eps)
    /// y   = c (rho s_I + (1 - rho) s_L) gamma + (1 - rho) s_L d gamma + beta
    /// ```
    ///
    /// Sums of squares are of differences from the channel's mean, so that a large mean costs
    /// no digits. `rho`, `gamma` and `beta` are `[N or 1, C, 1, 1]`.
    pub(super) fn layer_instance_norm(
        &mut self,
        name: &str,
        x: &str,
        [rho, gamma, beta]: [&str; 3],
        channels: usize,
        eps: f32,
        unbiased: bool,
    ) -> String {
        let one = self.floats("one", &[], &[1.0]);
        let eps = self.floats(&format!("{eps:e}"), &[], &[eps]);
        let channel_count = self.floats(&format!("channels_{channels}"), &[], &[channels as f32]);
        let channel_axis = self.integers("axes_1", &[1]);
        let mut emit = |op_type: &str, what: &str, inputs: &[&str], attributes: Vec<AttributeProto>| {
            self.emit(op_type, &format!("{name}/{what}"), inputs, attributes)
        };
        let over = |axes: &[i64]| vec![AttributeProto::ints("axes", axes)];
        let extent = |at: i64| vec![AttributeProto::int("start", at), AttributeProto::int("end", at + 1)];

        // How many pixels a channel has is known at run time only.
        let height = emit("Shape", "height", &[x], extent(2));
        let width = emit("Shape", "width", &[x], extent(3));
        let pixels = emit("Mul", "pixels", &[&height, &width], vec![]);
        let pixels = emit("Cast", "n", &[&pixels], vec![AttributeProto::int("to", FLOAT.into())]);

        let mean_i = emit("ReduceMean", "mean_I", &[x], over(&[2, 3]));
        let mean_l = emit("ReduceMean", "mean_L", &[&mean_i], over(&[1]));
        let centred = emit("Sub", "centred", &[x, &mean_i], vec![]);
        let apart = emit("Sub", "mean_I-mean_L", &[&mean_i, &mean_l], vec![]);

        let squares_i = emit("ReduceSumSquare", "squares_I", &[&centred], over(&[2, 3]));
        let between = emit("Mul", "between", &[&apart, &apart], vec![]);
        let between = emit("Mul", "n_between", &[&between, &pixels], vec![]);
        let squares = emit("Add", "squares", &[&squares_i, &between], vec![]);
        let squares_l = emit("ReduceSum", "squares_L", &[&squares, &channel_axis], vec![]);

        let elements = emit("Mul", "Cn", &[&pixels, &channel_count], vec![]);
        let mut deviation = |of: &str, squares: &str, count: &str| {
            let divisor = match unbiased {
                true => emit("Sub", &format!("count_{of}"), &[count, &one], vec![]),
                false => count.to_owned(),
            };
            let variance = emit("Div", &format!("var_{of}"), &[squares, &divisor], vec![]);
            let guarded = emit("Add", &format!("guarded_{of}"), &[&variance, &eps], vec![]);
            emit("Sqrt", &format!("deviation_{of}"), &[&guarded], vec![])
        };
        let deviation_i = deviation("I", &squares_i, &pixels);
        let deviation_l = deviation("L", &squares_l, &elements);

        let rest = emit("Sub", "1-rho", &[&one, rho], vec![]);
        let scale_i = emit("Div", "scale_I", &[rho, &deviation_i], vec![]);
        let scale_l = emit("Div", "scale_L", &[&rest, &deviation_l], vec![]);
        let scale = emit("Add", "scale", &[&scale_i, &scale_l], vec![]);
        let scale = emit("Mul", "scale_gamma", &[&scale, gamma], vec![]);
        let shift = emit("Mul", "shift", &[&scale_l, &apart], vec![]);
        let shift = emit("Mul", "shift_gamma", &[&shift, gamma], vec![]);
        let shift = emit("Add", "shift_beta", &[&shift, beta], vec![]);
        let scaled = emit("Mul", "scaled", &[&centred, &scale], vec![]);
        self.emit("Add", name, &[&scaled, &shift], vec![])
    }
}
