//! Which adapter is used.

#[cfg(not(target_arch = "wasm32"))]
use wgpu::Backend;
use wgpu::{Adapter, AdapterInfo, DeviceType, Instance};

use crate::error::{Error, Result};
use crate::plan::AdapterClass;

#[cfg(not(target_arch = "wasm32"))]
use super::dx12;
use super::software::is_software_name;

/// Which adapter to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterOptions {
    /// The adapter's number in the list of [`adapters`], its place on the PCI bus, such as `0000:01:00.0` or
    /// `01:00`, or a part of its name, in any case. Asked for so, a software adapter is taken too.
    pub name: Option<String>,
    /// Whether a driver that runs on the CPU may be taken where there is no GPU.
    pub allow_software: bool,
}

impl AdapterOptions {
    /// Any adapter, software too.
    pub fn any() -> Self {
        Self { name: None, allow_software: true }
    }
}

/// What there is to know of an adapter.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AdapterReport {
    /// The adapter's name.
    pub name: String,
    /// Its place on the PCI bus, where the system tells it: what two equal ones are told apart by.
    pub pci: Option<String>,
    /// Discrete, integrated, virtual, software or other.
    pub kind: &'static str,
    /// Vulkan, Metal, DX12 or WebGPU.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// The features that this program can use, where the adapter has them.
    pub features: Vec<&'static str>,
    /// The largest binding in bytes.
    pub max_binding: u64,
    /// The largest buffer in bytes.
    pub max_buffer: u64,
    /// Workgroup memory in bytes.
    pub workgroup_memory: u32,
    /// Invocations in a workgroup.
    pub workgroup_invocations: u32,
}

impl AdapterReport {
    fn new(adapter: &Adapter, info: AdapterInfo) -> Self {
        let (limits, features) = (adapter.limits(), adapter.features());
        let known = [
            (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
            (wgpu::Features::SHADER_F16, "f16"),
            (wgpu::Features::SUBGROUP, "subgroups"),
            (wgpu::Features::PIPELINE_CACHE, "pipeline cache"),
            (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "cooperative matrices"),
        ];
        Self {
            kind: kind(&info),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            name: info.name,
            pci: Some(info.device_pci_bus_id).filter(|place| !place.is_empty()),
            features: known
                .into_iter()
                .filter(|(f, _)| features.contains(*f))
                .map(|(_, name)| name)
                .collect(),
            max_binding: limits.max_storage_buffer_binding_size,
            max_buffer: limits.max_buffer_size,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
        }
    }
}

/// The class of an adapter.
pub(super) fn class(info: &AdapterInfo) -> AdapterClass {
    if info.device_type == DeviceType::Cpu || is_software_name(&info.name) {
        AdapterClass::Software
    } else {
        AdapterClass::Gpu
    }
}

fn kind(info: &AdapterInfo) -> &'static str {
    match (class(info), info.device_type) {
        (AdapterClass::Software, _) => "software",
        (_, DeviceType::DiscreteGpu) => "discrete",
        (_, DeviceType::IntegratedGpu) => "integrated",
        (_, DeviceType::VirtualGpu) => "virtual",
        _ => "other",
    }
}

/// By kind, then by backend: Vulkan before DX12, which compiles with FXC where DXC is not
/// installed, for minutes, and keeps no compiled kernels.
#[cfg(not(target_arch = "wasm32"))]
fn rank(info: &AdapterInfo) -> (usize, usize) {
    const KINDS: [&str; 5] = ["discrete", "integrated", "virtual", "other", "software"];
    const BACKENDS: [Backend; 3] = [Backend::Metal, Backend::Vulkan, Backend::Dx12];
    (
        KINDS.iter().position(|k| *k == kind(info)).unwrap_or(KINDS.len()),
        BACKENDS.iter().position(|b| *b == info.backend).unwrap_or(BACKENDS.len()),
    )
}

fn instance() -> Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    #[cfg(not(target_arch = "wasm32"))]
    {
        descriptor.backend_options.dx12.shader_compiler = dx12::compiler();
    }
    Instance::new(descriptor.with_env())
}

/// Whether an adapter's kernels are compiled by FXC, which takes minutes for long texts.
pub(super) fn only_fxc(info: &AdapterInfo) -> bool {
    #[cfg(not(target_arch = "wasm32"))]
    return info.backend == Backend::Dx12 && matches!(dx12::compiler(), wgpu::Dx12Compiler::Fxc);
    // A browser brings its own.
    #[cfg(target_arch = "wasm32")]
    {
        let _ = info;
        false
    }
}

/// An adapter with what is known of it.
type Described = (Adapter, AdapterInfo);

/// All adapters, the one that would be used first.
#[cfg(not(target_arch = "wasm32"))]
async fn enumerate() -> Vec<Described> {
    let adapters = instance().enumerate_adapters(wgpu::Backends::all()).await;
    let described = adapters.into_iter().map(|adapter| {
        let info = adapter.get_info();
        (adapter, info)
    });
    let mut adapters: Vec<Described> = described.collect();
    adapters.sort_by_key(|(_, info)| rank(info));
    adapters
}

/// The adapter that the browser offers.
#[cfg(target_arch = "wasm32")]
async fn enumerate() -> Vec<Described> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    let Ok(adapter) = instance().request_adapter(&options).await else { return vec![] };
    let mut info = adapter.get_info();
    super::browser::complete(&mut info).await;
    vec![(adapter, info)]
}

/// All adapters of this machine, the one that would be used first.
pub async fn adapters() -> Vec<AdapterReport> {
    enumerate().await.into_iter().map(|(adapter, info)| AdapterReport::new(&adapter, info)).collect()
}

