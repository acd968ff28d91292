//! What is asked of the page, or of the worker.

use js_sys::{Promise, Reflect, global};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

/// `navigator.gpu`, where it is something.
pub(crate) fn gpu() -> Option<JsValue> {
    let navigator = Reflect::get(&global(), &"navigator".into()).ok()?;
    let gpu = Reflect::get(&navigator, &"gpu".into()).ok()?;
    gpu.is_object().then_some(gpu)
}

/// Whether the browser knows WebGPU at all.
pub(crate) fn has_webgpu() -> bool {
    gpu().is_some()
}

/// Milliseconds since some time.
pub(crate) fn now() -> f64 {
    js_sys::Date::now()
}

/// Lets the page handle its events, and the worker its messages.
///
/// A message to oneself is a task of the event loop, as a timer is, without a timer's four
/// milliseconds.
pub(crate) async fn pause() {
    let Ok(channel) = MessageChannel::new() else { return };
    let mut begin = |resolve: js_sys::Function, _| {
        channel.port1().set_onmessage(Some(&resolve));
        if channel.port2().post_message(&JsValue::NULL).is_err() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    };
    let _ = JsFuture::from(Promise::new(&mut begin)).await;
    channel.port1().close();
}

/// What the browser says of its adapter: a name for people, and whether it is software.
pub(crate) async fn adapter() -> Option<(String, bool)> {
    let gpu = gpu()?;
    let options = js_sys::Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into()).ok()?;
    let request = Reflect::get(&gpu, &"requestAdapter".into()).ok()?.dyn_into::<js_sys::Function>().ok()?;
    let promise = request.call1(&gpu, &options).ok()?.dyn_into::<Promise>().ok()?;
    let adapter = JsFuture::from(promise).await.ok().filter(JsValue::is_object)?;
    let info = Reflect::get(&adapter, &"info".into()).ok()?;
    let text =
        |key: &str| Reflect::get(&info, &key.into()).ok().and_then(|v| v.as_string()).unwrap_or_default();
    let flag = |of: &JsValue| {
        Reflect::get(of, &"isFallbackAdapter".into()).ok().and_then(|v| v.as_bool()).unwrap_or(false)
    };
    let (vendor, architecture, description) = (text("vendor"), text("architecture"), text("description"));
    let all = format!("{vendor} {architecture} {description}").to_lowercase();
    let software = flag(&info) || flag(&adapter) || ugatit::gpu::is_software_name(&all);
    let name = if description.is_empty() { format!("{vendor} {architecture}") } else { description };
    let name = name.trim();
    Some((if name.is_empty() { "unnamed GPU".into() } else { name.into() }, software))
}
