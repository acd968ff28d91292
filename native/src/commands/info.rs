//! `ugatit info`: what a model file is.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use ugatit::Bits;
use ugatit::io::{Model, checkpoint_directions, is_tensorflow_checkpoint};
use ugatit::model::GeneratorConfig;
use ugatit::text::grouped;
use ugatit::text::memory;
use ugatit::translate::memory_need;

use crate::console::line;
use crate::models;
use crate::targets::quantized;

/// Show a model's architecture, size, memory need and origin
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file, a checkpoint (.pt, or of TensorFlow), or a folder of models
    #[arg(env = "UGATIT_MODEL")]
    model: Option<PathBuf>,
    /// One JSON array instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = models::find(args.model.as_ref())?;
    let mut all = vec![];
    let mut each = |model: &Model| {
        if args.json {
            all.push(describe(model)?);
            return Ok(());
        }
        print(model)
    };
    if is_tensorflow_checkpoint(&path) {
        // One after the other: a full one is a gigabyte.
        for direction in checkpoint_directions(&path)? {
            each(&Model::open(&path, Some(direction))?)?;
        }
    } else {
        Model::open_all(&path)?.iter().try_for_each(each)?;
    }
    if args.json {
        line(serde_json::to_string_pretty(&all)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(model: &Model) -> anyhow::Result<serde_json::Value> {
    let (c, m) = (&model.config, &model.metadata);
    let need = memory_need(c, model.bits(), c.img_size, c.img_size)?;
    Ok(json!({
        "direction": model.direction.to_string(),
        "architecture": c.architecture(),
        "dialect": c.dialect.name(),
        "decoder_norm": c.decoder_norm.name(), "cam": c.cam, "smoothing": c.smoothing,
        "ch": c.ch, "n_res": c.n_res, "n_res_decoder": c.n_res_decoder,
        "img_size": c.img_size, "img_ch": c.img_ch,
        "parameters": model.parameter_count(), "quantization": model.bits().map(Bits::number),
        "memory": { "weights": need.weights, "activations": need.activations },
        "domain_a": m.domain_a, "domain_b": m.domain_b,
        "license": m.license, "provenance": m.provenance,
    }))
}

/// What normalises the decoder.
fn decoder(config: &GeneratorConfig) -> String {
    let smoothing = if config.smoothing { "; rho with smoothing" } else { "" };
    format!("{}: {}{smoothing}", config.decoder_norm, config.decoder_norm.description())
}

fn print(model: &Model) -> anyhow::Result<()> {
    let (c, m) = (&model.config, &model.metadata);
    let need = memory_need(c, model.bits(), c.img_size, c.img_size)?;
    let unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "not known".into());
    line(format_args!("{} ({})", model.direction, model.direction.network()));
    let size = match (c.has_one_size(), c.native_side()) {
        (true, _) => "only",
        (false, None) => "any size; unless the provenance says otherwise trained at",
        (false, Some(_)) => "any size; trained at, and translated at unless asked otherwise,",
    };
    for (what, value) in [
        ("architecture", format!("{}, ch {}", c.architecture(), c.ch)),
        ("dialect", format!("{}: the network of {}", c.dialect, c.dialect.program())),
        ("decoder", decoder(c)),
        ("attention", if c.cam { "yes".into() } else { "none: trained without G_CAM".into() }),
        ("blocks", format!("{} in the encoder, {} in the decoder", c.n_res, c.n_res_decoder)),
        ("pictures", format!("{size} {0}x{0}, {1} channels", c.img_size, c.img_ch)),
        ("parameters", grouped(model.parameter_count() as u64) + &quantized(model)),
        (
            "memory",
            format!(
                "{} weights, {} for one {3}x{3} picture, {} together",
                memory(need.weights),
                memory(need.activations),
                memory(need.weights + need.activations),
                c.img_size
            ),
        ),
        ("domains", format!("A: {}, B: {}", unknown(&m.domain_a), unknown(&m.domain_b))),
        ("licence", unknown(&m.license)),
        ("provenance", unknown(&m.provenance)),
    ] {
        line(format_args!("  {what:<13}{value}"));
    }
    Ok(())
}
