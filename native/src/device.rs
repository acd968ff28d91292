//! Which device computes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

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
    #[value(alias = "cuda")]
    Gpu,
    /// The processor
    Cpu,
}

/// The options that choose a device.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DeviceArgs {
    /// What computes
    #[arg(long, value_enum, default_value = "auto", env = "UGATIT_DEVICE")]
    pub(crate) device: Choice,
    /// The GPU: its number in the list of `ugatit doctor`, its PCI bus id, or a part of its name
    #[arg(long, value_name = "GPU", env = "UGATIT_ADAPTER")]
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

/// How often, and after what time, it is looked whether a lost GPU is there again: a driver that
/// the system resets is back within seconds.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Opens again what the options ask for, after a GPU was lost, and waits a little for one to come
/// back before the processor has to do. `stop` ends the waiting.
///
/// # Errors
/// Those of [`open`].
pub(crate) fn reopen(args: &DeviceArgs, stop: &AtomicBool) -> anyhow::Result<Chosen> {
    let mut tries = 1;
    again(
        || open(args),
        || {
            let patient = tries < TRIES && !stop.load(Ordering::Relaxed);
            if patient {
                tries += 1;
                sleep(PAUSE);
            }
            patient
        },
    )
}

/// The first GPU that `open` gives, as long as `wait` has patience; then whatever there is.
fn again(
    mut open: impl FnMut() -> anyhow::Result<Chosen>,
    mut wait: impl FnMut() -> bool,
) -> anyhow::Result<Chosen> {
    loop {
        let opened = open();
        let is_gpu = opened.as_ref().is_ok_and(|chosen| matches!(chosen.device, Device::Gpu(_)));
        if is_gpu {
            return opened;
        }
        if !wait() {
            let notice = "note: the GPU has not come back, so the processor goes on, which is much slower";
            return opened.map(|chosen| Chosen { notice: Some(notice.into()), ..chosen });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processor() -> anyhow::Result<Chosen> {
        Ok(Chosen { device: Device::Cpu, notice: None })
    }

    #[test]
    fn a_gpu_that_comes_back_is_waited_for() {
        let options = AdapterOptions { name: None, allow_software: true };
        let mut answers = vec![
            Ok(Chosen {
                device: Device::Gpu(pollster::block_on(Gpu::open(&options)).unwrap()),
                notice: None,
            }),
            Err(anyhow::anyhow!("no driver yet")),
            processor(),
        ];
        let chosen = again(|| answers.pop().unwrap(), || true).unwrap();
        assert!(matches!(chosen.device, Device::Gpu(_)) && chosen.notice.is_none());
    }

    #[test]
    fn the_processor_does_not_take_over_silently() {
        let mut waits = 0;
        let wait = || {
            waits += 1;
            waits < 5
        };
        let chosen = again(processor, wait).unwrap();
        assert!(matches!(chosen.device, Device::Cpu));
        assert!(chosen.notice.unwrap().contains("the processor goes on"));
        assert_eq!(waits, 5);
        let error = again(|| Err(anyhow::anyhow!("no GPU at all")), || false).err().unwrap();
        assert_eq!(error.to_string(), "no GPU at all");
    }
}
