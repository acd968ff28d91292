//! From the authors' variables to the tensors of a model: names, orders of axes, and what is folded.

/// How a variable's elements become a tensor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A convolution's kernel `[height, width, in, out]`.
    Kernel,
    /// A matrix `[in, out]`.
    Matrix,
    /// The matrix over flattened features, whose inputs are in the order height, width, channels.
    Flattened,
    /// A vector.
    Vector,
    /// A vector with one value for each channel of a picture: `[1, C, 1, 1]`.
    Channels,
    /// The same, of an adaptive normalisation's rho: what "smoothing" does to it.
    AdaptiveRho,
}

/// The tensor that a variable of a generator becomes, and how; `None` where it is none of them.
pub(super) fn tensor(variable: &str) -> Option<(String, Kind)> {
    let (scope, leaf) = variable.rsplit_once('/')?;
    let (scope, layer) = match scope.rsplit_once('/') {
        Some((scope, layer @ ("conv2d" | "dense"))) => (scope, layer),
        _ => (scope, ""),
    };
    let key = module(scope)?;
    let (leaf, kind) = match (layer, leaf) {
        ("conv2d", "kernel") => ("weight", Kind::Kernel),
        ("dense", "kernel") if key == "FC.0" => ("weight", Kind::Flattened),
        ("dense", "kernel") => ("weight", Kind::Matrix),
        ("conv2d" | "dense", "bias") => ("bias", Kind::Vector),
        ("", "kernel") if key == "cam_fc" => ("weight", Kind::Matrix),
        ("", "bias") if key == "cam_fc" => ("bias", Kind::Vector),
        ("", "gamma" | "beta") => (leaf, Kind::Channels),
        ("", "rho") if key.starts_with("UpBlock1_") => ("rho", Kind::AdaptiveRho),
        ("", "rho") => ("rho", Kind::Channels),
        _ => return None,
    };
    Some((format!("{key}.{leaf}"), kind))
}

/// The module of a model that a scope stands for.
fn module(scope: &str) -> Option<String> {
    let known = match scope {
        "conv" => "DownBlock.1",
        "ins_norm" => "DownBlock.2",
        "conv_0" => "DownBlock.5",
        "ins_norm_0" => "DownBlock.6",
        "conv_1" => "DownBlock.9",
        "ins_norm_1" => "DownBlock.10",
        "CAM_logit" => "cam_fc",
        "conv_1x1" => "conv1x1",
        "MLP/linear_0" => "FC.0",
        "MLP/linear_1" => "FC.2",
        "MLP/gamma" => "gamma",
        "MLP/beta" => "beta",
        "up_conv_0" => "UpBlock2.2",
        "layer_ins_norm_0" => "UpBlock2.3",
        "up_conv_1" => "UpBlock2.7",
        "layer_ins_norm_1" => "UpBlock2.8",
        "G_logit" => "UpBlock2.11",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.into());
    }
    let mut parts = scope.split('/');
    let (block, half, layer) = (parts.next()?, parts.next()?, parts.next()?);
    let half = match (half, parts.next()) {
        ("res1", None) => 1,
        ("res2", None) => 2,
        _ => return None,
    };
    let number = |text: &str| text.parse::<usize>().ok().filter(|&i| i < 64);
    if let Some(i) = block.strip_prefix("resblock_").and_then(number) {
        // Of the `nn.Sequential`: padding, convolution, normalisation, relu; padding, convolution, normalisation.
        let at = 4 * half - 3;
        return match layer {
            "conv_0" => Some(format!("DownBlock.{}.conv_block.{at}", 12 + i)),
            "instance_norm" => Some(format!("DownBlock.{}.conv_block.{}", 12 + i, at + 1)),
            _ => None,
        };
    }
    let i = block.strip_prefix("adaptive_resblock").and_then(number)?;
    match layer {
        "conv_0" => Some(format!("UpBlock1_{}.conv{half}", i + 1)),
        "instance_layer_norm" => Some(format!("UpBlock1_{}.norm{half}", i + 1)),
        _ => None,
    }
}

/// Whether a tensor changes nothing: the bias of a convolution before an instance normalisation, which takes
/// the mean away again.
pub(super) fn has_no_effect(key: &str) -> bool {
    key.starts_with("DownBlock.") && key.ends_with(".bias")
}

/// An instance normalisation's module, from the name of its gamma: it becomes a layer-instance normalisation
/// whose rho is 1.
pub(super) fn instance_norm(key: &str) -> Option<&str> {
    key.strip_suffix(".gamma").filter(|module| module.starts_with("DownBlock."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_tensors() {
        for (variable, key, kind) in [
            ("conv/conv2d/kernel", "DownBlock.1.weight", Kind::Kernel),
            ("ins_norm_1/gamma", "DownBlock.10.gamma", Kind::Channels),
            ("resblock_3/res2/conv_0/conv2d/kernel", "DownBlock.15.conv_block.5.weight", Kind::Kernel),
            ("resblock_0/res1/instance_norm/beta", "DownBlock.12.conv_block.2.beta", Kind::Channels),
            ("CAM_logit/kernel", "cam_fc.weight", Kind::Matrix),
            ("MLP/linear_0/dense/kernel", "FC.0.weight", Kind::Flattened),
            ("MLP/gamma/dense/bias", "gamma.bias", Kind::Vector),
            ("adaptive_resblock0/res2/instance_layer_norm/rho", "UpBlock1_1.norm2.rho", Kind::AdaptiveRho),
            ("layer_ins_norm_0/rho", "UpBlock2.3.rho", Kind::Channels),
            ("G_logit/conv2d/bias", "UpBlock2.11.bias", Kind::Vector),
        ] {
            assert_eq!(tensor(variable), Some((key.into(), kind)), "{variable}");
        }
        for variable in [
            "conv/conv2d/kernel/Adam",
            "conv_2/conv2d/kernel",
            "resblock_0/res3/conv_0/conv2d/bias",
            "resblock_99/res1/conv_0/conv2d/bias",
            "adaptive_resblock0/res1/conv_1/conv2d/bias",
            "gamma",
            "",
        ] {
            assert_eq!(tensor(variable), None, "{variable}");
        }
    }
}
