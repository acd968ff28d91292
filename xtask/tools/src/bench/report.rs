//! The figures, as Markdown and JSON.

use std::fmt::Write as _;

use serde::Serialize;
use ugatit::exec::Timing;

use super::networks::Network;
use super::training::Training;

#[derive(Serialize)]
pub(crate) struct Report {
    adapter: String,
    date: String,
    pub(crate) peaks: Peaks,
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) networks: Vec<Network>,
    pub(crate) training: Option<Training>,
}

/// What the adapter reaches at best.
#[derive(Default, Serialize)]
pub(crate) struct Peaks {
    /// Multiply-adds on registers.
    pub(crate) fma_gflops: f64,
    /// Copying: bytes read and written.
    pub(crate) copy_gbytes: f64,
    /// The plain matrix products at 1024 cubed.
    pub(crate) matmuls: Vec<Rate>,
    /// The best of them.
    pub(crate) practical_gflops: f64,
}

#[derive(Serialize)]
pub(crate) struct Rate {
    pub(crate) name: String,
    pub(crate) gflops: f64,
}

#[derive(Serialize)]
pub(crate) struct Kernel {
    pub(crate) kernel: String,
    work: String,
    ms: f64,
    gflops: Option<f64>,
    gbytes: f64,
    /// Of the practical peak where it computes, of the copy's bandwidth where it moves.
    share: f64,
    /// Whether the table takes this variant here.
    chosen: bool,
}

impl Kernel {
    pub(crate) fn new(timing: &Timing, peaks: &Peaks, chosen: bool) -> Self {
        let gbytes = timing.bytes as f64 / timing.seconds / 1e9;
        let gflops = timing
            .kernel
            .shader
            .name
            .starts_with("conv2d")
            .then(|| timing.flops as f64 / timing.seconds / 1e9);
        Self {
            kernel: timing.kernel.name().into_owned(),
            work: timing.label.clone(),
            ms: timing.seconds * 1e3,
            gflops,
            gbytes,
            share: gflops.map_or(gbytes / peaks.copy_gbytes, |g| g / peaks.practical_gflops),
            chosen,
        }
    }
}

impl Report {
    pub(crate) fn new(adapter: &str) -> Self {
        let date = std::process::Command::new("date").arg("+%Y-%m-%d").output();
        let date = date.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default();
        Self {
            adapter: adapter.into(),
            date,
            peaks: Peaks::default(),
            kernels: vec![],
            networks: vec![],
            training: None,
        }
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n{}\n\n", self.adapter, self.date);
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let peaks = &self.peaks;
        writeln!(text, "| peak | |\n|---|---|")?;
        writeln!(text, "| multiply-adds on registers | {:.1} GFLOP/s |", peaks.fma_gflops)?;
        writeln!(text, "| copy | {:.1} GB/s |", peaks.copy_gbytes)?;
        for m in &peaks.matmuls {
            writeln!(text, "| {} at 1024 cubed | {:.1} GFLOP/s |", m.name, m.gflops)?;
        }
        writeln!(
            text,
            "| **practical peak** (the best of these) | **{:.1} GFLOP/s** |\n",
            peaks.practical_gflops
        )?;
        if !self.kernels.is_empty() {
            writeln!(
                text,
                "Share: of the practical peak for convolutions, of the copy's bandwidth for the others. In bold what the table chooses here.\n"
            )?;
            writeln!(text, "| kernel | work | ms | GFLOP/s | GB/s | share |\n|---|---|---:|---:|---:|---:|")?;
        }
        for k in &self.kernels {
            let bold = if k.chosen { "**" } else { "" };
            let gflops = k.gflops.map_or(String::new(), |g| format!("{g:.1}"));
            writeln!(
                text,
                "| {bold}{}{bold} | {} | {:.3} | {gflops} | {:.2} | {:.0} % |",
                k.kernel,
                k.work,
                k.ms,
                k.gbytes,
                k.share * 100.0
            )?;
        }
        if let Some(training) = &self.training {
            training.write(text, peaks.practical_gflops)?;
        }
        if self.networks.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "\n| light generator | device | first run, ms | later runs, ms | GFLOP/s | of the practical peak | GPU memory, MiB (of it weights) |\n|---|---|---:|---:|---:|---:|---:|"
        )?;
        for n in &self.networks {
            let gflops = n.gflop / n.ms * 1e3;
            let share = n
                .memory_mib
                .map_or(String::new(), |_| format!("{:.0} %", 100.0 * gflops / peaks.practical_gflops));
            let memory = n.memory_mib.map_or(String::new(), |m| format!("{m:.1} ({:.1})", n.weights_mib));
            writeln!(
                text,
                "| ch {}, {2}x{2} | {1} | {3:.0} | {4:.1} | {gflops:.1} | {share} | {memory} |",
                n.ch, n.device, n.size, n.first_ms, n.ms
            )?;
        }
        Ok(())
    }
}
