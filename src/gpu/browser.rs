//! What browsers need that drivers do not: their word on the adapter, which wgpu passes on only in
//! part, and being asked again while a mapping is on its way.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use js_sys::{Function, Object, Promise, Reflect, global};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::software::is_software_name;

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

/// How long between two nudges, milliseconds. A browser gives no timer less.
const NUDGE_MS: f64 = 4.0;

/// Waits for a mapping, and asks the device meanwhile whether it is there.
///
/// Firefox looks every 100 ms whether a GPU has finished, and beside that when something is
/// submitted. So an empty submit and an error scope, which it has to answer, bring the mapping
/// within a few milliseconds. Other browsers answer by themselves; an empty submit costs them
/// nothing that can be measured.
pub(super) async fn nudged<T>(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    mapped: impl Future<Output = T>,
) -> T {
    let mut mapped = pin!(mapped);
    loop {
        queue.submit([]);
        drop(device.push_error_scope(wgpu::ErrorFilter::Validation).pop());
        let mut pause = pin!(pause(NUDGE_MS));
        let first = poll_fn(|context| match mapped.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => pause.as_mut().poll(context).map(|()| None),
        });
        if let Some(value) = first.await {
            return value;
        }
    }
}

/// A timer. A message to oneself would come sooner, and so often that Firefox has no time for the
/// mapping.
async fn pause(milliseconds: f64) {
    let Some(set_timeout) = get(&global(), "setTimeout").and_then(|f| f.dyn_into::<Function>().ok()) else {
        return;
    };
    let begin = |resolve: Function, _| {
        let begun = set_timeout.call2(&JsValue::UNDEFINED, &resolve, &milliseconds.into());
        if begun.is_err() {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    };
    let _ = JsFuture::from(Promise::new(&mut { begin })).await;
}

fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(object, &key.into()).ok().filter(|v| !v.is_undefined() && !v.is_null())
}
