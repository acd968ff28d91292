//! Where sessions compute.

use js_sys::{Function, Promise};
use ugatit::gpu::{AdapterOptions, Gpu};
use ugatit::model::{DecoderNorm, Dialect, GeneratorConfig};
use ugatit::plan::AdapterClass;
use ugatit::translate::{Device, Precision, Translator};
use ugatit::{Error, Result};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

use crate::error::thrown;
use crate::hook::Hook;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The metadata of a model file of this project. */
export interface ModelMetadata { [key: string]: string }
"#;

#[wasm_bindgen]
extern "C" {
    /// What a model file says of itself.
    #[wasm_bindgen(typescript_type = "ModelMetadata")]
    pub type Metadata;
    #[wasm_bindgen(method, structural, indexing_getter)]
    fn get(this: &Metadata, key: &str) -> Option<String>;
}

impl Metadata {
    /// The architecture, where it is one of ours.
    fn config(&self) -> Option<GeneratorConfig> {
        let number = |key: &str| self.get(key)?.parse().ok();
        let flag = |key: &str, usual: bool| self.get(key).map_or(Some(usual), |text| text.parse().ok());
        let norm = |name: String| name.parse().ok();
        let config = GeneratorConfig {
            ch: number("ch")?,
            n_res: number("n_res")?,
            n_res_decoder: number("n_res_decoder")?,
            img_size: number("img_size")?,
            img_ch: number("img_ch")?,
            light: self.get("architecture")? == "light",
            dialect: self.get("dialect").map_or(Some(Dialect::default()), |name| name.parse().ok())?,
            decoder_norm: self.get("decoder_norm").map_or(Some(DecoderNorm::default()), norm)?,
            cam: flag("cam", true)?,
            smoothing: flag("smoothing", false)?,
        };
        config.validate().ok().map(|()| config)
    }
}

/// A device, and what there is to know of it.
#[wasm_bindgen]
pub struct Place {
    pub(crate) device: Device,
    pub(crate) backend: &'static str,
    pub(crate) adapter: String,
    pub(crate) software: bool,
    pub(crate) notice: Option<&'static str>,
    pub(crate) precision: Precision,
}

#[wasm_bindgen]
impl Place {
    /// The place that `backend` stands for: `auto`, `webgpu` or `wasm`. `precision` is that of a GPU's memory: `f32` or
    /// `f16`.
    pub async fn open(backend: String, precision: String) -> std::result::Result<Place, JsValue> {
        let precision = match precision.as_str() {
            "f32" => Ok(Precision::F32),
            "f16" => Ok(Precision::F16),
            other => Err(Error::Config(format!("{other:?} is no precision; use \"f32\" or \"f16\""))),
        };
        let opened = match precision {
            Ok(precision) => Self::try_open(&backend).await.map(|place| Self { precision, ..place }),
            Err(error) => Err(error),
        };
        opened.map_err(|error| thrown(&error))
    }

    /// `webgpu` or `wasm`.
    #[wasm_bindgen(getter)]
    pub fn backend(&self) -> String {
        self.backend.into()
    }

    /// Compiles the kernels for a model of that metadata, for as long as `hook` says so. What goes wrong
    /// goes wrong again when they are needed, and is told then.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn prepare(
        &self,
        metadata: &Metadata,
        #[wasm_bindgen(unchecked_param_type = "Hook")] hook: Function,
    ) -> Promise {
        let (device, config, precision) = (self.device.clone(), metadata.config(), self.precision);
        let bits = metadata.get("quantization").and_then(|text| text.parse().ok());
        future_to_promise(async move {
            if let (Device::Gpu(gpu), Some(config)) = (device, config) {
                let _ = Translator::prepare(&gpu, &config, bits, precision, &mut Hook::new(hook)).await;
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// A backend for tests only: WebGPU with the kernels that a GPU gets, whatever the adapter is.
const AS_GPU: &str = "webgpu-as-gpu";

impl Place {
    fn processor(notice: Option<&'static str>) -> Self {
        let adapter = "processor".into();
        let precision = Precision::F32;
        Self { device: Device::Cpu, backend: "wasm", adapter, software: false, notice, precision }
    }

    async fn try_open(backend: &str) -> Result<Self> {
        match backend {
            "wasm" => return Ok(Self::processor(None)),
            "auto" | "webgpu" | AS_GPU => {}
            other => {
                return Err(Error::Config(format!(
                    "{other:?} is no backend; use \"auto\", \"webgpu\" or \"wasm\""
                )));
            }
        }
        // A software adapter computes on the processor too, about ten times slower than we do.
        let allow_software = backend != "auto";
        match Gpu::open(&AdapterOptions { name: None, allow_software }).await {
            Ok(gpu) => {
                let gpu = if backend == AS_GPU { gpu.planned_as(AdapterClass::Gpu) } else { gpu };
                let (adapter, software) = (gpu.name().into(), gpu.is_software());
                let notice = software.then_some(
                    "This browser's WebGPU runs on the processor, not on a GPU, and is slow. Hardware acceleration may be switched off in its settings.",
                );
                let (device, precision) = (Device::Gpu(gpu), Precision::F32);
                Ok(Self { device, backend: "webgpu", adapter, software, notice, precision })
            }
            Err(error) if backend != "auto" => Err(error),
            Err(Error::OnlySoftware { .. }) => Ok(Self::processor(Some(
                "This browser's WebGPU has no GPU behind it, so the processor does the work. It is slower; hardware acceleration may be switched off in the browser's settings.",
            ))),
            Err(_) => Ok(Self::processor(Some(
                "This browser offers no WebGPU, so the processor does the work. It is slower; a current Chrome, Edge or Safari with hardware acceleration would use the GPU.",
            ))),
        }
    }
}
