//! `ugatit doctor`: what this machine can compute on, and what would be used.

use std::process::ExitCode;

use serde::Serialize;

use ugatit::gpu::{AdapterReport, adapters};

use crate::console::line;
use crate::device::{self, DeviceArgs};
use crate::models;

/// Show the GPUs of this machine, what would be used, and what to install if there is none
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Everything that `doctor` reports.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    adapters: Vec<AdapterReport>,
    cpu_threads: usize,
    would_use: Option<String>,
    problem: Option<String>,
    model: Option<String>,
    advice: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let adapters = pollster::block_on(adapters());
    let (would_use, problem) = match device::open(&args.device) {
        Ok(chosen) => (Some(chosen.device.name().to_owned()), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let usable = adapters.iter().any(|a| a.kind != "software");
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        cpu_threads: std::thread::available_parallelism().map_or(1, usize::from),
        would_use,
        problem,
        model: models::find(None).ok().map(|path| path.display().to_string()),
        advice: if usable { vec![] } else { advice() },
        adapters,
    };
    if args.json {
        line(serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What to install where no real GPU was found.
fn advice() -> Vec<String> {
    let text = if cfg!(target_os = "linux") {
        "install the Vulkan driver of your GPU: mesa-vulkan-drivers for AMD and Intel (Debian, Ubuntu, Fedora), vulkan-radeon or vulkan-intel (Arch), the proprietary driver for NVIDIA; then log in again"
    } else if cfg!(target_os = "windows") {
        "install the current driver of your GPU from its maker; Windows' own basic display driver cannot compute"
    } else {
        "every Mac since 2012 has a GPU that works here; in a virtual machine it may be hidden"
    };
    vec![text.into(), "without a GPU the processor translates (--device cpu), more slowly".into()]
}

fn print(report: &Report) {
    line(format_args!("ugatit {}", report.version));
    if report.adapters.is_empty() {
        line("GPUs: none found");
    }
    for (i, adapter) in report.adapters.iter().enumerate() {
        line(format_args!("GPU {i}: {} ({}, {})", adapter.name, adapter.kind, adapter.backend));
        line(format_args!("  driver    {}", adapter.driver));
        if let Some(place) = &adapter.pci {
            line(format_args!("  PCI bus   {place}"));
        }
        if !adapter.features.is_empty() {
            line(format_args!("  features  {}", adapter.features.join(", ")));
        }
        let mib = |bytes: u64| bytes >> 20;
        line(format_args!(
            "  limits    binding {} MiB, buffer {} MiB, workgroup {} KiB and {} invocations",
            mib(adapter.max_binding),
            mib(adapter.max_buffer),
            adapter.workgroup_memory >> 10,
            adapter.workgroup_invocations
        ));
    }
    line(format_args!("Processor: {} threads", report.cpu_threads));
    match (&report.would_use, &report.problem) {
        (Some(name), _) => line(format_args!("Would use: {name}")),
        (None, problem) => {
            line(format_args!("Would use: nothing ({})", problem.as_deref().unwrap_or("unknown")));
        }
    }
    line(format_args!("Model: {}", report.model.as_deref().unwrap_or("none found; use --model")));
    for advice in &report.advice {
        line(format_args!("Advice: {advice}"));
    }
}
