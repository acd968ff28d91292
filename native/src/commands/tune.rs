//! `ugatit tune`: which kernels are fastest on this machine's GPU.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use ugatit::plan::select;
use ugatit::plan::tuning::{MeasuredProduct, Tuning};
use ugatit::translate::Device;
use ugatit::tune::tune;

use crate::console::{self, Usage, line};
use crate::device::{self, DeviceArgs};

/// Measure which kernels are fastest on this GPU, and use those from now on
///
/// Without this a table that comes with the program is used. What is found holds for this GPU with
/// this driver and version of the program; it lies in the user's cache folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    /// Forget what was measured on this GPU: the program's table is used again
    #[arg(long)]
    reset: bool,
    /// Stop after about so many seconds; what was not measured until then keeps to the table
    #[arg(long, default_value_t = 110, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    adapter: &'a str,
    version: &'static str,
    tuning: &'a Tuning,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let asked = DeviceArgs { device: device::Choice::Gpu, ..args.device.clone() };
    let Device::Gpu(gpu) = device::open(&asked)?.device else {
        return Err(Usage("there is no GPU to tune; `ugatit doctor` says what to install".into()).into());
    };
    if args.reset {
        line(match gpu.forget_tuning()? {
            true => format!("forgot what was measured on {}; the program's table is used", gpu.name()),
            false => format!("nothing was measured on {}; the program's table is used", gpu.name()),
        });
        return Ok(ExitCode::SUCCESS);
    }
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let style = ProgressStyle::with_template("measuring {bar:30} {pos}/{len}  {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let report = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let tuning = pollster::block_on(tune(&gpu, Duration::from_secs(args.limit), report))?;
    bar.finish_and_clear();
    let path = gpu.keep_tuning(&tuning)?;
    if args.json {
        let report = Report { adapter: gpu.name(), version: env!("CARGO_PKG_VERSION"), tuning: &tuning };
        line(serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    line(format_args!("{}, ugatit {}\n", gpu.name(), env!("CARGO_PKG_VERSION")));
    line("| convolution | fastest kernel | ms | the table's kernel | ms | ratio |");
    line("|---|---|---:|---|---:|---:|");
    let target = ugatit::plan::Target { tuning: None, ..gpu.target() };
    for measured in &tuning.products {
        line(row(measured, &target));
    }
    line("\n| 3x3 convolution | direct, ms | Winograd, ms | ratio |");
    line("|---|---:|---:|---:|");
    for measured in &tuning.winograd {
        let ([c, o], direct) = (measured.channels, measured.direct_ms);
        let (ms, ratio) = match measured.winograd_ms {
            Some(ms) => (format!("{ms:.3}"), format!("{:.2}", ms / direct)),
            None => ("wrong result, not used".into(), String::new()),
        };
        line(format_args!("| {c}→{o}, {} tiles | {direct:.3} | {ms} | {ratio} |", measured.tiles));
    }
    if !tuning.invocations.is_empty() {
        line("\n| invocations that convolutions with few results are cut up for | ms |");
        line("|---:|---:|");
        for (invocations, ms) in &tuning.invocations {
            line(format_args!("| {invocations} | {ms:.3} |"));
        }
    }
    if let Some([f32_ms, f16_ms]) = tuning.precision {
        line("\n| a translation of 128x128, ch 32 | tensors of f32, ms | of f16, ms | ratio |");
        line("|---|---:|---:|---:|");
        line(format_args!("| light | {f32_ms:.3} | {f16_ms:.3} | {:.2} |", f16_ms / f32_ms));
    }
    console::error(format_args!(
        "\nkept in {}, used from now on (`ugatit tune --reset` undoes it); please send the tables in, so that the next version has them",
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// A convolution's fastest kernel beside the one that the program's table names.
fn row(measured: &MeasuredProduct, target: &ugatit::plan::Target) -> String {
    let product = measured.product;
    let table = select::conv2d(target, product.pixels, product.in_quads, product.out_quads);
    let table = table.forward.name;
    let Some((fastest, ms)) = measured.kernels.first() else {
        return format!("| {} | none was right | | {table} | | |", measured.label);
    };
    let own = measured.kernels.iter().find(|(name, _)| name == table);
    let (own_ms, ratio) =
        own.map_or_else(Default::default, |(_, own)| (format!("{own:.3}"), format!("{:.2}", ms / own)));
    format!("| {} | {fastest} | {ms:.3} | {table} | {own_ms} | {ratio} |", measured.label)
}
