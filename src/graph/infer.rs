//! The shape rules: what each operation takes and gives.

use super::{CamInput, Conv2d, Norm, NormInput, NormKind, Op, Shape};

/// The shape that `op` gives, or why its inputs do not fit.
pub(super) fn result_shape(op: &Op, inputs: &[&Shape]) -> Result<Shape, String> {
    let arity = op.traits().arity();
    if inputs.len() != arity {
        return Err(format!("it takes {arity} inputs, not {}", inputs.len()));
    }
    // So that no product below overflows.
    inputs.iter().try_for_each(|shape| countable(shape))?;
    let image = |i: usize| {
        inputs[i].nchw().ok_or_else(|| format!("input {i} must be [N, C, H, W], not {}", inputs[i]))
    };
    let matrix = |i: usize| {
        inputs[i].matrix().ok_or_else(|| format!("input {i} must be [rows, columns], not {}", inputs[i]))
    };
    let same = |what: &str, found: &Shape, expected: Shape| {
        if *found == expected { Ok(()) } else { Err(format!("{what} must be {expected}, not {found}")) }
    };

    Ok(match op {
        Op::Input | Op::Parameter => return Err("use Graph::input or Graph::parameter".into()),
        Op::ReflectionPad2d(p) => {
            let [n, c, h, w] = image(0)?;
            fits_reflection(*p, h, w)?;
            let padded = |side: usize| side.saturating_add(p.saturating_mul(2));
            [n, c, padded(h), padded(w)].into()
        }
        Op::UpsampleNearest2x => {
            let [n, c, h, w] = image(0)?;
            [n, c, h.saturating_mul(2), w.saturating_mul(2)].into()
        }
        Op::Conv2d(conv) => {
            let (x, weight) = (image(0)?, image(1)?);
            if conv.bias {
                same("the bias", inputs[2], [weight[0]].into())?;
            }
            convolved(conv, x, weight)?.into()
        }
        Op::Linear { bias, .. } => {
            let ([n, k], [m, wk]) = (matrix(0)?, matrix(1)?);
            if k != wk {
                return Err(format!("the input has {k} columns, the weight takes {wk}"));
            }
            if *bias {
                same("the bias", inputs[2], [m].into())?;
            }
            [n, m].into()
        }
        Op::Norm(norm) | Op::NormCoefficients(norm) => {
            let [n, c, ..] = image(0)?;
            if let [parameters @ .., beta] = &inputs[1..1 + norm.kind.parameters()] {
                norm_parameters(norm, inputs[0], parameters)?;
                // Both are for each sample or neither is: the gradient of beta has gamma's shape.
                same("beta, as gamma,", beta, parameters[parameters.len() - 1].clone())?;
            }
            if matches!(op, Op::NormCoefficients(_)) {
                return Ok([n, 3, c].into());
            }
            if norm.residual {
                same("the residual", inputs[arity - 1], inputs[0].clone())?;
            }
            inputs[0].clone()
        }
        Op::Activation(_) => inputs[0].clone(),
        Op::Add => {
            same("the second operand", inputs[1], inputs[0].clone())?;
            inputs[0].clone()
        }
        Op::GlobalAvgPool | Op::GlobalMaxPool => {
            let [n, c, ..] = image(0)?;
            [n, c].into()
        }
        Op::SumChannels => {
            let [n, _, h, w] = image(0)?;
            [n, 1, h, w].into()
        }
        Op::Concat => {
            if let (Some([n, a, h, w]), Some([n2, b, h2, w2])) = (inputs[0].nchw(), inputs[1].nchw()) {
                if [n, h, w] != [n2, h2, w2] {
                    return Err(format!(
                        "channels of {n} {h}x{w} pictures beside those of {n2} {h2}x{w2} ones"
                    ));
                }
                return Ok([n, a.saturating_add(b), h, w].into());
            }
            let ([n, a], [n2, b]) = (matrix(0)?, matrix(1)?);
            if n != n2 {
                return Err(format!("{n} rows beside {n2} rows"));
            }
            [n, a + b].into()
        }
        Op::Stack => {
            let [(n, a), (m, b)] = [samples(inputs[0])?, samples(inputs[1])?];
            if a != b {
                return Err(format!("samples of {} behind those of {}", inputs[1], inputs[0]));
            }
            with_samples(n.saturating_add(m), a)
        }
        Op::Samples { first, count } => {
            let (n, rest) = samples(inputs[0])?;
            if first.saturating_add(*count) > n || *count == 0 {
                return Err(format!("{count} samples from sample {first} on, of {n}"));
            }
            with_samples(*count, rest)
        }
        Op::SamplesGrad { first, total } => {
            let (count, rest) = samples(inputs[0])?;
            if first.saturating_add(count) > *total {
                return Err(format!("{count} samples from sample {first} on, of {total}"));
            }
            with_samples(*total, rest)
        }
        Op::AddScalar => {
            let [_, k] = matrix(0)?;
            same("the weight", inputs[0], [1, k].into())?;
            same("the summand", inputs[1], [1].into())?;
            inputs[0].clone()
        }
        Op::Flatten => {
            let [n, c, h, w] = image(0)?;
            [n, c * h * w].into()
        }
        Op::CamWeight => {
            let [o, c2] = cam_kernel(&inputs[..3])?;
            [o, c2 / 2, 1, 1].into()
        }
        Op::Scale(_) | Op::Above(_) => inputs[0].clone(),

        Op::Mse { .. } | Op::BceWithLogits { .. } | Op::Mean | Op::Hinge { .. } => [].into(),
        Op::GradientPenalty { .. } => {
            samples(inputs[0])?;
            [].into()
        }
        Op::Interpolate => {
            let (n, _) = samples(inputs[0])?;
            same("the second operand", inputs[1], inputs[0].clone())?;
            same("the share", inputs[2], [n, 1].into())?;
            inputs[0].clone()
        }
        Op::L1 => {
            same("the target", inputs[1], inputs[0].clone())?;
            [].into()
        }

        Op::PowerIterationV => {
            let [out, rest] = weight_matrix(inputs[0])?;
            same("u", inputs[1], [out].into())?;
            [rest].into()
        }
        Op::PowerIterationU => {
            let [out, rest] = weight_matrix(inputs[0])?;
            same("v", inputs[1], [rest].into())?;
            [out].into()
        }
        Op::SpectralSigma => {
            let [out, rest] = weight_matrix(inputs[0])?;
            same("u", inputs[1], [out].into())?;
            same("v", inputs[2], [rest].into())?;
            [1].into()
        }
        Op::SpectralNorm | Op::SpectralNormGrad => {
            let weight = arity - 4;
            let [out, rest] = weight_matrix(inputs[weight])?;
            same("the gradient", inputs[0], inputs[weight].clone())?;
            same("sigma", inputs[weight + 1], [1].into())?;
            same("u", inputs[weight + 2], [out].into())?;
            same("v", inputs[weight + 3], [rest].into())?;
            inputs[weight].clone()
        }

        Op::SpectralDivide { bias, activation } => {
            let (out, vectors) = spectral_batches(inputs, 1, *bias)?;
            if !activation.is_invertible() {
                return Err(format!("{activation:?} can't be its activation"));
            }
            for batch in vectors.chunks(3) {
                same("sigma", batch[0], [1].into())?;
                same("u", batch[1], [out[0]].into())?;
                same("v", batch[2], [out[1]].into())?;
            }
            inputs[0].clone()
        }
        Op::SpectralDivideGrad(_) => {
            same("the result", inputs[1], inputs[0].clone())?;
            two_batches(inputs[0])?;
            same("sigma", inputs[2], [1].into())?;
            same("sigma", inputs[3], [1].into())?;
            inputs[0].clone()
        }
        Op::SpectralBiasGrad => {
            let channels = two_batches(inputs[0])?;
            same("sigma", inputs[1], [1].into())?;
            same("sigma", inputs[2], [1].into())?;
            [channels].into()
        }
        Op::SpectralSigmaGrad { bias, .. } => {
            same("the result", inputs[1], inputs[0].clone())?;
            let (out, vectors) = spectral_batches(inputs, 2, *bias)?;
            for batch in vectors.chunks(2) {
                same("u", batch[0], [out[0]].into())?;
                same("v", batch[1], [out[1]].into())?;
            }
            inputs[2].clone()
        }

        Op::Conv2dGradInput { conv, height, width } => {
            let ([n, ..], weight) = (image(0)?, image(1)?);
            let x = [n, weight[1], *height, *width];
            same("the gradient", inputs[0], convolved(conv, x, weight)?.into())?;
            x.into()
        }
        Op::Conv2dGradWeight { conv, kernel: [kh, kw] } => {
            let (x, [_, o, ..]) = (image(0)?, image(1)?);
            let weight = [o, x[1], *kh, *kw];
            same("the gradient", inputs[1], convolved(conv, x, weight)?.into())?;
            weight.into()
        }
        Op::SumPixels => [image(0)?[1]].into(),
        Op::SumRows => [matrix(0)?[1]].into(),
        Op::SumColumns => {
            let [_, k] = matrix(0)?;
            same("the row", inputs[0], [1, k].into())?;
            [1].into()
        }
        Op::LinearGradInput => {
            let ([n, m], [wm, k]) = (matrix(0)?, matrix(1)?);
            if m != wm {
                return Err(format!("the gradient has {m} columns, the weight gives {wm}"));
            }
            [n, k].into()
        }
        Op::LinearGradWeight => {
            let ([n, k], [gn, m]) = (matrix(0)?, matrix(1)?);
            if n != gn {
                return Err(format!("the input has {n} rows, the gradient {gn}"));
            }
            [m, k].into()
        }
        Op::NormGrad { norm, wrt } => {
            image(1)?;
            same("the gradient", inputs[0], inputs[1].clone())?;
            if norm.kind != NormKind::Instance {
                norm_parameters(norm, inputs[1], &inputs[2..])?;
            }
            match (norm.kind, wrt) {
                (_, NormInput::X) => inputs[1].clone(),
                (NormKind::Instance, _) => return Err("instance normalisation has no parameters".into()),
                (NormKind::Group { .. }, NormInput::Rho) => {
                    return Err("group normalisation has no rho".into());
                }
                (NormKind::LayerInstance, NormInput::Rho) => inputs[2].clone(),
                (_, NormInput::Gamma | NormInput::Beta) => inputs[arity - 1].clone(),
            }
        }
        Op::ActivationGrad(_) | Op::L1Grad { .. } => {
            same("the second operand", inputs[1], inputs[0].clone())?;
            inputs[0].clone()
        }
        Op::MseGrad { .. } | Op::BceWithLogitsGrad { .. } | Op::MeanGrad { .. } | Op::HingeGrad { .. } => {
            inputs[0].clone()
        }
        Op::GradientPenaltyGrad { .. } => {
            samples(inputs[0])?;
            inputs[0].clone()
        }
        Op::AtMaximum => {
            let [n, c, ..] = image(1)?;
            same("the first operand", inputs[0], inputs[1].clone())?;
            [n, c].into()
        }
        Op::ReflectionPad2dGrad(p) => {
            let [n, c, h, w] = image(0)?;
            if h <= 2 * p || w <= 2 * p {
                return Err(format!("a picture padded by {p} is larger than {h}x{w}"));
            }
            let (h, w) = (h - 2 * p, w - 2 * p);
            fits_reflection(*p, h, w)?;
            [n, c, h, w].into()
        }
        Op::UpsampleNearest2xGrad => {
            let [n, c, h, w] = image(0)?;
            if !h.is_multiple_of(2) || !w.is_multiple_of(2) {
                return Err(format!("a doubled picture has even sides, not {h}x{w}"));
            }
            [n, c, h / 2, w / 2].into()
        }
        Op::GlobalAvgPoolGrad { height, width } => {
            let [n, c] = matrix(0)?;
            [n, c, *height, *width].into()
        }
        Op::GlobalMaxPoolGrad => {
            let [n, c, ..] = image(1)?;
            same("the gradient", inputs[0], [n, c].into())?;
            inputs[1].clone()
        }
        Op::BroadcastChannels(channels) => {
            let [n, c, h, w] = image(0)?;
            same("the gradient", inputs[0], [n, 1, h, w].into())?;
            [n, c.saturating_mul(*channels), h, w].into()
        }
        Op::SliceColumns { start, len } => {
            let columns = match inputs[0].nchw() {
                Some([_, channels, ..]) => channels,
                None => matrix(0)?[1],
            };
            if start.saturating_add(*len) > columns {
                return Err(format!("{len} columns from column {start} on, of {columns}"));
            }
            let mut dims = inputs[0].dims().to_vec();
            dims[1] = *len;
            dims.as_slice().into()
        }
        Op::Unflatten { channels, height, width } => {
            let [n, _] = matrix(0)?;
            let columns = Shape::from([*channels, *height, *width]).elements();
            same("the matrix", inputs[0], [n, columns].into())?;
            [n, *channels, *height, *width].into()
        }
        Op::CamWeightGrad(wrt) => {
            let [o, c2] = cam_kernel(&inputs[1..])?;
            same("the gradient", inputs[0], [o, c2 / 2, 1, 1].into())?;
            match wrt {
                CamInput::Mix => inputs[1].clone(),
                CamInput::Gap => inputs[2].clone(),
                CamInput::Gmp => inputs[3].clone(),
            }
        }
    })
}

