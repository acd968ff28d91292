//! What the browser says of its adapter, which wgpu passes on only in part.

use js_sys::{Function, Object, Promise, Reflect, global};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::adapter::is_software_name;

/// Completes `info`: browsers leave the description empty that wgpu takes for the name, and name
/// the vendor and the architecture instead.
pub(super) async fn complete(info: &mut wgpu::AdapterInfo) {
    let Some(said) = said().await else { return };
    let text = |key: &str| get(&said, key).and_then(|v| v.as_string()).unwrap_or_default();
    let (vendor, architecture) = (text("vendor"), text("architecture"));
    if info.name.is_empty() {
        info.name = format!("{vendor} {architecture}").trim().into();
    }
    if info.name.is_empty() {
        info.name = "unnamed GPU".into();
    }
    if is_software_name(&architecture) {
        info.device_type = wgpu::DeviceType::Cpu;
    }
}

/// `(await navigator.gpu.requestAdapter({ powerPreference: "high-performance" })).info`: the same
/// request as wgpu makes, so the same adapter.
async fn said() -> Option<JsValue> {
    let gpu = get(&get(&global(), "navigator")?, "gpu")?;
    let options = Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into()).ok()?;
    let request = get(&gpu, "requestAdapter")?.dyn_into::<Function>().ok()?;
    let promise = request.call1(&gpu, &options).ok()?.dyn_into::<Promise>().ok()?;
    get(&JsFuture::from(promise).await.ok()?, "info")
}

fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(object, &key.into()).ok().filter(|v| !v.is_undefined() && !v.is_null())
}
