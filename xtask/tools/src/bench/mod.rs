//! `cargo xtask bench`: every kernel and whole translations on one adapter, in one run.

mod cpu;
mod kernels;
mod measure;
mod networks;
mod peaks;
mod peer;
mod report;
mod training;
mod web;

use anyhow::{Context, Result};
use clap::Args;
use ugatit::gpu::{AdapterOptions, Gpu};

use report::Report;
use xtask::process::say;

#[derive(Args)]
pub(crate) struct Options {
    /// The adapter, by a part of its name (default: the best one)
    #[arg(long, env = "UGATIT_ADAPTER")]
    adapter: Option<String>,
    /// Also write the figures as JSON to this file
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// Also write the tables as Markdown to this file
    #[arg(short, long)]
    output: Option<std::path::PathBuf>,
    /// Only whole translations, no kernels
    #[arg(long)]
    networks: bool,
    /// Also the large sizes that take a software adapter minutes, or a browser
    #[arg(long)]
    large: bool,
    /// Instead: translations in a browser, in turn with onnxruntime-web, TensorFlow.js and, where Python
    /// (or UGATIT_PYTHON) has TensorFlow to make its models, LiteRT.js
    #[arg(long, conflicts_with = "train")]
    web: bool,
    /// On the processor rather than on a GPU: translations in turn with ONNX Runtime, where Python
    /// (or UGATIT_PYTHON) has it; with --train an iteration (light, ch 16, 64x64, six layers), in turn with PyTorch
    #[arg(long, conflicts_with = "web")]
    cpu: bool,
    #[command(flatten)]
    training: training::TrainOptions,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    if options.web {
        return web::run(options.large).await;
    }
    if options.cpu && !options.training.train {
        return cpu::run().await;
    }
    // Started by `mpirun`, with the feature `mpi`.
    let ranks = ugatit_mpi::join().map_err(anyhow::Error::msg)?;
    if ranks.is_some() && !options.training.train {
        anyhow::bail!("only --train is measured with several ranks");
    }
    if options.cpu {
        let mut text = String::new();
        let measured = training::on_cpu(&options.training, ranks.as_ref()).await?;
        if ranks.is_none_or(|ranks| ranks.rank() == 0) {
            measured.write(&mut text, 0.0)?;
            say(&text);
        }
        return Ok(());
    }
    if let Some(ranks) = ranks {
        let gpu = Gpu::open(&AdapterOptions { name: options.adapter.clone(), allow_software: true }).await?;
        let measured = training::of_ranks(&gpu, &options.training, &ranks).await?;
        if ranks.rank() == 0 {
            let mut text = String::new();
            measured.write(&mut text, 0.0)?;
            say(&text);
        }
        return Ok(());
    }
    let gpu = Gpu::open(&AdapterOptions { name: options.adapter.clone(), allow_software: true }).await?;
    let mut report = Report::new(gpu.name());
    say(&format!("measuring on {}", gpu.name()));
    report.peaks = peaks::measure(&gpu).await?;
    if options.training.train {
        report.training = Some(training::on_gpu(&gpu, &options.training).await?);
        // On a machine that others use too, a peak measured in a slow minute flatters: the better
        // of before and after.
        let after = peaks::measure(&gpu).await?;
        if after.practical_gflops > report.peaks.practical_gflops {
            report.peaks = after;
        }
    } else {
        if !options.networks {
            report.kernels = kernels::measure(&gpu, &report.peaks).await?;
        }
        report.networks = networks::measure(&gpu, options.large || !gpu.is_software()).await?;
    }

    let text = report.markdown();
    say(&text);
    if let Some(path) = &options.output {
        std::fs::write(path, &text).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, json).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