/// Checks the parameters of a normalisation of `x`, without beta: rho if there is one, then gamma.
fn norm_parameters(norm: &Norm, x: &Shape, parameters: &[&Shape]) -> Result<(), String> {
    let (Some([n, c, h, w]), Some((gamma, rho))) = (x.nchw(), parameters.split_last()) else {
        return Ok(());
    };
    let own = Shape::from([1, c, 1, 1]);
    match norm.kind {
        NormKind::LayerInstance if norm.unbiased && h * w < 2 => {
            return Err("the unbiased variance of one pixel is not defined".into());
        }
        NormKind::Group { groups } if groups == 0 || !c.is_multiple_of(groups) => {
            return Err(format!("{c} channels do not make {groups} groups"));
        }
        _ => {}
    }
    if let Some(rho) = rho.iter().find(|rho| ***rho != own) {
        return Err(format!("rho must be {own}, not {rho}"));
    }
    if **gamma != own && **gamma != Shape::from([n, c]) {
        return Err(format!("gamma must be {}, not {gamma}", Shape::from([n, c])));
    }
    Ok(())
}

/// Refuses a tensor of more elements than `usize` counts, which has 32 bits in a browser.
pub(super) fn countable(shape: &Shape) -> Result<(), String> {
    match shape.is_countable() {
        true => Ok(()),
        false => Err(format!(
            "a tensor of shape {shape} has more elements than a program of {} bits can count; use a smaller picture, or tiles",
            usize::BITS
        )),
    }
}

