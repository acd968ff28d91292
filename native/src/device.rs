//! Which device translates.

use anyhow::bail;
use clap::ValueEnum;
use ugatit::translate::Device;

/// What `--device` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// A GPU where there is a real one, else the processor
    Auto,
    /// A GPU, or an error
    Gpu,
    /// The processor
    Cpu,
}

/// The options that choose a device.
#[derive(Debug, clap::Args)]
pub(crate) struct DeviceArgs {
    /// What computes
    #[arg(long, value_enum, default_value = "auto", env = "UGATIT_DEVICE")]
    pub(crate) device: Choice,
    /// The GPU whose name contains this text; `ugatit doctor` lists them
    #[arg(long, value_name = "NAME", env = "UGATIT_ADAPTER")]
    pub(crate) adapter: Option<String>,
}

/// A device with what there is to say about its choice.
pub(crate) struct Chosen {
    pub(crate) device: Device,
    /// For people and summaries: "CPU", or the adapter's name.
    pub(crate) name: String,
    /// A line to print where the choice may surprise.
    pub(crate) notice: Option<String>,
}

/// Opens the device that the options ask for.
///
/// # Errors
/// Where a GPU is asked for and there is none (of that name).
pub(crate) fn open(args: &DeviceArgs) -> anyhow::Result<Chosen> {
    let cpu = |notice: Option<&str>| Chosen {
        device: Device::Cpu,
        name: "CPU".into(),
        notice: notice.map(str::to_owned),
    };
    match args.device {
        Choice::Cpu => Ok(cpu(None)),
        Choice::Auto if args.adapter.is_none() => {
            Ok(cpu(Some("note: no GPU is used; translating on the processor")))
        }
        Choice::Auto | Choice::Gpu => bail!("this build translates on the processor only; use --device cpu"),
    }
}
