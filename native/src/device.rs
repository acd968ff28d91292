//! Which device computes.

use clap::ValueEnum;
use ugatit::Error;
use ugatit::gpu::{AdapterOptions, Gpu};
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
    /// A line to print where the choice may surprise.
    pub(crate) notice: Option<String>,
}

/// Opens the device that the options ask for.
///
/// # Errors
/// Where a GPU is asked for and there is none (of that name).
pub(crate) fn open(args: &DeviceArgs) -> anyhow::Result<Chosen> {
    let cpu = |notice: Option<String>| Chosen { device: Device::Cpu, notice };
    // Asked for a GPU, a driver that runs on the processor is better than nothing; left to us,
    // our own code for the processor is faster.
    let options = AdapterOptions { name: args.adapter.clone(), allow_software: args.device == Choice::Gpu };
    if args.device == Choice::Cpu {
        return Ok(cpu(None));
    }
    match pollster::block_on(Gpu::open(&options)) {
        Ok(gpu) => {
            let notice = gpu.is_software().then(|| {
                let name = gpu.name();
                format!("note: {name} is a software adapter, which computes on the processor; --device cpu is faster")
            });
            Ok(Chosen { device: Device::Gpu(gpu), notice })
        }
        Err(Error::NoAdapter { .. }) if args.device == Choice::Auto => {
            Ok(cpu(Some("note: no GPU found (see `ugatit doctor`); computing on the processor".into())))
        }
        Err(Error::OnlySoftware { available, .. }) if args.device == Choice::Auto => Ok(cpu(Some(format!(
            "note: no GPU found, only a software adapter ({available}); computing on the processor, which is faster"
        )))),
        Err(error) => Err(error.into()),
    }
}