/// The shape of a convolution's result.
fn convolved(
    conv: &Conv2d,
    [n, i, h, w]: [usize; 4],
    [o, wi, kh, kw]: [usize; 4],
) -> Result<[usize; 4], String> {
    if i != wi {
        return Err(format!("the input has {i} channels, the weight takes {wi}"));
    }
    let scale = if conv.upsample { 2 } else { 1 };
    let (h, w) = (h.saturating_mul(scale), w.saturating_mul(scale));
    fits_reflection(conv.pad, h, w)?;
    let padded = |n: usize| n.saturating_add(conv.pad.saturating_mul(2));
    let (h, w) = (padded(h), padded(w));
    if h < kh || w < kw || conv.stride == 0 {
        return Err(format!("a {kh}x{kw} window with stride {} does not fit into {h}x{w}", conv.stride));
    }
    Ok([n, o, (h - kh) / conv.stride + 1, (w - kw) / conv.stride + 1])
}

/// `[O, 2C]` of the kernel of [`Op::CamWeight`], whose inputs are given.
fn cam_kernel(inputs: &[&Shape]) -> Result<[usize; 2], String> {
    let Some([o, c2, 1, 1]) = inputs[0].nchw().filter(|s| s[1].is_multiple_of(2)) else {
        return Err(format!("the kernel must be [O, 2C, 1, 1], not {}", inputs[0]));
    };
    for (what, shape) in [("gap", inputs[1]), ("gmp", inputs[2])] {
        let expected = Shape::from([1, c2 / 2]);
        if *shape != expected {
            return Err(format!("the {what} weight must be {expected}, not {shape}"));
        }
    }
    Ok([o, c2])
}