/// The adapter that `options` ask for.
pub(super) async fn choose(options: &AdapterOptions) -> Result<Described> {
    let mut adapters = enumerate().await;
    let names: Vec<String> = adapters.iter().map(|(_, info)| info.name.clone()).collect();
    let position = match &options.name {
        Some(asked) => {
            let known = adapters.iter().map(|(_, info)| (&*info.name, &*info.device_pci_bus_id));
            Some(meant(asked, &known.collect::<Vec<_>>())?)
        }
        None => {
            adapters.iter().position(|(_, info)| options.allow_software || class(info) == AdapterClass::Gpu)
        }
    };
    match position {
        Some(i) => Ok(adapters.swap_remove(i)),
        None if names.is_empty() => Err(Error::NoAdapter { advice: advice().into() }),
        None => Err(Error::OnlySoftware { available: names.join(", "), advice: advice().into() }),
    }
}

/// Which of the adapters, each a name and a place on the PCI bus, is meant: by number, by place, by name, in this
/// order. A number that none has may be a part of a name.
fn meant(asked: &str, adapters: &[(&str, &str)]) -> Result<usize> {
    let asked = asked.trim();
    let number = asked.parse().ok().filter(|&number: &usize| number < adapters.len());
    let by_place = || adapters.iter().position(|(_, place)| is_place(asked, place));
    let by_name =
        || adapters.iter().position(|(name, _)| name.to_lowercase().contains(&asked.to_lowercase()));
    number.or_else(by_place).or_else(by_name).ok_or_else(|| {
        let list = adapters.iter().enumerate().map(|(i, (name, place))| match place.is_empty() {
            true => format!("{i}: {name}"),
            false => format!("{i}: {name} at {place}"),
        });
        let available = if adapters.is_empty() { "none".into() } else { list.collect::<Vec<_>>().join(", ") };
        Error::AdapterNotFound { asked: asked.into(), available }
    })
}

/// Whether `asked` is the place `domain:bus:device.function`, as people shorten it: without the domain, without the
/// function, with more zeros in front, as NVIDIA's tools write it.
fn is_place(asked: &str, place: &str) -> bool {
    let parts = |text: &str| -> Option<[u32; 4]> {
        let (slot, function) = text.split_once('.').unwrap_or((text, "0"));
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let fields: Vec<&str> = slot.split(':').collect();
        match fields[..] {
            [bus, device] => Some([0, hex(bus)?, hex(device)?, hex(function)?]),
            [domain, bus, device] => Some([hex(domain)?, hex(bus)?, hex(device)?, hex(function)?]),
            _ => None,
        }
    };
    parts(asked).is_some_and(|asked| parts(place) == Some(asked))
}

/// What to install where there is no adapter.
fn advice() -> &'static str {
    if cfg!(target_arch = "wasm32") {
        "this browser offers no WebGPU adapter; use a current Chrome, Edge, Safari or Firefox, with hardware acceleration switched on"
    } else if cfg!(target_os = "linux") {
        "install the GPU's Vulkan driver (Debian, Ubuntu: `apt-get install mesa-vulkan-drivers`, or NVIDIA's package `nvidia-driver`), or compute on the processor"
    } else if cfg!(target_os = "macos") {
        "Metal needs macOS 10.15 or later; or compute on the processor"
    } else {
        "install the GPU maker's current driver, or compute on the processor"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(device_type: DeviceType, backend: Backend) -> AdapterInfo {
        AdapterInfo::new(device_type, backend)
    }

    #[test]
    fn the_kind_counts_first_and_vulkan_comes_before_dx12() {
        use DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};
        let mut adapters = [
            info(Cpu, Backend::Vulkan),
            info(IntegratedGpu, Backend::Dx12),
            info(IntegratedGpu, Backend::Vulkan),
            info(DiscreteGpu, Backend::Dx12),
        ];
        adapters.sort_by_key(rank);
        let order: Vec<(DeviceType, Backend)> = adapters.iter().map(|a| (a.device_type, a.backend)).collect();
        assert_eq!(
            order,
            [
                (DiscreteGpu, Backend::Dx12),
                (IntegratedGpu, Backend::Vulkan),
                (IntegratedGpu, Backend::Dx12),
                (Cpu, Backend::Vulkan)
            ]
        );
    }

    #[test]
    fn two_equal_adapters_are_told_apart() {
        let adapters = [
            ("NVIDIA GeForce RTX 4090", "0000:01:00.0"),
            ("NVIDIA GeForce RTX 4090", "0000:41:00.0"),
            ("llvmpipe (LLVM 15.0.6, 256 bits)", ""),
        ];
        let meant = |asked: &str| meant(asked, &adapters).ok();
        for (asked, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            (" 2 ", Some(2)),
            ("3", None),
            ("4090", Some(0)),
            ("15", Some(2)),
            ("nvidia", Some(0)),
            ("0000:41:00.0", Some(1)),
            ("00000000:41:00.0", Some(1)),
            ("41:00.0", Some(1)),
            ("41:00", Some(1)),
            ("41:00.1", None),
            ("0001:41:00.0", None),
            ("LLVMpipe", Some(2)),
            ("Radeon", None),
        ] {
            assert_eq!(meant(asked), expected, "{asked}");
        }
        let error = super::meant("Radeon", &adapters).unwrap_err().to_string();
        assert!(error.contains("1: NVIDIA GeForce RTX 4090 at 0000:41:00.0"), "{error}");
        assert!(super::meant("0", &[]).unwrap_err().to_string().contains("there are: none"));
    }
}