/// A weight as the matrix `[out, rest]` that spectral normalisation sees.
fn weight_matrix(shape: &Shape) -> Result<[usize; 2], String> {
    match shape.dims() {
        [out, rest @ ..] if !rest.is_empty() => Ok([*out, rest.iter().product()]),
        _ => Err(format!("the weight must have two dimensions or more, not {shape}")),
    }
}

/// The channels of what has as many samples in a second batch as in the first.
fn two_batches(shape: &Shape) -> Result<usize, String> {
    match shape.dims() {
        [n, channels, ..] if n % 2 == 0 => Ok(*channels),
        _ => Err(format!("an input must have two batches of samples, [2N, M, …], not {shape}")),
    }
}

/// Of an operation on the sums of two batches that are divided by sigmas of the weight at that position: the weight's
/// matrix, and what comes behind weight and bias.
fn spectral_batches<'s, 'i>(
    inputs: &'s [&'i Shape],
    weight: usize,
    bias: bool,
) -> Result<([usize; 2], &'s [&'i Shape]), String> {
    let (channels, [out, rest]) = (two_batches(inputs[0])?, weight_matrix(inputs[weight])?);
    let behind = weight + 1 + usize::from(bias);
    let is_bias = |shape: &&Shape| shape.dims() == [out];
    if channels != out || !inputs[weight + 1..behind].iter().all(is_bias) {
        return Err(format!("sums of {channels} channels, and a weight (and bias) of {out}"));
    }
    Ok(([out, rest], &inputs[behind..]))
}

/// Reflection needs more pixels than it pads (as `nn.ReflectionPad2d` demands).
fn fits_reflection(pad: usize, h: usize, w: usize) -> Result<(), String> {
    if pad > 0 && (h <= pad || w <= pad) {
        return Err(format!("reflection by {pad} needs a picture larger than {pad} pixels, not {h}x{w}"));
    }
    Ok(())
}

/// How many samples there are, and the extents of each.
fn samples(shape: &Shape) -> Result<(usize, &[usize]), String> {
    match shape.dims() {
        [n, rest @ ..] if !rest.is_empty() => Ok((*n, rest)),
        _ => Err(format!("an input must have samples, [N, …], not {shape}")),
    }
}

fn with_samples(n: usize, rest: &[usize]) -> Shape {
    [&[n], rest].concat().into()
}
